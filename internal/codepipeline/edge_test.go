package codepipeline_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sluice-ci/sluice/internal/codepipeline"
)

// TestBrowsersRefused sends what pages and programs send: a page of another
// site, a name that resolves to this machine, a page of our own, an SDK. Only
// what may reach an operation does.
func TestBrowsersRefused(t *testing.T) {
	o := new(orchestrated)
	h := codepipeline.Loopback(serve(t, o, codepipeline.Options{}), 4317)
	const amz, plain = "application/x-amz-json-1.1", "application/json"
	tests := []struct {
		name, host, media, origin, site string
		want                            int
	}{
		{"SDK", "127.0.0.1:4317", amz, "", "", 200},
		{"SDK by name", "localhost:4317", amz, "", "", 200},
		{"SDK over IPv6", "[::1]:4317", amz, "", "", 200},
		{"SDK with charset", "127.0.0.1:4317", amz + "; charset=utf-8", "", "", 200},
		{"curl", "127.0.0.1:4317", plain, "", "", 200},
		{"own page", "127.0.0.1:4317", amz, "http://127.0.0.1:4317", "same-origin", 200},

		{"own page, other media", "127.0.0.1:4317", plain, "http://127.0.0.1:4317", "same-origin", 415},
		{"form", "127.0.0.1:4317", "application/x-www-form-urlencoded", "", "", 415},
		{"no media", "127.0.0.1:4317", "", "", "", 415},
		{"text", "127.0.0.1:4317", "text/plain", "", "", 415},

		{"foreign page", "127.0.0.1:4317", amz, "https://evil.example", "cross-site", 403},
		{"foreign page, text", "127.0.0.1:4317", "text/plain", "https://evil.example", "cross-site", 403},
		{"foreign page, old browser", "127.0.0.1:4317", amz, "https://evil.example", "", 403},
		{"foreign page without origin", "127.0.0.1:4317", amz, "", "cross-site", 403},
		{"sandboxed page", "127.0.0.1:4317", amz, "null", "cross-site", 403},
		{"page of another port", "127.0.0.1:4317", amz, "http://127.0.0.1:8080", "same-site", 403},
		{"page of another name", "127.0.0.1:4317", amz, "http://localhost:4317", "cross-site", 403},
		{"page over https", "127.0.0.1:4317", amz, "https://127.0.0.1:4317", "", 403},
		{"address bar", "127.0.0.1:4317", amz, "", "none", 403},

		{"rebound name", "evil.example:4317", amz, "http://evil.example:4317", "same-origin", 421},
		{"rebound name, quiet", "evil.example:4317", amz, "", "", 421},
		{"other port", "127.0.0.1:80", amz, "", "", 421},
		{"no port", "localhost", amz, "", "", 421},
		{"trailing dot", "localhost.:4317", amz, "", "", 421},
		{"other loopback address", "127.0.0.2:4317", amz, "", "", 421},
		{"any address", "0.0.0.0:4317", amz, "", "", 421},
		{"no host", "", amz, "", "", 421},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o.asked = nil
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"name":"web"}`))
			r.Host = tt.host
			r.Header.Set("X-Amz-Target", "CodePipeline_20150709.DeletePipeline")
			for name, value := range map[string]string{"Content-Type": tt.media, "Origin": tt.origin, "Sec-Fetch-Site": tt.site} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status %d %s; want %d", w.Code, w.Body, tt.want)
			}
			if reached := o.asked != nil; reached != (tt.want == 200) {
				t.Errorf("reached the operation: %v", reached)
			}
			if tt.want != 200 && !strings.HasPrefix(w.Body.String(), `{"__type":"`) {
				t.Errorf("answer %s", w.Body)
			}
			for name := range w.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("header %s lets other origins in", name)
				}
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
				"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q; want %q", name, got, want)
				}
			}
		})
	}
}

// TestMethods pins what other methods and paths are told.
func TestMethods(t *testing.T) {
	h := serve(t, new(orchestrated), codepipeline.Options{})
	tests := []struct {
		method, path, target string
		status               int
		want                 string
	}{
		{"GET", "/", "", 405, "CodePipeline's API answers POST, not GET; point a client at it: aws codepipeline list-pipelines --endpoint-url http://127.0.0.1:4317"},
		{"OPTIONS", "/", "", 405, "answers POST, not OPTIONS"},
		{"POST", "/pipelines", "", 404, "there is nothing at /pipelines; CodePipeline's API is POST /"},
		{"POST", "/", "", 400, "the header X-Amz-Target is missing; it names the operation, as in CodePipeline_20150709.ListPipelines"},
		{"POST", "/", "DynamoDB_20120810.GetItem", 400, `is not an operation of CodePipeline`},
		{"POST", "/", "ListPipelines", 400, `is not an operation of CodePipeline`},
	}
	for _, tt := range tests {
		t.Run(tt.method+tt.path+tt.target, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(`{}`))
			r.Host = "127.0.0.1:4317"
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			if tt.target != "" {
				r.Header.Set("X-Amz-Target", tt.target)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("answer %d %s", w.Code, w.Body)
			}
			if allow := w.Header().Get("Allow"); (allow == "POST") != (tt.status == 405) {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
}

// TestTooLarge holds the limits on the size of requests: a declaration may be
// larger than anything else.
func TestTooLarge(t *testing.T) {
	h := serve(t, new(orchestrated), codepipeline.Options{})
	tests := []struct {
		operation string
		bytes     int
		want      int
	}{
		{"DeletePipeline", 1<<20 - 100, 200},
		{"DeletePipeline", 1 << 20, 413},
		{"UpdatePipeline", 1 << 20, 200},
		{"UpdatePipeline", 5 << 20, 413},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.operation, tt.bytes), func(t *testing.T) {
			w := post(h, tt.operation, `{"name":"web","pipeline":{"name":"web"},"x":"`+strings.Repeat("x", tt.bytes)+`"}`)
			if w.Code != tt.want {
				t.Errorf("status %d; want %d", w.Code, tt.want)
			}
		})
	}
}

// TestBrokenOff reads requests that do not arrive whole.
func TestBrokenOff(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want int
		code string
	}{
		{"too slow", os.ErrDeadlineExceeded, 408, "RequestTimeoutException"},
		{"cut off", io.ErrUnexpectedEOF, 400, "SerializationException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := new(orchestrated)
			r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(`{"name":"web"}`), iotest.ErrReader(tt.err)))
			r.Header.Set("X-Amz-Target", "CodePipeline_20150709.DeletePipeline")
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			w := httptest.NewRecorder()
			serve(t, o, codepipeline.Options{}).ServeHTTP(w, r)
			if w.Code != tt.want || !strings.Contains(w.Body.String(), tt.code) || o.asked != nil {
				t.Errorf("answer %d %s, asked %v", w.Code, w.Body, o.asked)
			}
		})
	}
}

// TestSlowHandler holds that the time to send a request does not limit the
// time to answer it: the deadline of the connection is lifted.
func TestSlowHandler(t *testing.T) {
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"name":"web"}`))
	r.Header.Set("X-Amz-Target", "CodePipeline_20150709.DeletePipeline")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	serve(t, new(orchestrated), codepipeline.Options{}).ServeHTTP(w, r)
	if len(w.set) != 2 || w.set[0].IsZero() || !w.set[1].IsZero() {
		t.Errorf("read deadlines %v; want one and its end", w.set)
	}
}

// deadlines is an answer on a connection whose read deadlines are remembered.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}
