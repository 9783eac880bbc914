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
	if int(p.version) < len(m.Updates) && (!underWay || p.former == 0) {
		ms = append(ms, move{kind: update})
	}
	if p.settled > 0 {
		ms = append(ms, move{kind: settle})
	}
	if p.former > 0 {
		ms = append(ms, move{kind: settleFormer})
	}
	if underWay && w.may().Cut > 0 {
		ms = append(ms, move{kind: cutShort})
	}
	return ms
}

// update begins a version (Service.UpdatePipeline). The update before it may
// still be under way.
func (c *change) update() {
	p := &c.w.pipeline
	if p.settled > 0 && !p.cut {
		p.former = p.settled
	}
	p.version++
	p.settled, p.cut = 1, false
}

// settle does the next step of the latest update. If who did them before is
// gone, somebody begins anew (Service.Deploy).
func (c *change) settle() {
	p := &c.w.pipeline
	if p.cut {
		p.cut, p.settled = false, 1
	}
	p.settled = c.follow(p.version, p.settled)
}

// follow does the next step of the update to a version that changes something,
// and returns the one after it.
func (c *change) follow(version, next uint8) uint8 {
	for ; int(next) <= c.Executions+c.Stages; next++ {
		i := int(next) - 1
		if i < c.Executions && c.cancel(uint8(i), version) || i >= c.Executions && c.setMode(uint8(i-c.Executions), version) {
			return next + 1
		}
	}
	return 0
}

// cancel tells an execution that it is outdated (Service.cancelActive).
func (c *change) cancel(who, version uint8) bool {
	e := &c.w.executions[who]
	if e.status == absent || e.status.final() || e.version >= version || c.parallel(e) {
		return false
	}
	c.holds = who + 1
	e.cancel = true
	c.halt(who, false, cancelled)
	return true
}

// setMode has a stage follow the mode of a version.
func (c *change) setMode(i, version uint8) bool {
	mode := c.modeOf(version)
	if c.w.locks[i].mode == lockModeOf(mode) || c.newestSettles && version != c.w.pipeline.version {
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
