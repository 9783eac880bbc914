package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Loopback returns next behind the checks that a listener on the loopback
// addresses needs, because every page in a browser of the same machine can
// send requests to it.
//
// The Host header must be exactly 127.0.0.1, localhost or [::1] with port. A
// name of somebody else's that resolves to 127.0.0.1 would make its pages
// same-origin, and [http.CrossOriginProtection] lets those pass. A request
// that changes something must not come from a page of another origin.
func Loopback(next http.Handler, port int) http.Handler {
	hosts := []string{fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("localhost:%d", port), fmt.Sprintf("[::1]:%d", port)}
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if !slices.Contains(hosts, r.Host) {
			writeError(w, pipeline.Errorf(misdirected, "this server is http://%s and does not answer for %q", hosts[0], r.Host), "")
			return
		}
		if err := foreign.Check(r); err != nil {
			writeError(w, pipeline.Errorf(forbidden, "a page of another origin may not send this request: %w", err), "")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// secure sets the headers of every answer. A console behind Loopback sets its
// own policy for content instead of none.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// acceptable reports why r cannot be a request of the API. SDKs send no Origin
// and no Sec-Fetch-Site, browsers send them with every POST; only a page of
// our own may.
func acceptable(r *http.Request) error {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	if own := "http://" + r.Host; origin != "" && origin != own || site != "" && site != "same-origin" {
		return pipeline.Errorf(forbidden, "a page of another origin may not use this API")
	}
	if r.URL.Path != "/" {
		return pipeline.Errorf(pathNotFound, "there is nothing at %s; CodePipeline's API is POST /", r.URL.Path)
	}
	if r.Method != http.MethodPost {
		return pipeline.Errorf(methodNotAllowed, "CodePipeline's API answers POST, not %s; point a client at it: aws codepipeline list-pipelines --endpoint-url http://%s", r.Method, r.Host)
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == contentType || media == "application/json" && origin == "" {
		return nil
	}
	return pipeline.Errorf(unsupportedMedia, "the header Content-Type is %q and should be %s", r.Header.Get("Content-Type"), contentType)
}

// bodyTime is how long a caller may take to send a request.
const bodyTime = 15 * time.Second

// readBody returns the body of r, which may have limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	// Not every server knows deadlines; in a function the body is there already.
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		_ = deadline.SetReadDeadline(time.Time{}) // or it would cancel the request while it is answered
		return body, nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, pipeline.Errorf(requestTooLarge, "the request is larger than %d bytes", limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, pipeline.Errorf(requestTimeout, "the request did not arrive within %s", bodyTime)
	}
	if errors.Is(err, context.Canceled) {
		return nil, err
	}
	return nil, pipeline.Errorf(serialization, "the request broke off: %w", err)
}
