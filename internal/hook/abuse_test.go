package hook_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Of 1,000 links that were altered, have expired or were used, none is
// accepted: not to answer, and not to show what is asked.
func TestNoWrongLinkIsAccepted(t *testing.T) {
	w := newWorld(t)
	q := w.ask()
	refused := func(what, path string, status int) {
		t.Helper()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			var fields url.Values
			if method == http.MethodPost {
				fields = right()
			}
			got := w.send(method, path, fields)
			if got.Code != status || strings.Contains(got.Body.String(), "shop-web") {
				t.Fatalf("%s: %s gave %d\n%s", what, method, got.Code, got.Body)
			}
		}
	}
	tried := 0
	for i := range q.secret { // every bit of every character: 512
		for bit := range 8 {
			b := []byte(q.secret)
			b[i] ^= 1 << bit
			refused("altered", "/approve/"+string(b), http.StatusNotFound)
			tried++
		}
	}
	sum := sha256.Sum256([]byte(q.secret))
	for _, other := range []string{
		strings.ToUpper(q.secret), q.secret[:63], q.secret + "0", "0" + q.secret, q.secret + "/", q.secret + "/approve", " " + q.secret,
		q.secret + q.secret, "", ".", "../approve/" + q.secret, hex.EncodeToString(sum[:]), strings.Repeat("0", 64), strings.Repeat("f", 64), "LINK#" + hex.EncodeToString(sum[:]),
	} {
		refused("altered to "+other, "/approve/"+other, http.StatusNotFound)
		tried++
	}
	w.undecided(q, "altered links")

	links := []string{q.secret} // to one approval
	for range 300 {
		links = append(links, w.deliver())
	}
	deadline := w.gate(q.execution).Job.Deadline
	asked := w.now()
	w.clock.Store(deadline.UnixNano())
	for _, secret := range links {
		refused("expired", "/approve/"+secret, http.StatusGone)
		tried++
	}
	w.undecided(q, "expired links")

	w.clock.Store(asked.UnixNano())
	if got := w.send(http.MethodPost, q.path(), right()); got.Code != http.StatusOK {
		t.Fatalf("the answer of a person gave %d\n%s", got.Code, got.Body)
	}
	for _, secret := range links {
		refused("used", "/approve/"+secret, http.StatusGone)
		tried++
	}
	if a := w.gate(q.execution); a.Status != pipeline.Succeeded || a.Result.Summary != right().Get("comment") {
		t.Errorf("the approval is %s: %s", a.Status, a.Result.Summary)
	}
	for i, secret := range links[:2] {
		sum := sha256.Sum256([]byte(secret))
		if l, err := w.svc.Records.Link(t.Context(), hex.EncodeToString(sum[:])); err != nil || l.Value.Used.IsZero() == (i == 0) {
			t.Errorf("link %d: %+v, %v; want the first one marked as used", i, l.Value, err)
		}
	}
	if tried < 1000 {
		t.Errorf("%d links were tried; want 1,000", tried)
	}
}

// A link is good until the very moment it expires.
func TestExpiresToTheNanosecond(t *testing.T) {
	for after, want := range map[time.Duration]int{-time.Nanosecond: http.StatusOK, 0: http.StatusGone, time.Nanosecond: http.StatusGone} {
		w := newWorld(t)
		q := w.ask()
		w.clock.Store(w.gate(q.execution).Job.Deadline.Add(after).UnixNano())
		if got := w.send(http.MethodGet, q.path(), nil); got.Code != want {
			t.Errorf("looked at %v after the deadline: %d; want %d", after, got.Code, want)
		}
		if got := w.send(http.MethodPost, q.path(), right()); got.Code != want {
			t.Errorf("answered %v after the deadline: %d; want %d", after, got.Code, want)
		}
	}
}

// links finds what a program would follow or press on a page.
var links = regexp.MustCompile(`(?:href|src|action|formaction)="([^"]*)"`)

// Programs that open, follow and fill in whatever they find decide nothing.
func TestScannersDecideNothing(t *testing.T) {
	w := newWorld(t)
	q := w.ask()
	page := w.send(http.MethodGet, q.path(), nil).Body.String()
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "PROPFIND"} {
		w.send(method, q.path(), nil)
		w.send(method, q.path()+"?"+right().Encode(), right())
		w.send(method, q.path(), nil, func(r *http.Request) { r.URL.RawQuery = right().Encode() })
	}
	for _, m := range links.FindAllStringSubmatch(page, -1) {
		if u, err := url.Parse(m[1]); err == nil && (u.Host == "" || u.Host == "pages.example") {
			w.send("GET", u.Path, nil)
			w.send("POST", u.Path, nil)
		}
	}
	names := []string{"pipeline", "comment", "decision"}
	for _, value := range []string{"", "test", "1", "on", "true", "approve", "a@b.example", "shop", "Shop-Web", "shop-web ✓", "SHOP-WEB", "pipeline", "Name of the pipeline", "Approve shop-web?"} {
		for _, decision := range []string{"approve", "reject", value} {
			fields := url.Values{"decision": {decision}}
			for _, name := range names[:2] {
				fields.Set(name, value)
			}
			w.send("POST", q.path(), fields)
		}
	}
	w.undecided(q, "blind POSTs")

	// The wrong names locked this link. A new one takes nothing that a person
	// would not send either.
	q.secret = w.deliver()
	blind := []func(url.Values){
		func(f url.Values) { f.Del("decision") }, func(f url.Values) { f.Del("pipeline") }, func(f url.Values) { f.Del("comment") },
		func(f url.Values) { f.Add("decision", "reject") }, func(f url.Values) { f.Add("pipeline", "shop-web") },
		func(f url.Values) { f.Set("decision", "Approve") }, func(f url.Values) { f.Set("comment", "  \r\n ") },
		func(f url.Values) { f.Set("comment", strings.Repeat("ä", 513)) },
	}
	for i, change := range blind {
		fields := right()
		change(fields)
		if got := w.send("POST", q.path(), fields); got.Code != http.StatusUnprocessableEntity || !strings.Contains(got.Body.String(), "Not answered yet") {
			t.Errorf("blind POST %d gave %d", i, got.Code)
		}
	}
	inURL := func(r *http.Request) { r.URL.RawQuery = right().Encode() }
	if got := w.send("POST", q.path(), url.Values{}, inURL); got.Code != http.StatusUnprocessableEntity {
		t.Errorf("a POST with its answer in the address gave %d", got.Code)
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		want   int
	}{
		{"another site", header("Sec-Fetch-Site", "cross-site"), http.StatusForbidden},
		{"a sister site", header("Sec-Fetch-Site", "same-site"), http.StatusForbidden},
		{"another origin", header("Origin", "https://evil.example"), http.StatusForbidden},
		{"an origin that is none", header("Origin", "%zz"), http.StatusForbidden},
		{"JSON", header("Content-Type", "application/json"), http.StatusUnsupportedMediaType},
		{"parts", header("Content-Type", "multipart/form-data; boundary=x"), http.StatusUnsupportedMediaType},
		{"no type", func(r *http.Request) { r.Header.Del("Content-Type") }, http.StatusUnsupportedMediaType},
	} {
		if got := w.send("POST", q.path(), right(), tt.change); got.Code != tt.want {
			t.Errorf("%s: %d; want %d", tt.name, got.Code, tt.want)
		}
	}
	large := right()
	large.Set("more", strings.Repeat("x", 64<<10))
	if got := w.send("POST", q.path(), large); got.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large POST gave %d", got.Code)
	}
	w.undecided(q, "POSTs that no person sends")
	if got := w.send("POST", q.path(), right(), header("Origin", "null")); got.Code != http.StatusOK { // what Safari sends from a page without referrer
		t.Errorf("a person's answer gave %d", got.Code)
	}
}

// Wrong names are counted, also when they come at once, and then the link is
// dead for the right one. Fields that are left empty are not counted: whoever
// presses buttons must not use up the tries of a person.
func TestWrongNamesLockTheLink(t *testing.T) {
	wrong, empty := right(), right()
	wrong.Set("pipeline", "shop-wob")
	empty.Set("pipeline", "")
	for range 20 {
		w := newWorld(t)
		q := w.ask()
		for range 10 {
			w.send("POST", q.path(), empty)
			if _, err := w.svc.Decide(t.Context(), orchestrator.Decision{Secret: q.secret, Approved: true, Summary: "blind"}); !errors.Is(err, orchestrator.ErrWrongName) {
				t.Fatalf("an answer without a name gave %v", err)
			}
		}
		var wg sync.WaitGroup
		for range 9 {
			wg.Go(func() {
				if got := w.send("POST", q.path(), wrong); got.Code != http.StatusUnprocessableEntity || !strings.Contains(got.Body.String(), `value="shop-wob"`) {
					t.Errorf("a wrong name gave %d", got.Code)
				}
			})
		}
		wg.Wait()
		if got := w.send("GET", q.path(), nil); got.Code != http.StatusOK {
			t.Errorf("after 9 wrong names the page gives %d", got.Code)
		}
		w.send("POST", q.path(), wrong)
		for _, method := range []string{"GET", "POST"} {
			if got := w.send(method, q.path(), right()); got.Code != http.StatusGone || !strings.Contains(got.Body.String(), "locked") {
				t.Fatalf("after 10 wrong names %s gives %d", method, got.Code)
			}
		}
		w.undecided(q, "too many wrong names")
	}
}

// Of 50 answers at once, half of them to reject, one counts, and the page says
// so to one.
func TestParallelAnswers(t *testing.T) {
	for round := range 20 {
		w := newWorld(t)
		q := w.ask()
		other := w.deliver()
		answers := make([]*httptest.ResponseRecorder, 50)
		var wg sync.WaitGroup
		for i := range answers {
			fields, path := right(), q.path()
			fields.Set("comment", fmt.Sprint("answer ", i))
			if i%2 == 1 {
				fields.Set("decision", "reject")
			}
			if i%4 >= 2 {
				path = "/approve/" + other
			}
			wg.Go(func() { answers[i] = w.send("POST", path, fields) })
		}
		wg.Wait()
		winner := -1
		for i, got := range answers {
			switch got.Code {
			case http.StatusOK:
				if winner >= 0 {
					t.Errorf("round %d: answers %d and %d were both taken", round, winner, i)
				}
				winner = i
			case http.StatusGone:
			default:
				t.Errorf("round %d: answer %d gave %d", round, i, got.Code)
			}
		}
		a := w.gate(q.execution)
		want := map[bool]pipeline.Status{true: pipeline.Succeeded, false: pipeline.Failed}[winner%2 == 0]
		if winner < 0 || a.Status != want || a.Result.Summary != fmt.Sprint("answer ", winner) {
			t.Fatalf("round %d: answer %d was taken, and the approval is %s: %s", round, winner, a.Status, a.Result.Summary)
		}
	}
}

// The secret is in the mail and nowhere else, whatever happens to the link.
func TestSecretIsWrittenNowhere(t *testing.T) {
	w := newWorld(t)
	q := w.ask()
	secrets := []string{q.secret, w.deliver()}
	wrong := right()
	wrong.Set("pipeline", "shop")
	for _, secret := range secrets {
		path := "/approve/" + secret
		w.send("GET", path, nil)
		w.send("HEAD", path, nil)
		w.send("PUT", path, nil)
		w.send("GET", path+"/", nil)
		w.send("POST", path, wrong)
		w.send("POST", path, right(), func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") })
		w.send("POST", path, right())
		w.send("POST", path, right())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, secret := range secrets {
		for where, text := range map[string]string{"the store": w.written.String(), "the log": w.log.String()} {
			if strings.Contains(text, secret) || strings.Contains(text, secret[:16]) || strings.Contains(text, secret[48:]) {
				t.Errorf("%s has the secret:\n%s", where, text)
			}
		}
		sum := sha256.Sum256([]byte(secret))
		if hash := hex.EncodeToString(sum[:]); !strings.Contains(w.written.String(), "LINK#"+hash) || !strings.Contains(w.log.String(), "link="+hash[:6]+" ") || strings.Contains(w.log.String(), hash[:8]) {
			t.Errorf("want the hash in the store and 6 digits of it in the log:\n%s", &w.log)
		}
	}
}
