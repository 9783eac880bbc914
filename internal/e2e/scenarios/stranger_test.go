package scenarios_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Who has no business with a link: programs that open it, and people who guess.

var (
	follows = regexp.MustCompile(`(?:href|src|formaction)="([^"]*)"`)
	forms   = regexp.MustCompile(`<form\b[^>]*>`)
	action  = regexp.MustCompile(`\baction="([^"]*)"`)
)

// scan opens the link, and whatever its page leads to, as scanners of mail do.
// It returns the page.
func (l letter) scan() string {
	l.t.Helper()
	page := ""
	for range 3 {
		code, text := l.send(http.MethodGet, l.address, nil)
		if page = text; code != http.StatusOK || !strings.Contains(page, "shop") || strings.Contains(page, "<script") {
			l.t.Fatalf("the link gives %d\n%s", code, page)
		}
		if code, text := l.send(http.MethodHead, l.address, nil); code != http.StatusOK || text != "" {
			l.t.Errorf("HEAD gives %d %q", code, text)
		}
	}
	base, err := url.Parse(l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	var targets []string
	for _, m := range follows.FindAllStringSubmatch(page, -1) {
		targets = append(targets, m[1])
	}
	found := forms.FindAllString(page, -1)
	if len(found) == 0 {
		l.t.Errorf("the page has no form:\n%s", page)
	}
	for _, form := range found {
		target := "" // of a form without action: the page itself
		if m := action.FindStringSubmatch(form); m != nil {
			target = m[1]
		}
		targets = append(targets, target)
	}
	for _, target := range targets {
		u, err := base.Parse(target)
		if err != nil || u.Host != base.Host {
			continue // other places decide nothing here, and are not on loopback
		}
		l.send(http.MethodGet, u.String(), nil)
		l.send(http.MethodGet, u.String()+"?"+answer("shop", "approve").Encode(), nil)
		l.send(http.MethodPost, u.String(), nil)
	}
	l.undecided("scanners")
	return page
}

// guess sends forms that no person sends.
func (l letter) guess() {
	l.t.Helper()
	origin := func(h http.Header) { h.Set("Origin", "https://evil.example") }
	site := func(h http.Header) { h.Set("Sec-Fetch-Site", "cross-site") }
	json := func(h http.Header) { h.Set("Content-Type", "application/json") }
	for _, tt := range []struct {
		what   string
		fields url.Values
		change []func(http.Header)
		want   int
	}{
		{"nothing", nil, nil, http.StatusUnprocessableEntity},
		{"a wrong name, to approve", answer("Shop", "approve"), nil, http.StatusUnprocessableEntity},
		{"a wrong name, to reject", answer("test", "reject"), nil, http.StatusUnprocessableEntity},
		{"both decisions", url.Values{"pipeline": {"shop"}, "comment": {comment}, "decision": {"approve", "reject"}}, nil, http.StatusUnprocessableEntity},
		{"no decision", answer("shop", ""), nil, http.StatusUnprocessableEntity},
		{"the form of another origin", answer("shop", "approve"), []func(http.Header){origin}, http.StatusForbidden},
		{"the form of another site", answer("shop", "approve"), []func(http.Header){site}, http.StatusForbidden},
		{"another type", answer("shop", "approve"), []func(http.Header){json}, http.StatusUnsupportedMediaType},
	} {
		if code, _ := l.send(http.MethodPost, l.address, tt.fields, tt.change...); code != tt.want {
			l.t.Errorf("a POST of %s gives %d; want %d", tt.what, code, tt.want)
		}
		l.undecided("a POST of " + tt.what)
	}
}

// alter answers through n altered links. Each has the form of a link, so that
// all of them are looked for in the table.
func (l letter) alter(n int) {
	l.t.Helper()
	secret, err := hex.DecodeString(l.secret)
	if err != nil || len(secret) != 32 {
		l.t.Fatalf("the secret is %d bytes, %v; want 32", len(secret), err)
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range next {
				other := strings.TrimSuffix(l.address, l.secret) + hex.EncodeToString(flipped(secret, i))
				code, text, err := send(l.t.Context(), []string{http.MethodPost, http.MethodGet}[i%2], other, answer("shop", "approve"))
				if err != nil || code != http.StatusNotFound || strings.Contains(text, "shop") {
					l.t.Errorf("altered link %d gives %d, %v; want 404", i, code, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	l.undecided(fmt.Sprint(n, " altered links"))
}

// flipped returns b with bit i flipped, and when all have had their turn, with
// another one besides.
func flipped(b []byte, i int) []byte {
	b = slices.Clone(b)
	bits := len(b) * 8
	flip := func(at int) { b[at/8] ^= 1 << (at % 8) }
	flip(i % bits)
	if round := i / bits; round > 0 {
		flip((i + round) % bits)
	}
	return b
}
