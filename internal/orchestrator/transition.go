package orchestrator

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
)

// SetTransition opens or closes the way between two stages. What is inside a
// stage is not touched; who arrives waits. Opening lets them on at once.
func (s *Service) SetTransition(ctx context.Context, in Transition) error {
	return s.change(ctx, func(c *change) error {
		_, v, err := s.Records.Latest(ctx, in.Pipeline)
		if err != nil {
			return err
		}
		d := v.Declaration
		i, _, err := record.FindStage(d, in.Stage)
		if err != nil {
			return err
		}
		if in.Outbound {
			i++
		}
		if i == 0 || i >= len(d.Stages) {
			return pipeline.Errorf(pipeline.Validation, "The stage '%s' has no transition of that type: there is none into the first stage and none out of the last", in.Stage)
		}
		name := d.Stages[i].Name
		st, err := c.stage(d.Name, name, d.ExecutionMode)
		if err != nil {
			return err
		}
		if st.Lock.Disabled == !in.Enabled && in.Enabled {
			return nil // it is open
		}
		st.Transition = stage.Transition{ChangedBy: in.By, ChangedAt: c.at}
		if !in.Enabled {
			st.Transition.Reason = in.Reason
		}
		return c.follow(d.Name, name, c.step(st, stage.SetEnabled{Enabled: in.Enabled}))
	})
}
