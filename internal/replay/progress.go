package replay

import (
	"sync/atomic"
	"time"
)

// progressEvery is how often the hook is called while a phase lasts.
const progressEvery = 100 * time.Millisecond

// progress counts the steps of one phase after the other, and tells them to the hook.
type progress struct {
	hook    func(Progress)
	phase   string
	total   int64
	done    atomic.Int64
	stop    chan struct{}
	stopped chan struct{}
}

func (p *progress) begin(phase string, total int) {
	p.phase, p.total = phase, int64(total)
	p.done.Store(0)
	p.stop, p.stopped = make(chan struct{}), make(chan struct{})
	go p.tell()
}

func (p *progress) step() { p.done.Add(1) }

// end tells the last count and returns once the hook has heard it.
func (p *progress) end() {
	close(p.stop)
	<-p.stopped
}

func (p *progress) tell() {
	defer close(p.stopped)
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for ended := false; !ended; {
		select {
		case <-ticker.C:
		case <-p.stop:
			ended = true
		}
		if p.hook != nil {
			p.hook(Progress{Phase: p.phase, Done: p.done.Load(), Total: p.total})
		}
	}
}
