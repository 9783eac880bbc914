package local

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/bus/mailbox"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// A Mail is a message to people that lies in the mailbox. Asks and Link are set
// when it asks for an approval.
type Mail struct {
	Subject string           `json:"subject"`
	Text    string           `json:"text"`
	Asks    *record.ActionID `json:"asks"`
	Link    string           `json:"link"`
}

// MailIn returns the message to people that e carries, if it carries one.
func MailIn(e bus.Event) (Mail, bool) {
	var m Mail
	if e.DetailType != "Notification" || json.Unmarshal(e.Detail, &m) != nil {
		return Mail{}, false
	}
	return m, m.Text != ""
}

// OnMail calls f with every message to people from now on, one after the
// other, until the returned function is called.
func (s *System) OnMail(f func(Mail)) (cancel func()) {
	return s.mail.Subscribe(func(e bus.Event) {
		if m, ok := MailIn(e); ok {
			f(m)
		}
	})
}

// links tells the links of the approvals that an execution waits for.
func (s *System) links(w http.ResponseWriter, r *http.Request) {
	found, err := s.findLinks(r.Context(), r.PathValue("execution"))
	if err != nil {
		s.opts.Log.Error("links", "execution", r.PathValue("execution"), "err", err)
		http.Error(w, "the links cannot be read", http.StatusInternalServerError)
		return
	}
	writeJSON(w, found)
}

// findLinks looks for them in the mails that were sent since the approvals were
// asked for: nowhere else are they known.
func (s *System) findLinks(ctx context.Context, execution string) ([]Mail, error) {
	actions, err := s.Records.Actions(ctx, execution)
	if err != nil {
		return nil, err
	}
	open := map[record.ActionID]bool{}
	var since time.Time
	for _, a := range actions { // oldest first
		if a.Status == pipeline.InProgress && a.Result.Token != "" {
			open[record.ActionID{Execution: a.Execution, Attempt: a.Attempt, Stage: a.Stage, Name: a.Name, Try: a.Try}] = true
			if since.IsZero() {
				since = a.Started
			}
		}
	}
	found := []Mail{}
	for after := mailbox.At(since); len(open) > 0; {
		page, next, err := s.mail.List(ctx, after, eventsShown)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			if m, ok := MailIn(e); ok && m.Asks != nil && open[*m.Asks] && m.Link != "" {
				found = append(found, m)
				delete(open, *m.Asks)
			}
		}
		if len(page) < eventsShown {
			break
		}
		after = next
	}
	return found, nil
}
