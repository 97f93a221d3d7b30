// Package yield lets requests be served while long work goes on.
package yield

import "time"

const (
	// turn is how long work goes on before it rests: about what it adds to the latency of requests.
	turn = 200 * time.Microsecond
	// rest is long enough for the scheduler to run out of what is ready and to ask the network for more.
	rest = 20 * time.Microsecond
)

// Turns cuts work into turns, between which whatever is ready runs. The zero value begins its first turn with the first call
// of Next.
//
// With one processor, runtime.Gosched would not do: who only yields is taken up again before the network is asked, which is
// then done every 10 ms.
type Turns struct{ began time.Time }

// Next is called between two steps of the work. It rests if the turn has lasted long enough.
func (t *Turns) Next() {
	switch now := time.Now(); {
	case t.began.IsZero():
		t.began = now
	case now.Sub(t.began) >= turn:
		time.Sleep(rest)
		t.began = time.Now()
	}
}
