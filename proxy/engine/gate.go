package engine

import (
	"sync"

	"github.com/penstock/penstock/proxy/yield"
)

// gate decides in which order requests are served once more have come than can be served at once.
//
// Go's scheduler runs what is ready in the order in which it was found, and asks the network again when all of that has run. With
// hundreds of clients, hundreds of requests would begin before the first answer of a backend is looked at, whose sockets, stacks and heads
// have left the processor's caches by then. So only few requests begin at a time, and the others wait in line for one that ends.
//
// Nobody waits for what waits itself: whenever the network has nothing to tell, the next ones in line begin, however many are being
// served. A gate is safe for concurrent use.
type gate struct {
	mu sync.Mutex
	// inside counts the visits of this age. If the network is found silent, they wait for something slow: a new age begins, in which
	// they don't count.
	inside int
	age    uint32
	// prompt is the line of requests that begin, tardy the one of heads that come in pieces, which must not hold up the others.
	prompt, tardy line
	calls         uint8
	left          bool // a visit has ended since the usher looked
	attended      bool // an usher is at work
	open          bool // there is no bell, so nobody waits
	bell          yield.Bell
}

const (
	// gateWidth is how many requests begin at a time as long as nobody waits in line.
	gateWidth = 64
	// narrowWidth is how many while somebody does. Fewer find more in the caches; but to wait in line costs as well, which a few dozen clients
	// are spared.
	narrowWidth = 32
	// tardyShare: every how many calls the tardy have precedence over the prompt.
	tardyShare = 4
)

// visit is a stay inside of the gate. The zero value is none.
type visit struct{ age uint32 }

// enter begins a visit, as soon as it is this one's turn.
func (g *gate) enter(tardy bool) visit {
	g.mu.Lock()
	if g.open || g.inside < gateWidth && !g.anyWaits() {
		v := g.admit()
		g.mu.Unlock()
		return v
	}
	t := tickets.Get().(*ticket)
	if tardy {
		g.tardy.add(t)
	} else {
		g.prompt.add(t)
	}
	if !g.attended {
		g.attended = true
		go g.attend()
	}
	g.mu.Unlock()
	v := <-t.called
	tickets.Put(t)
	return v
}

// leave ends a visit, if there is one.
func (g *gate) leave(v *visit) {
	if *v == (visit{}) {
		return
	}
	g.mu.Lock()
	g.left = true
	if v.age == g.age {
		g.inside--
		if g.inside < narrowWidth {
			g.call()
		}
	}
	g.mu.Unlock()
	*v = visit{}
}

func (g *gate) admit() visit {
	g.inside++
	return visit{g.age}
}

// call lets the next one in. It returns false if nobody waits.
func (g *gate) call() bool {
	g.calls++
	first, second := &g.prompt, &g.tardy
	if g.calls%tardyShare == 0 {
		first, second = second, first
	}
	t := first.next()
	if t == nil {
		t = second.next()
	}
	if t == nil {
		return false
	}
	t.called <- g.admit()
	return true
}

// attend looks after those in line until there are none: it rings, and hears the bell when the network has been asked. If nobody has left
// between two bells, whoever is inside waits for something that has not come yet.
func (g *gate) attend() {
	for g.anyInLine() {
		err := g.bell.Ring()
		g.mu.Lock()
		if err != nil {
			g.open = true
		}
		if !g.left || g.open {
			g.renew()
		}
		g.left = false
		g.mu.Unlock()
	}
}

// anyInLine reports whether anybody waits. If not, the next one who does needs a new usher.
func (g *gate) anyInLine() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.attended = g.anyWaits()
	return g.attended
}

func (g *gate) anyWaits() bool { return g.prompt.first != nil || g.tardy.first != nil }

// renew begins an age and lets in as many as there is room for.
func (g *gate) renew() {
	g.inside = 0
	g.age = max(g.age+1, 1)
	for g.open || g.inside < narrowWidth {
		if !g.call() {
			return
		}
	}
}

// close lets everybody in, from now on. It gives back what the gate holds of the system.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
	g.renew()
	g.bell.Close()
}

// ticket is the place in line of one who waits.
type ticket struct {
	called chan visit // of capacity 1: who calls doesn't wait
	behind *ticket
}

var tickets = sync.Pool{New: func() any { return &ticket{called: make(chan visit, 1)} }}

// line is first come, first served.
type line struct{ first, last *ticket }

func (l *line) add(t *ticket) {
	if l.first == nil {
		l.first = t
	} else {
		l.last.behind = t
	}
	l.last = t
}

// next takes out the first one; nil if there is none.
func (l *line) next() *ticket {
	t := l.first
	if t != nil {
		l.first, t.behind = t.behind, nil
	}
	return t
}
