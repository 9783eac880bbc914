package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
)

// event is a request as the function URL sends it: in Lambda's way, a form is
// base64 and names of headers are in lower case.
func event(method, link, form string) []byte {
	u, _ := url.Parse(link)
	b, _ := json.Marshal(map[string]any{
		"version": "2.0", "rawPath": u.Path, "body": form,
		"headers": map[string]string{"content-type": "application/x-www-form-urlencoded", "host": u.Host},
		"requestContext": map[string]any{
			"domainName": u.Host, "http": map[string]any{"method": method, "sourceIp": "192.0.2.1"},
		},
	})
	return b
}

// asked is a world with an approval that waits for an answer.
func asked(t *testing.T) *cloudtest.World {
	t.Helper()
	w := cloudtest.New()
	w.Act(t, w.InWork(t), "Work", "Ask")
	if w.Link() == "" {
		t.Fatal("no mail with a link was sent")
	}
	return w
}

const yes = "pipeline=web&comment=good&decision=approve"

func ask(ctx context.Context, t *testing.T, w *cloudtest.World, payload []byte) (int, string) {
	t.Helper()
	h, err := handler(w.Process(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	out, err := h(ctx, payload)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(out)
	var answer struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Body
}

// The name of the link that an action was answered by differs from run to run.
func effect(w *cloudtest.World) func(testing.TB) string {
	return func(t testing.TB) string {
		text := w.Effect(t)
		if i := strings.Index(text, "approval link "); i >= 0 {
			text = text[:i+len("approval link ")] + text[i+len("approval link ")+6:]
		}
		return text
	}
}

func TestOneEffect(t *testing.T) {
	cloudtest.OneEffect(t, func(t *testing.T) cloudtest.Trial {
		w := asked(t)
		payload := event("POST", w.Link(), yes)
		call := func(ctx context.Context) error {
			if status, body := ask(ctx, t, w, payload); status >= 500 { // a repeat is told that it is one
				return fmt.Errorf("%d %s", status, body)
			}
			return nil
		}
		return cloudtest.Trial{Call: call, Effect: effect(w)}
	})
}

// Looking at a request changes nothing, and shows what it is about.
func TestLook(t *testing.T) {
	w := asked(t)
	before := w.Effect(t)
	if status, body := ask(t.Context(), t, w, event("GET", w.Link(), "")); status != 200 || !strings.Contains(body, "web") {
		t.Errorf("GET: %d %s", status, body)
	}
	if status, body := ask(t.Context(), t, w, event("HEAD", w.Link(), "")); status != 200 || body != "" {
		t.Errorf("HEAD: %d %q", status, body)
	}
	if after := w.Effect(t); after != before {
		t.Errorf("looking changed something:\n%s", after)
	}
}
