package orchestrator

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// An Ask is what somebody needs to know to answer an approval. Texts in it are
// one line each and hold nothing that a terminal, a mail or a page would obey.
type Ask struct {
	Pipeline, Stage, Action, Execution string
	Version                            int

	Changes []Change  // what will go out, one for each source
	Trigger string    // why the execution was started, in words
	Started time.Time // when it was
	Asked   time.Time // when the answer was asked for
	Until   time.Time // when it is too late
	Note    string    // CustomData of the action
	See     string    // ExternalEntityLink of the action

	token string // of PutApprovalResult; for the command in a mail only
}

// A Change is what one source brings.
type Change struct {
	Source   string // name of the action
	Revision Revision
	Author   string   // empty when the source does not say
	Branch   string   // the same
	Since    Revision // what went past this stage last; zero when nothing has
}

// A Revision is what a source fetched, for people.
type Revision struct {
	ID      string // as the source names it
	Summary string // first line of a commit's message
	URL     string // http or https; empty when there is none
	Created time.Time
}

// Unchanged reports whether the same went out before.
func (c Change) Unchanged() bool { return c.Since.ID == c.Revision.ID }

// searched is how many earlier executions are looked through for the last one
// that went past a stage.
const searched = 100

// ask returns what the approval a asks.
func (s *Service) ask(ctx context.Context, a *record.Action) (Ask, error) {
	e, err := s.Records.Execution(ctx, "", a.Execution)
	if err != nil {
		return Ask{}, err
	}
	changes, err := s.changes(ctx, &e.Value, a.Stage)
	if err != nil {
		return Ask{}, err
	}
	conf := a.Job.Action.Configuration
	return Ask{
		Pipeline: a.Pipeline, Stage: a.Stage, Action: a.Name, Execution: a.Execution, Version: a.Version,
		Changes: changes, Trigger: whoStarted(e.Value.Trigger), Started: e.Value.Started,
		Asked: a.Started, Until: a.Job.Deadline,
		Note: oneLine(conf["CustomData"], 1000), See: oneLine(conf["ExternalEntityLink"], 1000),
		token: a.Result.Token,
	}, nil
}

// changes returns what e brings past a stage.
func (s *Service) changes(ctx context.Context, e *record.Execution, stageName string) ([]Change, error) {
	if len(e.Revisions) == 0 {
		return nil, nil
	}
	before, err := s.before(ctx, e, stageName)
	if err != nil {
		return nil, err
	}
	sources, err := s.Records.Actions(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	var all []Change
	for _, r := range e.Revisions {
		c := Change{Source: r.Action, Revision: revision(r)}
		for _, old := range before {
			if old.Action == r.Action {
				c.Since = revision(old)
			}
		}
		for _, a := range sources {
			if a.Name == r.Action && a.Job.Action.TypeID.Category == pipeline.Source {
				vars := a.Result.Variables
				c.Author = oneLine(cmp.Or(vars["AuthorDisplayName"], vars["AuthorId"], vars["AuthorEmail"]), 80)
				c.Branch = oneLine(vars["BranchName"], 80)
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// before returns the revisions of the last execution before e that went past a
// stage: one that succeeded, or that got further. Stages are compared by their
// place, so only executions of the same version are told to have got further.
func (s *Service) before(ctx context.Context, e *record.Execution, stageName string) ([]record.Revision, error) {
	d, err := s.declaration(ctx, e)
	if err != nil {
		return nil, err
	}
	at, _, err := record.FindStage(d, stageName)
	if err != nil {
		return nil, err
	}
	earlier, err := s.Records.Executions(ctx, e.Pipeline, e.Seq, searched)
	if err != nil {
		return nil, err
	}
	for _, old := range earlier {
		if old.Status == pipeline.Succeeded || old.Version == e.Version && old.Stage > at {
			return old.Revisions, nil
		}
	}
	return nil, nil
}

func revision(r record.Revision) Revision {
	url := oneLine(r.URL, 1000)
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		url = ""
	}
	return Revision{ID: oneLine(r.ID, 200), Summary: oneLine(firstLine(r.Revision), 120), URL: url, Created: r.Created}
}

// firstLine returns the first line of what a commit says. Some sources give it
// inside JSON (API, SourceRevision).
func firstLine(r action.Revision) string {
	text := r.Summary
	var wrapped struct{ CommitMessage string }
	if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &wrapped) == nil && wrapped.CommitMessage != "" {
		text = wrapped.CommitMessage
	}
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return first
}

// whoStarted says in words why an execution was started.
func whoStarted(t record.Trigger) string {
	words := map[string]string{
		"StartPipelineExecution": "started by", "CreatePipeline": "the pipeline was created by",
		"CloudWatchEvent": "a change, seen by the rule", "PollForSourceChanges": "a change in",
		"Webhook": "a push, told by the webhook", "WebhookV2": "a push:",
	}[t.Type]
	return oneLine(strings.TrimSpace(cmp.Or(words, t.Type)+" "+t.Detail), 300)
}

// oneLine returns at most n characters of s in one line. Control characters,
// line ends and marks that turn the direction of text become spaces: nobody who
// writes a commit message may write lines of a mail.
func oneLine(s string, n int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
	}), " ")
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}
