// Package hook is the page that a link in a mail leads to: it shows what an
// approval asks and takes the answer. It is the only part of Sluice that
// answers anybody in the world.
//
// A link carries a secret, and whoever has it may answer. But many who open a
// link are no people: scanners of mail servers follow it, run what scripts
// there are and press buttons. So GET and HEAD change nothing, there is no
// script, and an answer is a POST with the name of the pipeline typed in.
//
// Nothing is told about a link that is not good for an answer, and the secret
// is written nowhere: a log has the link's name, 6 digits of its hash.
package hook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// Approvals is what the page needs of *orchestrator.Service.
type Approvals interface {
	Request(ctx context.Context, secret string) (orchestrator.Ask, error)
	Decide(ctx context.Context, in orchestrator.Decision) (orchestrator.Decided, error)
}

var _ Approvals = (*orchestrator.Service)(nil)

// New returns the handler of
//
//	GET  /approve/{secret}   the request, or why it cannot be answered; HEAD too
//	POST /approve/{secret}   a form: pipeline, comment, decision=approve|reject
//
// A request's Host must be the name that browsers know the page by: a form
// that a page of another origin sends is refused. log may be nil.
func New(a Approvals, log *slog.Logger) (http.Handler, error) {
	if a == nil {
		return nil, errors.New("hook.New: approvals are required")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &pages{approvals: a, log: log}, nil
}

// pages is the handler.
type pages struct {
	approvals Approvals
	log       *slog.Logger
}

// prefix is what the path of every page begins with.
const prefix = "/approve/"

// ServeHTTP implements http.Handler.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	secret, ok := strings.CutPrefix(r.URL.Path, prefix)
	switch {
	case !ok || !wellFormed(secret):
		unknown.show(w, r)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		p.look(w, r, secret)
	case r.Method == http.MethodPost:
		p.answer(w, r, secret)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		notAllowed.show(w, r)
	}
}

// wellFormed reports whether s can be a secret: 64 hex digits in lower case.
func wellFormed(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// look shows what is asked.
func (p *pages) look(w http.ResponseWriter, r *http.Request, secret string) {
	ask, err := p.approvals.Request(r.Context(), secret)
	if err != nil {
		p.refuse(w, r, secret, err)
		return
	}
	show(w, r, http.StatusOK, "ask", view{Title: "Approve " + ask.Pipeline + "?", Ask: ask})
}

// refuse says why a link answers nothing.
func (p *pages) refuse(w http.ResponseWriter, r *http.Request, secret string, err error) {
	n := noticeOf(err)
	if n == broken {
		p.log.ErrorContext(r.Context(), "approval page", "link", orchestrator.LinkName(secret), "method", r.Method, "err", strings.ReplaceAll(err.Error(), secret, "(secret)"))
	} else {
		p.log.InfoContext(r.Context(), "link refused", "link", orchestrator.LinkName(secret), "method", r.Method, "why", err)
	}
	n.show(w, r)
}
