package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

// call is what one request asks the server. Whoever waits for it and whoever sends it agree by its state on who has it: it is the
// waiter's if the answer came in time, otherwise the sender throws it away.
type call struct {
	asks  []limit.Ask
	force bool // take without asking
	state atomic.Int32
	done  chan bool // whether the server decided
	timer *time.Timer
}

const (
	pending int32 = iota
	answered
	abandoned
)

var calls = sync.Pool{New: func() any { return &call{done: make(chan bool, 1), timer: time.NewTimer(time.Hour)} }}

func newCall(asks []limit.Ask) *call {
	c := calls.Get().(*call)
	c.asks = append(c.asks[:0], asks...)
	c.force = false
	c.state.Store(pending)
	return c
}

func (c *call) release() {
	clear(c.asks)
	calls.Put(c)
}

// ask reports whether the server decided in time.
func (s *Store) ask(asks []limit.Ask) bool {
	c := newCall(asks)
	select {
	case s.queue <- c:
	default: // a server that keeps up has no such queue
		s.fail(errBusy)
		c.release()
		return false
	}
	c.timer.Reset(s.options.Timeout)
	decided := false
	select {
	case decided = <-c.done:
	case <-c.timer.C:
		if c.state.CompareAndSwap(pending, abandoned) {
			s.fail(errLate)
			return false
		}
		decided = <-c.done
	}
	c.timer.Stop()
	if decided {
		copy(asks, c.asks)
	}
	c.release()
	return decided
}

// finish hands a call back to who waits for it, if anybody does.
func (c *call) finish(decided bool) {
	if c.state.CompareAndSwap(pending, answered) {
		c.done <- decided
		return
	}
	c.release()
}

// send sends what is wanted, all that has come together since its turn began. It keeps its turn unless the answer is long in coming.
func (s *Store) send(ctx context.Context) {
	batch := make([]*call, 0, largest)
	pass := time.AfterFunc(time.Hour, func() { <-s.turn })
	pass.Stop()
	for mine := false; ; {
		if !mine {
			select {
			case <-ctx.Done():
				return
			case s.turn <- struct{}{}:
			}
		}
		select {
		case <-ctx.Done():
			return
		case c := <-s.queue:
			batch = s.fill(append(batch[:0], c))
		}
		pass.Reset(gathering)
		err := s.exchange(ctx, batch)
		mine = pass.Stop()
		if err != nil {
			s.fail(err)
		}
		for _, c := range batch {
			c.finish(err == nil)
		}
		clear(batch)
	}
}

func (s *Store) fill(batch []*call) []*call {
	for len(batch) < largest {
		select {
		case c := <-s.queue:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}
