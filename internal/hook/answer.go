package hook

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// maxBody is how large a form may be, in bytes.
const maxBody = 64 << 10

// answer takes an answer.
func (p *pages) answer(w http.ResponseWriter, r *http.Request, secret string) {
	if foreign(r) {
		otherOrigin.show(w, r)
		return
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/x-www-form-urlencoded" {
		notForm.show(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			tooLarge.show(w, r)
		} else {
			notForm.show(w, r)
		}
		return
	}
	given := read(r.PostForm)
	if given.complete() {
		done, err := p.approvals.Decide(r.Context(), given.decision(secret))
		switch {
		case err == nil:
			p.log.InfoContext(r.Context(), "approval answered", "link", orchestrator.LinkName(secret), "pipeline", done.Pipeline, "execution", done.Execution, "approved", done.Approved)
			show(w, r, http.StatusOK, "done", view{Title: verdict(done), Done: done})
			return
		case errors.Is(err, orchestrator.ErrWrongName):
			given.WrongName = true
		case errors.Is(err, orchestrator.ErrNoComment):
			given.WrongComment = true
		default:
			p.refuse(w, r, secret, err)
			return
		}
	}
	p.askAgain(w, r, secret, given)
}

// askAgain shows the form with what was given and what is wrong with it.
func (p *pages) askAgain(w http.ResponseWriter, r *http.Request, secret string, given form) {
	ask, err := p.approvals.Request(r.Context(), secret)
	if err != nil {
		p.refuse(w, r, secret, err)
		return
	}
	show(w, r, http.StatusUnprocessableEntity, "ask", view{Title: "Not answered yet: " + ask.Pipeline, Ask: ask, Form: given})
}

// foreign reports whether a page of another origin sent r. Browsers that do not
// say it themselves (Sec-Fetch-Site) name the origin, but "null" when they come
// from our own page, because it has no referrer.
func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin" && site != "none"
	}
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// A form is what was filled in, and what is wrong with it.
type form struct {
	Pipeline, Comment, Choice                       string
	WrongName, WrongComment, WrongChoice, Submitted bool
}

// read returns what was filled in. A field that came twice was not filled in by
// a person.
func read(values url.Values) form {
	one := func(name string) string {
		if len(values[name]) != 1 {
			return ""
		}
		return strings.TrimSpace(strings.ReplaceAll(values[name][0], "\r\n", "\n"))
	}
	f := form{Pipeline: one("pipeline"), Comment: one("comment"), Choice: one("decision"), Submitted: true}
	f.WrongName, f.WrongComment = f.Pipeline == "", f.Comment == ""
	f.WrongChoice = f.Choice != "approve" && f.Choice != "reject"
	return f
}

func (f form) complete() bool { return !f.WrongName && !f.WrongComment && !f.WrongChoice }

func (f form) decision(secret string) orchestrator.Decision {
	return orchestrator.Decision{Secret: secret, Pipeline: f.Pipeline, Approved: f.Choice == "approve", Summary: f.Comment}
}

func verdict(d orchestrator.Decided) string {
	if d.Approved {
		return "Approved"
	}
	return "Rejected"
}
