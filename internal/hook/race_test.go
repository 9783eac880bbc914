package hook_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// An answer by link, one by the API, the end of the execution and the end of
// the approval's time: whoever is first wins, alone, and the others are told.
func TestFirstAnswerWins(t *testing.T) {
	won := map[string]int{}
	for round := range 300 {
		w := newWorld(t)
		q := w.ask()
		token := w.gate(q.execution).Result.Token
		if round%3 == 0 { // the time is nearly over, and then it is
			w.clock.Store(w.gate(q.execution).Job.Deadline.Add(-time.Nanosecond).UnixNano())
		}
		racers := map[string]func(context.Context) error{
			"link": func(ctx context.Context) error {
				_, err := w.svc.Decide(ctx, orchestrator.Decision{Secret: q.secret, Pipeline: "shop-web", Approved: true, Summary: "link"})
				return err
			},
			"API": func(ctx context.Context) error {
				_, err := w.svc.PutApproval(ctx, orchestrator.Approval{Pipeline: "shop-web", Stage: "Production", Action: "Go-live", Token: token, Summary: "API", By: "me"})
				return err
			},
			"stop": func(ctx context.Context) error {
				return w.svc.StopExecution(ctx, orchestrator.Stop{Pipeline: "shop-web", Execution: q.execution, Abandon: true})
			},
			"time": func(ctx context.Context) error {
				if round%3 == 0 {
					w.clock.Add(int64(time.Nanosecond))
				}
				return w.svc.Sweep(ctx)
			},
		}
		var mu sync.Mutex
		errs := map[string]error{}
		var wg sync.WaitGroup
		start := make(chan struct{})
		for name, race := range racers {
			wg.Go(func() {
				<-start
				err := race(t.Context())
				mu.Lock()
				defer mu.Unlock()
				errs[name] = err
			})
		}
		close(start)
		wg.Wait()
		a := w.gate(q.execution)
		winner := map[pipeline.Status]string{pipeline.Succeeded: "link", pipeline.Abandoned: "stop", pipeline.Failed: "API"}[a.Status]
		if a.Result.Error != nil && a.Result.Error.Code == "Timeout" {
			winner = "time"
		}
		won[winner]++
		if errs["link"] == nil != (winner == "link") || errs["API"] == nil != (winner == "API") || winner == "" || errs[winner] != nil {
			t.Fatalf("round %d: the approval is %s (%s); the racers got %v", round, a.Status, a.Result.Summary, errs)
		}
		if err := errs["link"]; err != nil && !errors.Is(err, orchestrator.ErrLinkUsed) && !errors.Is(err, orchestrator.ErrLinkExpired) {
			t.Errorf("round %d: the link got %v", round, err)
		}
	}
	t.Logf("won: %v", won)
}
