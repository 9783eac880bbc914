package orchestrator

import (
	"context"
	"time"
)

// An Errand is a question or a request to the provider of an action whose work
// goes on elsewhere. It may be run any number of times.
type Errand struct {
	Job   string    `json:"job"`             // action execution id
	Begin bool      `json:"begin,omitempty"` // start the work
	Stop  bool      `json:"stop,omitempty"`  // end the work; else ask how it stands
	Due   time.Time `json:"due,omitzero"`    // there is nothing to be done before; who carries the errand may wait

	// Cursor says that it is this errand's turn to go on with work that is
	// done in pieces, and from where. It may take as long as a function may.
	Cursor string `json:"cursor,omitempty"`
}

// Run does an errand.
func (s *Service) Run(ctx context.Context, in Errand) error {
	if !in.Begin && !in.Stop {
		return s.poll(ctx, in.Job, in.Cursor)
	}
	a, err := s.Records.Job(ctx, in.Job)
	if err != nil {
		return err
	}
	if in.Begin {
		if a.Status.Final() {
			return nil
		}
		return s.work(ctx, &a)
	}
	return s.Catalog.Provider(a.Job.Action.TypeID).Stop(ctx, a.Job)
}
