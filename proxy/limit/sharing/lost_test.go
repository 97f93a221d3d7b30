package sharing

import (
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

// A message may be under way in one goroutine while another loses who sent it.
func TestTheLastMessageOfALostReplicaLeavesNoWeight(t *testing.T) {
	l := New(Options{Local: limit.NewLocal(100, time.Now), Now: time.Now})
	m := Message{From: 7, Number: 1, Reports: []Report{{Key: limit.Key{1}, Requests: 100, Period: time.Hour, Burst: 100, Weight: most, Use: Use{Stamp: 1, Moment: 1, Used: 50, Level: 50}}}}
	if !l.admit(&m) {
		t.Fatal("the message is no news")
	}
	l.mu.Lock()
	l.lose(m.From)
	l.mu.Unlock()
	l.learnAll(&m)
	e := l.entries.find(limit.Key{1})
	if e == nil || e.meter.level() < 49 {
		t.Fatal("what the replica has used is not known")
	}
	if got := e.share(0); got != 1 {
		t.Errorf("the share of who is alone is %v, want 1", got)
	}
}
