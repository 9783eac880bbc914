package egress_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-ci/sluice/internal/action/aws/egress"
)

// corpus returns the lines of a file of test data that say something.
func corpus(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "# ") {
			all = append(all, line)
		}
	}
	return all
}

// TestOnlyNamedHosts asks a client for URLs that lead elsewhere. Nothing is
// dialled: no name is even looked up.
func TestOnlyNamedHosts(t *testing.T) {
	urls := corpus(t, "testdata/urls.txt")
	if len(urls) < 60 {
		t.Errorf("%d URLs; want at least 60", len(urls))
	}
	var asked atomic.Int64
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		asked.Add(1)
		return nil, errors.New("no names here")
	}}
	client := egress.NewWith(egress.Hosts{Public: []string{"api.github.com"}, Inside: []string{"codeconnections.eu-west-1.amazonaws.com"}, Given: []string{"127.0.0.1:4566"}}, resolver)
	for _, u := range urls {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
		if err != nil {
			continue // no URL at all
		}
		if _, err := client.Do(req); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("%s: %v; want ErrRefused", u, err)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d names were looked up", n)
	}
}

// TestOnlyItsAddresses gives a named host addresses that it must not have, and
// wants none of them dialled.
func TestOnlyItsAddresses(t *testing.T) {
	for _, address := range corpus(t, "testdata/addresses.txt") {
		class, text, _ := strings.Cut(address, " ")
		a := netip.MustParseAddr(text)
		if got := egress.Public(a); got != (class == "public") {
			t.Errorf("%s is public: %v; want %v", text, got, !got)
		}
		if got := egress.Inside(a); got != (class == "public" || class == "inside") {
			t.Errorf("%s may be inside: %v; want %v", text, got, !got)
		}
		if class == "public" || !a.Is4() {
			continue
		}
		for hosts, refused := range map[*egress.Hosts]bool{
			{Public: []string{"api.github.com"}}: true,
			{Inside: []string{"api.github.com"}}: class == "never",
		} {
			if !refused {
				continue // it would really be dialled
			}
			_, err := egress.NewWith(*hosts, names(t, a)).Get("https://api.github.com/")
			if !errors.Is(err, egress.ErrRefused) {
				t.Errorf("a host at %s: %v; want ErrRefused", text, err)
			}
		}
	}
}

// TestRebinding has a name that is at a public address when it is asked for
// once, and at the machine itself from then on. What is checked is what is
// dialled, so there is no moment in between.
func TestRebinding(t *testing.T) {
	var connected atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { connected.Add(1) }))
	defer server.Close()
	resolver := names(t, netip.MustParseAddr("140.82.121.6"), netip.MustParseAddr("127.0.0.1"))
	if first, err := resolver.LookupNetIP(t.Context(), "ip4", "api.github.com"); err != nil || len(first) != 1 || !egress.Public(first[0]) {
		t.Fatalf("%v, %v; want a public address, as somebody who checks first would see", first, err)
	}
	client := egress.NewWith(egress.Hosts{Public: []string{"api.github.com"}}, resolver)
	for range 3 {
		if _, err := client.Get("https://api.github.com/"); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("%v; want ErrRefused", err)
		}
	}
	if n := connected.Load(); n > 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestRedirectsAreReturned pins that following one is the caller's decision.
func TestRedirectsAreReturned(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/", http.StatusFound))
	defer server.Close()
	client := egress.New(egress.Hosts{Given: []string{strings.TrimPrefix(server.URL, "http://")}})
	answer, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusFound {
		t.Errorf("status %d; want the redirect", answer.StatusCode)
	}
}

// TestNoProxy pins that the environment names no proxy for these clients.
func TestNoProxy(t *testing.T) {
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	if _, err := egress.NewWith(egress.Hosts{Public: []string{"api.github.com"}}, names(t, netip.MustParseAddr("10.0.0.1"))).Get("https://api.github.com/"); !errors.Is(err, egress.ErrRefused) {
		t.Errorf("%v; want ErrRefused", err)
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

// names returns a resolver for which every name has the addresses in turn.
func names(t *testing.T, addresses ...netip.Addr) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		buf := make([]byte, 1500)
		for i := 0; ; {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			q := buf[:n]
			end := 12
			for q[end] != 0 {
				end += int(q[end]) + 1
			}
			end += 5
			a := addresses[min(i, len(addresses)-1)]
			answer := append([]byte{}, q[:end]...)
			copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
			if binary.BigEndian.Uint16(q[end-4:]) == 1 { // an address of IPv4 is asked for
				i++
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				answer = append(answer, a.AsSlice()...)
			}
			_, _ = server.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// TestGiven pins that a host of the deployment's own is reached as it is.
func TestGiven(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	defer server.Close()
	answer, err := egress.New(egress.Hosts{Given: []string{strings.TrimPrefix(server.URL, "http://")}}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); string(text) != "hello" {
		t.Errorf("%q", text)
	}
}
