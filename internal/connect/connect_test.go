package connect_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/sluice-ci/sluice/internal/connect"
)

var ada = credentials.NewStaticCredentialsProvider("AKIDADA", "secret-of-ada", "session-of-ada")

// open returns a proxy to a function, and what the function is sent.
func open(t *testing.T, c aws.CredentialsProvider, answer http.HandlerFunc) (http.Handler, *[]*http.Request) {
	t.Helper()
	var got []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		got = append(got, r)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	h, err := connect.New(connect.Target{URL: server.URL, Region: "eu-west-1"}, c)
	if err != nil {
		t.Fatal(err)
	}
	return h, &got
}

// request is one of the AWS CLI.
func request() *http.Request {
	r := httptest.NewRequest("POST", "http://127.0.0.1:4317/", strings.NewReader(`{"name":"web"}`))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "CodePipeline_20150709.GetPipeline")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDOTHER/20260101/eu-west-1/codepipeline/aws4_request, SignedHeaders=host, Signature=00")
	r.Header.Set("X-Amz-Security-Token", "session-of-client")
	r.Header.Set("Cookie", "a=b")
	return r
}

func ok(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("x-amzn-RequestId", "request-1")
	w.Header().Set("X-Other", "stays")
	w.WriteHeader(400)
	io.WriteString(w, `{"__type":"PipelineNotFoundException"}`)
}

// What arrives at the function is the request, signed for Lambda by whoever
// runs this, and nothing of what else the client sent.
func TestSigns(t *testing.T) {
	h, got := open(t, ada, ok)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request())
	if w.Code != 400 || w.Body.String() != `{"__type":"PipelineNotFoundException"}` || w.Header().Get("x-amzn-RequestId") != "request-1" || w.Header().Get("X-Other") != "" {
		t.Errorf("answer %d %v %s", w.Code, w.Header(), w.Body)
	}
	if len(*got) != 1 {
		t.Fatalf("%d requests arrived; want 1", len(*got))
	}
	r := (*got)[0]
	body, _ := io.ReadAll(r.Body)
	if r.Method != "POST" || r.URL.String() != "/" || string(body) != `{"name":"web"}` || r.Header.Get("X-Amz-Target") != "CodePipeline_20150709.GetPipeline" {
		t.Errorf("arrived: %s %s %s, %v", r.Method, r.URL, body, r.Header)
	}
	signed := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDADA/\d{8}/eu-west-1/lambda/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}$`).FindStringSubmatch(r.Header.Get("Authorization"))
	if signed == nil {
		t.Fatalf("signature %q", r.Header.Get("Authorization"))
	}
	for _, header := range []string{"content-type", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-target"} {
		if !strings.Contains(";"+signed[1]+";", ";"+header+";") {
			t.Errorf("%s is not signed: %s", header, signed[1])
		}
	}
	if r.Header.Get("X-Amz-Security-Token") != "session-of-ada" || r.Header.Get("Cookie") != "" {
		t.Errorf("headers of the client went on: %v", r.Header)
	}
}

// Nothing but the API passes.
func TestRefuses(t *testing.T) {
	for name, edit := range map[string]func(r *http.Request) *http.Request{
		"GET":               func(r *http.Request) *http.Request { r.Method = "GET"; return r },
		"another path":      func(r *http.Request) *http.Request { r.URL.Path = "/approve/x"; return r },
		"a query":           func(r *http.Request) *http.Request { r.URL.RawQuery = "a=b"; return r },
		"another service":   func(r *http.Request) *http.Request { r.Header.Set("X-Amz-Target", "AWSLambda.Invoke"); return r },
		"no operation":      func(r *http.Request) *http.Request { r.Header.Del("X-Amz-Target"); return r },
		"what a form sends": func(r *http.Request) *http.Request { r.Header.Set("Content-Type", "text/plain"); return r },
		"too large": func(r *http.Request) *http.Request {
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat(" ", 5<<20+1)))
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, got := open(t, ada, ok)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, edit(request()))
			if len(*got) > 0 || w.Code < 400 || !strings.Contains(w.Body.String(), `"__type"`) {
				t.Errorf("%d requests arrived; answer %d %s", len(*got), w.Code, w.Body)
			}
		})
	}
}

// What Lambda says instead of the function is told as the API tells errors, and
// no answer tells a secret.
func TestUnanswered(t *testing.T) {
	lambda := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "https://example.com/")
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	tests := []struct {
		name   string
		c      aws.CredentialsProvider
		answer http.HandlerFunc
		status int
		want   string
	}{
		{"forbidden", ada, lambda(403, `{"Message":"Forbidden"}`), 403, "lambda:InvokeFunctionUrl"},
		{"busy", ada, lambda(429, `{"Message":"Rate exceeded"}`), 429, "Rate exceeded"},
		{"crashed", ada, lambda(502, "Internal Server Error"), 503, "status 502"},
		{"moved", ada, lambda(307, ""), 503, "status 307"},
		{"no credentials", aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New("expired") }), ok, 503, "no credentials of AWS were found: expired"},
		{"gone", ada, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503, "reach the function"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := open(t, tt.c, tt.answer)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request())
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || strings.Contains(w.Body.String(), "of-ada") {
				t.Errorf("answer %d %s; want %d with %q", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	tests := []struct{ url, region, want string }{
		{"https://abc.lambda-url.eu-west-1.on.aws/", "", ""},
		{"https://abc.lambda-url.eu-west-1.on.aws", "", ""},
		{"https://api.example.com/", "eu-west-1", ""},
		{"http://127.0.0.1:8080/", "eu-west-1", ""},
		{"https://api.example.com/", "", "does not tell its Region"},
		{"http://abc.lambda-url.eu-west-1.on.aws/", "", "https://"},
		{"https://abc.lambda-url.eu-west-1.on.aws/x", "", "not the URL of a function"},
		{"https://u:p@abc.lambda-url.eu-west-1.on.aws/", "", "not the URL of a function"},
		{"abc.lambda-url.eu-west-1.on.aws", "", "not the URL of a function"},
	}
	for _, tt := range tests {
		_, err := connect.New(connect.Target{URL: tt.url, Region: tt.region}, ada)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.url, err, tt.want)
		}
	}
}
