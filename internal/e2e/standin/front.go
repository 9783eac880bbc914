package standin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
)

// A front is where every request arrives: it records it and passes it on, to
// the host if it invokes a function, to a scenario that wants to answer it
// itself, and to moto otherwise.
type front struct {
	s      *Standin
	server *httptest.Server
	ready  chan struct{} // closed when moto serves
	proxy  *httputil.ReverseProxy

	mu       sync.Mutex
	handlers map[string]http.Handler // by name of the operation
}

// newFront listens; requests wait until open is called.
func newFront(s *Standin) *front {
	f := &front{s: s, ready: make(chan struct{}), handlers: map[string]http.Handler{}}
	f.server = httptest.NewServer(f)
	return f
}

func (f *front) url() string { return f.server.URL }
func (f *front) port() int   { return f.server.Listener.Addr().(*net.TCPAddr).Port }

// open begins to answer requests.
func (f *front) open() {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	f.proxy = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(f.s.moto.url)
			r.Out.Host = r.In.Host // may name a bucket
		},
		ModifyResponse: finalErrors,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if !errors.Is(err, context.Canceled) {
				http.Error(w, err.Error(), http.StatusBadGateway)
			}
		},
	}
	close(f.ready)
}

// finalErrors makes moto's own errors ones that no client repeats. The CDK
// repeats a 500 of CloudFormation, finds a stack there, and reports success.
func finalErrors(r *http.Response) error {
	if r.StatusCode != http.StatusInternalServerError {
		return nil
	}
	r.StatusCode, r.Status = http.StatusBadRequest, "400 Bad Request"
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		return nil
	}
	q := readRequest(r.Request, nil)
	text := fmt.Sprintf("moto fails at %s; its log says why", q.service)
	body := fmt.Sprintf(`{"__type":"StandinError","message":%q}`, text)
	if q.service == "cloudformation" || q.service == "sns" || q.service == "sts" || q.service == "iam" || q.service == "s3" {
		body = "<ErrorResponse><Error><Code>StandinError</Code><Message>" + text + "</Message></Error></ErrorResponse>"
	}
	r.Body.Close()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
	return nil
}

func (f *front) handle(operation string, h http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handlers[operation] = h
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-f.ready:
	case <-r.Context().Done():
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	q := readRequest(r, body)
	answer := &answer{ResponseWriter: w, status: http.StatusOK, keep: q.name() == "sts:AssumeRole"}
	f.serve(answer, r, q)
	f.s.calls.note(q, answer.status, answer.text.Bytes())
}

func (f *front) serve(w http.ResponseWriter, r *http.Request, q request) {
	f.mu.Lock()
	own := f.handlers[q.name()]
	f.mu.Unlock()
	switch {
	case own != nil:
		own.ServeHTTP(w, r)
	case q.name() == "lambda:Invoke":
		f.s.host.serveInvoke(w, r, q)
	case isCBOR(r) && q.target != "":
		inner := httptest.NewRecorder()
		f.proxy.ServeHTTP(inner, q.inJSON())
		answerCBOR(w, inner)
	default:
		defer f.s.host.changes(q)()
		f.proxy.ServeHTTP(w, r)
	}
}

func (f *front) close() {
	f.server.CloseClientConnections()
	f.server.Close()
}

// An answer remembers its status, and its text if keep says so.
type answer struct {
	http.ResponseWriter
	status int
	keep   bool
	text   bytes.Buffer
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.keep {
		a.text.Write(p)
	}
	return a.ResponseWriter.Write(p)
}
