package entry

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// echo answers with what it saw of the request.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Add("Set-Cookie", "a=1")
	w.Header().Add("Set-Cookie", "b=2")
	w.Header().Add("X-Several", "1")
	w.Header().Add("X-Several", "2")
	w.WriteHeader(http.StatusTeapot)
	w.Header().Set("X-Late", "lost")
	fmt.Fprintf(w, "%s %s %s|%s|%s|%s|%d|%s", r.Method, r.Host, r.URL, r.Header.Get("Content-Type"), r.Header.Get("Cookie"), Caller(r.Context()), r.ContentLength, body)
}

// serve calls h as a function URL does, with a recorded event that edit changed.
func serve(t *testing.T, h http.HandlerFunc, edit func(map[string]any)) urlResponse {
	t.Helper()
	text, err := os.ReadFile("testdata/url.json")
	if err != nil {
		t.Fatal(err)
	}
	var event map[string]any
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(event)
	}
	text, _ = json.Marshal(event)
	out, err := URL(h)(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	return out.(urlResponse)
}

func TestURL(t *testing.T) {
	out := serve(t, echo, nil)
	want := `POST abc.lambda-url.eu-west-1.on.aws /a%2Fb?x=1&x=2&y=%26|application/x-amz-json-1.1|s=1; t=2|arn:aws:sts::111122223333:assumed-role/Admin/ada|13|{"name":"ü"}`
	if out.StatusCode != http.StatusTeapot || out.Body != want || out.Base64 {
		t.Errorf("answer %d %q; want %q", out.StatusCode, out.Body, want)
	}
	if got := strings.Join(out.Cookies, " "); got != "a=1 b=2" || out.Headers["X-Several"] != "1, 2" || out.Headers["X-Late"] != "" || out.Headers["Set-Cookie"] != "" {
		t.Errorf("cookies %q, headers %v", got, out.Headers)
	}
}

func TestURLBodies(t *testing.T) {
	tests := []struct {
		name   string
		edit   func(map[string]any)
		answer func(http.ResponseWriter, *http.Request)
		body   string
		base64 bool
	}{
		{"base64 comes", func(e map[string]any) { e["body"], e["isBase64Encoded"] = "/wA=", true },
			func(w http.ResponseWriter, r *http.Request) { b, _ := io.ReadAll(r.Body); fmt.Fprintf(w, "%x", b) }, "ff00", false},
		{"bytes leave", nil, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0xff, 0}) }, "/wA=", true},
		{"nothing", nil, func(http.ResponseWriter, *http.Request) {}, "", false},
		{"HEAD has no body", func(e map[string]any) {
			e["requestContext"].(map[string]any)["http"].(map[string]any)["method"] = "HEAD"
		}, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("text")) }, "", false},
		{"nobody signed", func(e map[string]any) { delete(e["requestContext"].(map[string]any), "authorizer") },
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "by %q", Caller(r.Context())) }, `by ""`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if out := serve(t, tt.answer, tt.edit); out.StatusCode != 200 || out.Body != tt.body || out.Base64 != tt.base64 {
				t.Errorf("answer = %+v; want %q", out, tt.body)
			}
		})
	}
}

// A link's secret is in the path; an event that is refused does not tell it.
func TestURLRefuses(t *testing.T) {
	for _, event := range []string{
		`{"rawPath":"/approve/hunter2","requestContext":{"http":{"method":7}}}`,
		`{"rawPath":"/approve/hunter2","body":"?","isBase64Encoded":true}`,
		`{"rawPath":"/approve/hunter2","requestContext":{"http":{"method":"A B"}}}`,
		`{"rawPath":"approve/hunter2%zz"}`,
	} {
		_, err := URL(http.NotFoundHandler())(t.Context(), []byte(event))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("event %s: %v", event, err)
		}
	}
}
