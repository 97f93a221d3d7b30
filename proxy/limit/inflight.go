package limit

import (
	"sync/atomic"
	"time"
)

// inflight counts what has begun and not ended.
type inflight struct{ count atomic.Int64 }

// askAgain is the RetryAfter where nobody knows when a request in flight will end.
const askAgain = time.Second

func (f *inflight) worth(int64) worth {
	if f.count.Load() == 0 {
		return worthless
	}
	return indispensable // else the end of a forgotten request would be taken for that of another
}

func (f *inflight) take(l *Limit, cost, _ int64, s Share) Decision {
	most := s.of(l.Requests)
	for {
		n := f.count.Load()
		if n+cost > most {
			return Decision{Remaining: max(most-n, 0), RetryAfter: askAgain}
		}
		if f.count.CompareAndSwap(n, n+cost) {
			return Decision{Allowed: true, Remaining: most - n - cost}
		}
	}
}

func (f *inflight) charge(_ *Limit, cost, _ int64, _ Share) { f.count.Add(cost) }
