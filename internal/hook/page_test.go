package hook_test

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/hook"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// body returns what is on a page, without the head, which all share.
func body(page string) string {
	_, rest, _ := strings.Cut(page, "<body>")
	return rest
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	q := w.ask()
	golden(t, "ask.html", body(w.send("GET", q.path(), nil).Body.String()))
	wrong := right()
	wrong.Set("pipeline", `"><script>alert(1)</script>`)
	wrong.Set("comment", "</textarea><b>")
	golden(t, "again.html", body(w.send("POST", q.path(), wrong).Body.String()))
	yes := w.send("POST", q.path(), right()).Body.String()
	golden(t, "approved.html", strings.ReplaceAll(body(yes), orchestrator.LinkName(q.secret), "abcdef"))
	golden(t, "used.html", body(w.send("GET", q.path(), nil).Body.String()))
	golden(t, "unknown.html", body(w.send("GET", "/approve/x", nil).Body.String()))

	w = newWorld(t)
	q = w.ask()
	no := right()
	no.Set("decision", "reject")
	golden(t, "rejected.html", strings.ReplaceAll(body(w.send("POST", q.path(), no).Body.String()), orchestrator.LinkName(q.secret), "abcdef"))
	if a := w.gate(q.execution); a.Status != pipeline.Failed || a.UpdatedBy != "approval link "+orchestrator.LinkName(q.secret) {
		t.Errorf("the approval is %s by %q", a.Status, a.UpdatedBy)
	}
}

// Every answer has the headers that keep the page to itself and its address to
// its reader, and no page has a script.
func TestHeaders(t *testing.T) {
	w := newWorld(t)
	q := w.ask()
	policy := ""
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", q.path(), 200}, {"HEAD", q.path(), 200}, {"POST", q.path(), 422}, {"PUT", q.path(), 405}, {"OPTIONS", q.path(), 405},
		{"GET", "/", 404}, {"POST", "/", 404}, {"PUT", "/approve/", 404}, {"GET", "/favicon.ico", 404}, {"GET", "/approve/" + strings.Repeat("0", 64), 404}, {"HEAD", "/x", 404},
	} {
		fields := right()
		fields.Del("comment")
		if tt.method != "POST" {
			fields = nil
		}
		got := w.send(tt.method, tt.path, fields)
		if got.Code != tt.want {
			t.Errorf("%s %s: %d; want %d", tt.method, tt.path, got.Code, tt.want)
		}
		h := got.Header()
		for name, want := range map[string]string{
			"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"X-Robots-Tag": "noindex, nofollow, noarchive", "Content-Type": "text/html; charset=utf-8", "Set-Cookie": "", "Location": "",
		} {
			if h.Get(name) != want {
				t.Errorf("%s %s: %s is %q; want %q", tt.method, tt.path, name, h.Get(name), want)
			}
		}
		if policy = h.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || !strings.Contains(policy, "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'") {
			t.Errorf("%s %s: policy %q", tt.method, tt.path, policy)
		}
		if text := strings.ToLower(got.Body.String()); strings.Contains(text, "<script") || strings.Contains(text, " on") && strings.Contains(text, `onclick`) || (text == "") != (tt.method == "HEAD") {
			t.Errorf("%s %s: page\n%s", tt.method, tt.path, text)
		}
		if tt.want == 405 && h.Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("%s: Allow is %q", tt.method, h.Get("Allow"))
		}
	}
	w.undecided(q, "looking")
}

// What a stranger wrote is text, and only a web address is a link.
func TestHostileText(t *testing.T) {
	evil := `<img src=x onerror=alert(1)>"'` + "`"
	for _, see := range []string{"javascript:alert(1)", "data:text/html,x", evil} {
		ask := orchestrator.Ask{Pipeline: evil, Stage: evil, Action: evil, Note: evil, See: see, Trigger: evil,
			Changes: []orchestrator.Change{{Source: evil, Author: evil, Branch: evil, Revision: orchestrator.Revision{ID: evil, Summary: evil, URL: see}, Since: orchestrator.Revision{ID: "1", Summary: evil}}}}
		pages, err := hook.New(stub{ask: ask}, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := world{t: t, pages: pages}
		page := w.send("GET", "/approve/"+strings.Repeat("0", 64), nil).Body.String()
		if strings.Contains(page, "<img") || strings.Contains(page, `href="javascript:`) || strings.Contains(page, `href="data:`) {
			t.Errorf("the page has markup of a stranger:\n%s", page)
		}
	}
}

// stub answers with what it is made of.
type stub struct {
	hook.Approvals
	ask orchestrator.Ask
	err error
}

func (s stub) Request(_ context.Context, _ string) (orchestrator.Ask, error) { return s.ask, s.err }
func (s stub) Decide(_ context.Context, in orchestrator.Decision) (orchestrator.Decided, error) {
	return orchestrator.Decided{}, s.err
}

// What breaks behind the page is told to the log, and never the secret.
func TestBroken(t *testing.T) {
	secret := strings.Repeat("ab", 32)
	var log strings.Builder
	pages, err := hook.New(stub{err: errors.New("table is gone: LINK " + secret)}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	w := world{t: t, pages: pages}
	for _, method := range []string{"GET", "POST"} {
		got := w.send(method, "/approve/"+secret, right())
		if got.Code != http.StatusServiceUnavailable || strings.Contains(got.Body.String(), "table") {
			t.Errorf("%s gave %d\n%s", method, got.Code, got.Body)
		}
	}
	if strings.Contains(log.String(), secret) || strings.Count(log.String(), "table is gone") != 2 {
		t.Errorf("the log says\n%s", &log)
	}
	if _, err := hook.New(nil, nil); err == nil {
		t.Error("New without approvals succeeded")
	}
}
