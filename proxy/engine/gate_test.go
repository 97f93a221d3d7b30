package engine

import (
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
)

// crowded returns a gate of which all places are taken, and whose usher is asleep, so that only those who leave let others in.
func crowded(t *testing.T) (*gate, []visit) {
	t.Helper()
	g := &gate{age: 1}
	inside := make([]visit, gateWidth)
	for i := range inside {
		inside[i] = g.enter(false)
	}
	g.attended = true
	return g, inside
}

// thin leaves a crowded gate until one place is free for whoever is in line.
func thin(g *gate, inside []visit) {
	for i := range gateWidth - narrowWidth + 1 {
		g.leave(&inside[i])
	}
}

// lineUp enters once as many as that are in line behind each other.
func lineUp(g *gate, tardy bool, name string, entered chan<- string) {
	inLine := func() (n int) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, l := range []line{g.prompt, g.tardy} {
			for t := l.first; t != nil; t = t.behind {
				n++
			}
		}
		return n
	}
	before := inLine()
	go func() {
		v := g.enter(tardy)
		entered <- name
		g.leave(&v)
	}()
	for inLine() == before {
		runtime.Gosched()
	}
}

func TestWhoLeavesAGateLetsInTheFirstInLine(t *testing.T) {
	g, inside := crowded(t)
	entered := make(chan string)
	for _, name := range []string{"a", "b", "c"} {
		lineUp(g, false, name, entered)
	}
	thin(g, inside)
	for _, want := range []string{"a", "b", "c"} { // each leaves when it has entered
		if got := <-entered; got != want {
			t.Errorf("%s entered, want %s", got, want)
		}
	}
}

// A line that has begun stays until it is gone, though the gate would have places for those who come.
func TestWhoComesStandsBehindThoseInLine(t *testing.T) {
	g, inside := crowded(t)
	entered := make(chan string)
	lineUp(g, false, "a", entered)
	for i := range gateWidth - narrowWidth {
		g.leave(&inside[i])
	}
	lineUp(g, false, "b", entered)
	g.leave(&inside[gateWidth-narrowWidth])
	for _, want := range []string{"a", "b"} {
		if got := <-entered; got != want {
			t.Errorf("%s entered, want %s", got, want)
		}
	}
	for range gateWidth - narrowWidth { // Now nobody is in line.
		g.enter(false)
	}
}

// Those who send heads in pieces get every fourth call, and all that the others leave.
func TestTheTardyHoldUpNobodyAndAreNotForgotten(t *testing.T) {
	g, inside := crowded(t)
	entered := make(chan string)
	for range 6 {
		lineUp(g, true, "tardy", entered)
	}
	for range 6 {
		lineUp(g, false, "prompt", entered)
	}
	thin(g, inside)
	var got []string
	for range 12 {
		got = append(got, <-entered)
	}
	p, s := "prompt", "tardy"
	if want := []string{p, p, p, s, p, p, p, s, s, s, s, s}; !slices.Equal(got, want) {
		t.Errorf("they entered as\n%v, want\n%v", got, want)
	}
}

func TestNobodyInLineWaitsForThoseInside(_ *testing.T) {
	g := &gate{age: 1}
	defer g.close()
	for range 5 * gateWidth { // of whom nobody ever leaves
		g.enter(false)
	}
}

// A visit of an age that is over must give back no place of the present one.
func TestALateVisitorGivesBackNoPlace(t *testing.T) {
	g, inside := crowded(t)
	g.renew()
	for range gateWidth {
		g.enter(false)
	}
	for i := range inside {
		g.leave(&inside[i])
	}
	if g.inside != gateWidth {
		t.Errorf("%d are inside, want %d", g.inside, gateWidth)
	}
}

func TestLeavingTwiceIsLeavingOnce(t *testing.T) {
	g := &gate{age: 1}
	other, v := g.enter(false), g.enter(false)
	g.leave(&v)
	g.leave(&v)
	if g.inside != 1 {
		t.Errorf("%d are inside, want one", g.inside)
	}
	g.leave(&other)
}

func TestAClosedGateHoldsUpNobody(t *testing.T) {
	g, _ := crowded(t)
	entered := make(chan string)
	for range 2 * gateWidth {
		lineUp(g, false, "", entered)
	}
	g.close()
	for range 2 * gateWidth {
		<-entered
	}
	for range 2 * gateWidth {
		g.enter(false)
	}
}

// Without descriptors, say, there is no bell.
func TestAGateWithoutABellHoldsUpNobody(_ *testing.T) {
	g := &gate{age: 1}
	_ = g.bell.Ring() // which opens it
	g.bell.Close()
	for range gateWidth {
		g.enter(false)
	}
	entered := make(chan string)
	for range 3 {
		go func() {
			v := g.enter(false)
			entered <- ""
			g.leave(&v)
		}()
	}
	for range 3 {
		<-entered
	}
}

func TestAGateUnderLoad(t *testing.T) {
	g := &gate{age: 1}
	defer g.close()
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			for range 200 {
				v := g.enter(i%2 == 0)
				g.leave(&v)
			}
		})
	}
	all.Wait()
	if g.inside != 0 || g.prompt.first != nil || g.tardy.first != nil {
		t.Errorf("%d are inside, and in line are %v and %v", g.inside, g.prompt.first, g.tardy.first)
	}
}

// However slow the backends, further requests begin: here each ends only when all have begun.
func TestRequestsThatWaitHoldUpNoOthers(t *testing.T) {
	const clients = 100
	var begun sync.WaitGroup
	begun.Add(clients)
	f := handle(t, func(x *exchange.Exchange) error {
		begun.Done()
		begun.Wait()
		x.Reply(204)
		return nil
	})
	waiting := make([]*client, clients)
	for i := range waiting {
		waiting[i] = f.dial()
		waiting[i].send(get)
	}
	for _, c := range waiting {
		c.expect("GET", want{status: 204})
	}
}
