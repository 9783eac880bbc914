package prooftest

import (
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
)

// An update is a transaction, and then one for each execution and each stage
// that has to follow: Service.settleUpdate. Who does them may be cut short
// after each, and somebody then deploys once more.

// modeOf returns the mode of a version of the pipeline.
func (m *model) modeOf(version uint8) pipeline.Mode {
	if version == 0 {
		return m.Mode
	}
	return m.Updates[version-1]
}

// parallel reports whether e runs a version that is PARALLEL.
func (m *model) parallel(e *execution) bool { return m.modeOf(e.version) == pipeline.Parallel }

// outdated reports whether e runs a version that was replaced, and ends for
// that (change.cancelled).
func (m *model) outdated(w *world, e *execution) bool {
	return e.cancel || e.version != w.pipeline.version && !m.parallel(e) && !m.anyVersion
}

// movesOfPipeline appends what can happen to the pipeline.
func (m *model) movesOfPipeline(ms []move, w *world) []move {
	p := &w.pipeline
	underWay := p.settled > 0 && !p.cut
	if int(p.version) < len(m.Updates) && !underWay {
		ms = append(ms, move{kind: update})
	}
	if p.settled > 0 {
		ms = append(ms, move{kind: settle})
	}
	if underWay && w.may().Cut > 0 {
		ms = append(ms, move{kind: cutShort})
	}
	return ms
}

// update begins a version (Service.UpdatePipeline).
func (c *change) update() { c.w.pipeline = newest{version: c.w.pipeline.version + 1, settled: 1} }

// settle does the next step that changes something. If who did them before is
// gone, somebody begins anew (Service.Deploy).
func (c *change) settle() {
	p := &c.w.pipeline
	if p.cut {
		p.cut, p.settled = false, 1
	}
	for ; int(p.settled) <= c.Executions+c.Stages; p.settled++ {
		step := p.settled - 1
		if int(step) < c.Executions && c.cancel(step) || int(step) >= c.Executions && c.setMode(step-uint8(c.Executions)) {
			p.settled++
			return
		}
	}
	p.settled = 0
}

// cancel tells an execution that it is outdated (Service.cancelActive).
func (c *change) cancel(who uint8) bool {
	e := &c.w.executions[who]
	if e.status == absent || e.status.final() || e.version >= c.w.pipeline.version || c.parallel(e) {
		return false
	}
	c.holds = who + 1
	e.cancel = true
	c.halt(who, false, cancelled)
	return true
}

// setMode has a stage follow the mode.
func (c *change) setMode(i uint8) bool {
	mode := c.modeOf(c.w.pipeline.version)
	if c.w.locks[i].mode == lockModeOf(mode) {
		return false
	}
	c.use(i, mode)
	if mode == pipeline.Parallel {
		for who := range c.w.executions[:c.Executions] {
			e := &c.w.executions[who]
			e.beside = e.beside || e.inside && e.stage == i
		}
	}
	c.step(i, stage.SetMode{Mode: mode})
	return true
}

// use gives a stage that was never used a mode (change.stage).
func (c *change) use(i uint8, mode pipeline.Mode) {
	if l := &c.w.locks[i]; l.mode == 0 {
		l.mode = lockModeOf(mode)
	}
}
