// Package yield lets requests be served while long work goes on.
package yield

import (
	"errors"
	"os"
	"sync"
	"time"
)

const (
	// turn is how long work goes on before it rests: about what it adds to the latency of requests.
	turn = 200 * time.Microsecond
	// longestRest bounds a rest, in turns as long as the one before, so that work goes on, at a sixth of a processor, where requests
	// never leave one idle. Who came in a step that lasted long is served before the next one.
	longestRest = 5
	// little is how soon a ring is heard where next to nothing else was ready. What it lets run first may have more to do as soon as
	// others have answered: work that went on then would leave requests that come meanwhile with half of the processor, so that they
	// pile up.
	little = 50 * time.Microsecond
)

// Turns cuts work into turns. Between two of them all that is ready runs, and what the network then brings, too. The zero value
// begins its first turn with the first call of Next.
//
// With one processor, neither runtime.Gosched would do, nor a short sleep: who yields is taken up again before the network is
// asked, and who has slept before all that waits to run, so that the work would get nearly all of the processor.
type Turns struct{ began time.Time }

// Next is called between two steps of the work. It rests if the turn has lasted long enough.
func (t *Turns) Next() {
	switch now := time.Now(); {
	case t.began.IsZero():
		t.began = now
	case now.Sub(t.began) >= turn:
		rest(longestRest * now.Sub(t.began))
		t.began = time.Now()
	}
}

// bells are those that nobody rings now.
var bells = sync.Pool{New: func() any { return new(Bell) }}

// rest returns once little is left to do for others, or after the longest time.
func rest(longest time.Duration) {
	b := bells.Get().(*Bell)
	defer bells.Put(b)
	for rang, end := time.Now(), time.Now().Add(longest); rang.Before(end); {
		err := b.RingFor(end.Sub(rang))
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			time.Sleep(longest) // no bell, for want of descriptors or of Linux
			return
		}
		heard := time.Now()
		if heard.Sub(rang) < little {
			return
		}
		rang = heard
	}
}
