package engine

import (
	"container/heap"
	"sync"
)

// jobs runs functions, at most limit at a time, and has no goroutine when
// there is nothing to do.
type jobs struct {
	limit  int
	mu     sync.Mutex
	active int      // guarded by mu
	queue  []func() // guarded by mu
	all    sync.WaitGroup
}

func (j *jobs) add(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.active == j.limit {
		j.queue = append(j.queue, f)
		return
	}
	j.active++
	j.all.Go(func() { j.work(f) })
}

func (j *jobs) work(f func()) {
	for f != nil {
		f()
		f = j.next()
	}
}

// next returns the next function, or nil after it has counted the caller out.
func (j *jobs) next() func() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) == 0 {
		j.active--
		j.queue = nil
		return nil
	}
	f := j.queue[0]
	j.queue[0] = nil
	j.queue = j.queue[1:]
	return f
}

func (j *jobs) wait() { j.all.Wait() }

// timers is a heap of runs by their alarms.
type timers []*live

// set lets l's alarm go off at a time; 0 is never.
func (t *timers) set(l *live, at int64) {
	switch {
	case at == 0 && l.place >= 0:
		heap.Remove(t, l.place)
	case at != 0 && l.place >= 0:
		l.alarm = at
		heap.Fix(t, l.place)
	case at != 0:
		l.alarm = at
		heap.Push(t, l)
	}
}

// first returns the run whose alarm goes off first, or nil.
func (t timers) first() *live {
	if len(t) == 0 {
		return nil
	}
	return t[0]
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].alarm < t[j].alarm }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = i, j
}

// Push is for package heap.
func (t *timers) Push(x any) {
	l := x.(*live)
	l.place = len(*t)
	*t = append(*t, l)
}

// Pop is for package heap.
func (t *timers) Pop() any {
	last := len(*t) - 1
	l := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	l.place = -1
	return l
}
