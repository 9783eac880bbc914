package engine

import (
	"slices"
	"strconv"

	"github.com/sluice-ci/sluice/internal/asl/expr"
	"github.com/sluice-ci/sluice/internal/machine"
)

func (s *stepper) doTask(f *frame, st *state) error {
	payload, err := s.payload(f)
	if err != nil {
		return err
	}
	f.phase = working
	if st.timeout > 0 {
		f.deadline = s.now + int64(st.timeout)
	}
	if st.heartbeat > 0 {
		f.beat = s.now + int64(st.heartbeat)
	}
	s.event(3) // TaskScheduled, TaskStarted, TaskSubmitted
	s.invoke(f, payload)
	return nil
}

func (s *stepper) invoke(f *frame, payload []byte) {
	s.effect(Invoke{Token: s.token(f), Function: s.m.states[f.state].function, Payload: payload})
}

func (s *stepper) token(f *frame) string {
	b := append(make([]byte, 0, 96), s.run.Name...)
	return string(strconv.AppendUint(append(b, '.'), f.serial, 10))
}

func (s *stepper) doParallel(f *frame, st *state) error {
	input, err := st.input.apply(&s.env, "InputPath")
	if err != nil {
		return err
	}
	if s.env.Input = input; st.parameters != nil {
		if input, err = st.parameters.Append(nil, &s.env); err != nil {
			return err
		}
	}
	f.phase, f.left, f.outputs = joining, len(st.branches), make([][]byte, len(st.branches))
	s.event(1) // ParallelStateStarted
	parent := f.id
	for i, start := range st.branches {
		s.run.lastID++
		s.run.frames = append(s.run.frames, frame{id: s.run.lastID, parent: parent, branch: i})
		s.queue = append(s.queue, entry{s.run.lastID, start, input})
	}
	return nil
}

func (s *stepper) doChoice(f *frame, st *state) error {
	input, err := st.input.apply(&s.env, "InputPath")
	if err != nil {
		return err
	}
	s.env.Input = input
	next := st.next
	for i := range st.rules {
		ok, err := st.rules[i].holds(&s.env)
		if err != nil {
			return err
		}
		if ok {
			next = st.rules[i].next
			break
		}
	}
	if next == end {
		return &expr.Error{Name: "States.NoChoiceMatched", Cause: "no rule of the Choice holds, and it has no Default"}
	}
	output, err := st.output.apply(&s.env, "OutputPath")
	if err == nil {
		s.goTo(f, next, output)
	}
	return err
}

func (s *stepper) doPass(f *frame, st *state) error {
	result, err := st.input.apply(&s.env, "InputPath")
	if err != nil {
		return err
	}
	s.env.Input = result
	switch {
	case st.fixed != nil:
		result = st.fixed
	case st.parameters != nil:
		if result, err = st.parameters.Append(nil, &s.env); err != nil {
			return err
		}
	}
	return s.place(f, st, result)
}

func (s *stepper) doWait(f *frame, st *state) error {
	input, err := st.input.apply(&s.env, "InputPath")
	if err != nil {
		return err
	}
	s.env.Input = input
	until, err := st.delay.end(&s.env, s.now)
	if err != nil {
		return err
	}
	f.phase, f.deadline = waiting, until
	return nil
}

// waited ends a Wait.
func (s *stepper) waited(f *frame, st *state) {
	s.look(f)
	f.deadline = 0
	var err error
	if s.env.Input, err = st.input.apply(&s.env, "InputPath"); err == nil {
		var output []byte
		if output, err = st.output.apply(&s.env, "OutputPath"); err == nil {
			s.leave(f, output)
			return
		}
	}
	s.broken(f, err)
}

// result takes the result of f's task or branches.
func (s *stepper) result(f *frame, result []byte) {
	st := &s.m.states[f.state]
	f.phase, f.deadline, f.beat, f.outputs = ready, 0, 0, nil
	s.look(f)
	s.uuids = uuidsOfResults
	if st.selector != nil {
		s.env.Input = result
		var err error
		if result, err = st.selector.Append(nil, &s.env); err != nil {
			s.broken(f, err)
			return
		}
	}
	if err := s.place(f, st, result); err != nil {
		s.broken(f, err)
	}
}

// place puts the result of a state into its input and lets f leave with that.
func (s *stepper) place(f *frame, st *state, result []byte) error {
	output, err := st.result.apply(f.input, result)
	if err != nil {
		return err
	}
	s.env.Input = output
	if output, err = st.output.apply(&s.env, "OutputPath"); err == nil {
		s.leave(f, output)
	}
	return err
}

// leave lets f go where its state leads.
func (s *stepper) leave(f *frame, output []byte) {
	s.goTo(f, s.m.states[f.state].next, output)
}

func (s *stepper) goTo(f *frame, next int, output []byte) {
	s.event(1)
	f.phase, f.deadline, f.beat = ready, 0, 0
	if next != end {
		s.queue = append(s.queue, entry{f.id, next, output})
		return
	}
	if f.parent == 0 {
		s.run.Output = output
		s.end(machine.Succeeded, "", "")
		return
	}
	s.join(f, output)
}

// join ends the branch f.
func (s *stepper) join(f *frame, output []byte) {
	parent, branch := f.parent, f.branch
	s.drop(f.id, true)
	p := s.frame(parent)
	p.outputs = slices.Clone(p.outputs)
	p.outputs[branch] = output
	if p.left--; p.left > 0 {
		return
	}
	size := 1
	for _, o := range p.outputs {
		size += len(o) + 1
	}
	if size > expr.Limit {
		s.failed(p, expr.DataLimitExceeded, "the outputs of all branches are too large")
		return
	}
	all := append(make([]byte, 0, size), '[')
	for i, o := range p.outputs {
		if i > 0 {
			all = append(all, ',')
		}
		all = append(all, o...)
	}
	s.event(1) // ParallelStateSucceeded
	s.result(p, append(all, ']'))
}
