package hook

import (
	"errors"
	"net/http"

	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// A notice is a page that has nothing to answer. It says what happened and what
// to do, and nothing about any approval.
type notice struct {
	Status      int
	Title, Text string
	Next        string
}

func (n notice) show(w http.ResponseWriter, r *http.Request) {
	show(w, r, n.Status, "notice", view{Title: n.Title, Notice: n})
}

const unchanged = "Nothing was changed."

var (
	unknown     = notice{http.StatusNotFound, "This link is not known", unchanged, "Was the address copied whole? It ends in 64 letters and digits. Open it from the mail again."}
	used        = notice{http.StatusGone, "This request is closed", "It was answered before, or the run has ended. " + unchanged, "If the run goes on to ask again, a new mail comes with a new link."}
	late        = notice{http.StatusGone, "The time for an answer is over", unchanged, "If the stage is run again, it asks again, and a new mail comes with a new link."}
	locked      = notice{http.StatusGone, "This link is locked", "Too many answers came with the name of another pipeline. " + unchanged, "The request itself is still open: use the command in the mail."}
	notAllowed  = notice{http.StatusMethodNotAllowed, "That is not possible here", unchanged, "Open the link from the mail in a browser."}
	otherOrigin = notice{http.StatusForbidden, "The answer came from another site", unchanged, "Open the link from the mail and answer there."}
	notForm     = notice{http.StatusUnsupportedMediaType, "The answer could not be read", unchanged, "Open the link from the mail and answer there."}
	tooLarge    = notice{http.StatusRequestEntityTooLarge, "The answer is too long", unchanged, "A comment has at most 512 characters. Open the link from the mail again."}
	broken      = notice{http.StatusServiceUnavailable, "Something went wrong", "It is not known whether the answer was recorded.", "Wait a moment and open the link from the mail again: it says if it was."}
)

// noticeOf returns what is shown when a link answers nothing because of err.
func noticeOf(err error) notice {
	switch {
	case errors.Is(err, orchestrator.ErrLinkUnknown):
		return unknown
	case errors.Is(err, orchestrator.ErrLinkUsed):
		return used
	case errors.Is(err, orchestrator.ErrLinkExpired):
		return late
	case errors.Is(err, orchestrator.ErrLinkLocked):
		return locked
	}
	return broken
}
