package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// A host runs functions as Lambda does: processes of the deployed code, as many
// as there are invocations at once, which ask the Runtime API for work.
type host struct {
	s        *Standin
	runtime  *httptest.Server
	slots    chan struct{} // invocations at once
	ids      atomic.Int64
	changing atomic.Int64 // requests under way that may change functions

	mu        sync.Mutex
	closed    bool
	functions map[string]*function // by reference, as it was last looked up
	workers   map[string]*worker   // that run, by id
}

// atOnce is how many invocations run at the same time; others wait.
const atOnce = 64

func newHost(s *Standin) *host {
	h := &host{s: s, slots: make(chan struct{}, atOnce), functions: map[string]*function{}, workers: map[string]*worker{}}
	h.runtime = httptest.NewServer(http.HandlerFunc(h.serveRuntime))
	return h
}

// An outcome is what an invocation came to: the answer, or an error as JSON.
type outcome struct {
	body   []byte
	failed bool
}

// serveInvoke answers a request of Lambda's Invoke.
func (h *host) serveInvoke(w http.ResponseWriter, r *http.Request, q request) {
	f, err := h.lookup(r.Context(), lastPart(q.functionARN()))
	if err != nil {
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
		json.NewEncoder(w).Encode(map[string]string{"Type": "User", "Message": err.Error()})
		return
	}
	h.noteSource(f, r.Header.Get("X-Standin-Source"))
	payload := q.body
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	switch r.Header.Get("X-Amz-Invocation-Type") {
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	case "Event":
		go h.deliver(f, payload)
		w.WriteHeader(http.StatusAccepted)
	default:
		o := h.run(f, payload, r.Header.Get("X-Amz-Client-Context"))
		if o.failed {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
		}
		w.Write(o.body)
	}
}

// lastPart returns name and qualifier of a function's ARN.
func lastPart(arn string) string {
	_, rest, ok := strings.Cut(arn, ":function:")
	if !ok {
		return arn
	}
	return rest
}

// deliver invokes f as for an event: up to three times until it succeeds.
func (h *host) deliver(f *function, payload []byte) {
	for range 3 {
		if o := h.run(f, payload, ""); !o.failed {
			return
		}
	}
}

func (h *host) run(f *function, payload []byte, clientContext string) outcome {
	h.slots <- struct{}{}
	defer func() { <-h.slots }()
	i := &invocation{
		id:            fmt.Sprintf("00000000-0000-4000-8000-%012x", h.ids.Add(1)),
		payload:       payload,
		clientContext: clientContext,
		done:          make(chan outcome, 1),
	}
	for {
		w, err := h.worker(f)
		if err != nil {
			return failure("Runtime.InvalidEntrypoint", err.Error())
		}
		o, state := w.invoke(i)
		switch {
		case state == untouched && w.used:
			continue // it died of what it did before
		case state == usable:
			h.keep(w)
		}
		return o
	}
}

func failure(kind, message string) outcome {
	body, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	return outcome{body, true}
}

// noteSource records what Lambda asks of the stream or queue that it reads, in
// the name of the function.
func (h *host) noteSource(f *function, source string) {
	switch {
	case strings.HasPrefix(source, "arn:aws:dynamodb:"):
		h.s.calls.noteFor(f.name, []need{{"dynamodb:GetRecords", source}, {"dynamodb:GetShardIterator", source}, {"dynamodb:DescribeStream", source}, {"dynamodb:ListStreams", "*"}})
	case strings.HasPrefix(source, "arn:aws:sqs:"):
		h.s.calls.noteFor(f.name, []need{{"sqs:ReceiveMessage", source}, {"sqs:DeleteMessage", source}, {"sqs:GetQueueAttributes", source}})
	}
}

// changes notes that q may change functions, until what it returns is called.
// While that is so, and once it was, every function is looked up anew.
func (h *host) changes(q request) (done func()) {
	changing := q.service == "cloudformation" || q.service == "lambda" && q.http.Method != http.MethodGet
	if !changing || q.http.Method == http.MethodGet || strings.HasPrefix(q.operation, "Describe") || strings.HasPrefix(q.operation, "List") || strings.HasPrefix(q.operation, "Get") {
		return func() {}
	}
	h.changing.Add(1)
	return func() {
		h.mu.Lock()
		for _, f := range h.functions {
			f.fresh = false
		}
		h.mu.Unlock()
		h.changing.Add(-1)
	}
}

// lookup returns the function of that name, which may have a qualifier, with
// its present code and configuration. If those changed, workers of the old
// ones end with what they are doing.
func (h *host) lookup(ctx context.Context, name string) (*function, error) {
	h.mu.Lock()
	known := h.functions[name]
	h.mu.Unlock()
	if known != nil && known.fresh && h.changing.Load() == 0 {
		return known, nil
	}
	f, err := h.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	known = h.functions[name]
	if known != nil && known.same(f) {
		known.fresh = h.changing.Load() == 0
		return known, nil
	}
	if known != nil {
		known.retire()
	}
	f.fresh = h.changing.Load() == 0
	h.functions[name] = f
	return f, nil
}

// describe asks moto for a function.
func (h *host) describe(ctx context.Context, name string) (*function, error) {
	address := h.s.moto.url.String() + "/2015-03-31/functions/" + url.PathEscape(name)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+serviceKey+"/20260101/"+Region+"/lambda/aws4_request, SignedHeaders=host, Signature=none")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("function %s: moto says %s", name, body)
	}
	return readFunction(body, filepath.Join(h.s.dir, "functions"))
}

func (h *host) close() {
	h.mu.Lock()
	h.closed = true
	for _, w := range h.workers {
		w.kill()
	}
	h.mu.Unlock()
	h.runtime.CloseClientConnections()
	h.runtime.Close()
}
