package githttp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Refs is what a server tells of a repository before anything is asked of it.
type Refs struct {
	heads map[string]ID
	able  map[string]bool // capabilities, without their values
}

// Branch returns the newest commit of a branch, and false if there is none of
// that name.
func (r *Refs) Branch(name string) (ID, bool) {
	id, ok := r.heads[name]
	return id, ok
}

// Refs asks for the refs of the repository.
func (r *Remote) Refs(ctx context.Context) (*Refs, error) {
	limits := r.Limits.withDefaults()
	body, err := r.do(ctx, http.MethodGet, "/info/refs?service=git-upload-pack", "application/x-git-upload-pack-advertisement", "")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	counted := &io.LimitedReader{R: body, N: limits.Refs}
	refs, err := readRefs(bufio.NewReaderSize(counted, 1<<16))
	if err != nil && counted.N <= 0 {
		return nil, fmt.Errorf("refs of %s: %w: they take more than %d bytes", r.URL, ErrLimit, limits.Refs)
	}
	if err != nil {
		return nil, fmt.Errorf("refs of %s: %w", r.URL, err)
	}
	return refs, nil
}

func readRefs(in *bufio.Reader) (*Refs, error) {
	buf := make([]byte, pktMax)
	line, flushed, err := readPkt(in, buf)
	if err != nil {
		return nil, err
	}
	if flushed || strings.TrimSpace(string(line)) != "# service=git-upload-pack" {
		return nil, fmt.Errorf("%w: the answer is not that of a git server", ErrUnsupported)
	}
	if _, flushed, err = readPkt(in, buf); err != nil || !flushed {
		return nil, fmt.Errorf("%w: no pause after the name of the service (%v)", ErrUnsupported, err)
	}
	refs := &Refs{heads: make(map[string]ID), able: make(map[string]bool)}
	for first := true; ; first = false {
		line, flushed, err := readPkt(in, buf)
		if err != nil || flushed {
			return refs, err
		}
		if err := refs.add(string(line), first); err != nil {
			return nil, err
		}
	}
}

// add takes note of a line, "<id> <name>", behind the first of which are the
// server's capabilities.
func (r *Refs) add(line string, first bool) error {
	line = strings.TrimSuffix(line, "\n")
	if text, failed := strings.CutPrefix(line, "ERR "); failed {
		return said(text)
	}
	if first {
		var able string
		line, able, _ = strings.Cut(line, "\x00")
		for _, c := range strings.Fields(able) {
			name, value, _ := strings.Cut(c, "=")
			r.able[name] = true
			if name == "object-format" && value != "sha1" {
				return fmt.Errorf("%w: its objects are named by %s", ErrUnsupported, value)
			}
		}
	}
	id, name, ok := strings.Cut(line, " ")
	if name, head := strings.CutPrefix(name, "refs/heads/"); ok && head {
		commit, err := ParseID(id)
		if err != nil {
			return fmt.Errorf("%w: branch %.100q: %v", ErrUnsupported, name, err)
		}
		r.heads[name] = commit
	}
	return nil
}

// do makes a request and returns the body of its answer, which is of type
// want.
func (r *Remote) do(ctx context.Context, method, path, want, body string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "git/sluice") // some servers answer only what calls itself git
	req.Header.Set("Accept", want)
	if body != "" {
		req.Header.Set("Content-Type", strings.TrimSuffix(want, "-result")+"-request")
	}
	if r.Login != nil {
		name, password, err := r.Login(ctx)
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth(name, password)
	}
	answer, err := r.Client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := judge(answer, want); err != nil {
		answer.Body.Close()
		return nil, fmt.Errorf("%s: %w", r.URL, err)
	}
	return answer.Body, nil
}

// judge returns why an answer is of no use, or nil.
func judge(answer *http.Response, want string) error {
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w (HTTP status %d%s)", ErrDenied, code, words(answer))
	case code == http.StatusNotFound || code == http.StatusGone:
		return fmt.Errorf("%w (HTTP status %d%s)", ErrUnknown, code, words(answer))
	case code == http.StatusTooManyRequests || code >= 500 || code == http.StatusRequestTimeout:
		return fmt.Errorf("HTTP status %d%s", code, words(answer))
	case code >= 300 && code < 400:
		return fmt.Errorf("%w: the server sends the request elsewhere (HTTP status %d), which is not followed", ErrUnsupported, code)
	case code != http.StatusOK:
		return fmt.Errorf("%w: HTTP status %d%s", ErrUnsupported, code, words(answer))
	}
	if kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";"); kind != want {
		return fmt.Errorf("%w: the answer is of type %.100q, not %s", ErrUnsupported, kind, want)
	}
	return nil
}

// words returns the beginning of what an answer says, for an error.
func words(answer *http.Response) string {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 300)) // an error of its own does not matter here
	text = []byte(strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "\uFFFD")), " "))
	if len(text) == 0 {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}
