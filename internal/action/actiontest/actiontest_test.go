package actiontest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A memory keeps ends of jobs, and how often each was begun.
type memory struct {
	mu    sync.Mutex
	ends  map[string]action.Result // guarded by mu
	begun map[string]int           // guarded by mu
	made  int                      // guarded by mu
}

// A provider ends every job within Start. A forgetful one does not look
// whether it has been there before.
type provider struct {
	*memory
	forgetful bool
}

func (p provider) Start(_ context.Context, job action.Job) (action.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if end, ok := p.ends[job.ID]; ok && !p.forgetful {
		return end, nil
	}
	p.begun[job.ID]++
	p.ends[job.ID] = action.Result{Status: pipeline.Succeeded, Summary: fmt.Sprint("try ", p.begun[job.ID])}
	if job.Action.Name == "fail" {
		p.ends[job.ID] = action.Fail(action.JobFailed, "it fails")
	}
	return p.ends[job.ID], nil
}

func (p provider) Poll(_ context.Context, job action.Job) (action.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends[job.ID], nil
}

func (p provider) Stop(context.Context, action.Job) error { return nil }

func harness(forgetful bool) actiontest.Harness {
	m := &memory{ends: map[string]action.Result{}, begun: map[string]int{}}
	job := func(name string) func(*testing.T) action.Job {
		return func(*testing.T) action.Job {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.made++
			return action.Job{ID: fmt.Sprint("job", m.made), Action: pipeline.Action{Name: name}}
		}
	}
	return actiontest.Harness{
		Open:     func(*testing.T, func(string)) action.Provider { return provider{m, forgetful} },
		Succeeds: job("succeed"),
		Fails:    job("fail"),
		Done: func(_ *testing.T, j action.Job) int {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.begun[j.ID]
		},
	}
}

func TestSuitePasses(t *testing.T) {
	actiontest.Run(t, func(*testing.T) actiontest.Harness { return harness(false) })
}

// TestSuiteCatchesForgetful runs the suite on a provider known to be wrong, in
// a child process because a failure is what it hopes for.
func TestSuiteCatchesForgetful(t *testing.T) {
	if os.Getenv("ACTIONTEST_BROKEN") != "" {
		actiontest.Run(t, func(*testing.T) actiontest.Harness { return harness(true) })
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteCatchesForgetful$")
	cmd.Env = append(os.Environ(), "ACTIONTEST_BROKEN=1")
	out, err := cmd.CombinedOutput()
	for _, name := range []string{"StartTwiceWorksOnce", "StartAfterCrashWorksOnce", "ConcurrentStartsWorkOnce"} {
		if err == nil || !strings.Contains(string(out), "FAIL: TestSuiteCatchesForgetful/"+name) {
			t.Errorf("%s passed a provider that repeats its work:\n%s", name, out)
		}
	}
}
