package jwt

import (
	"sync"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

// patience is how long a request waits for keys. A provider that is slow or away must not hold what it can't serve.
const patience = 2 * time.Second

// await waits until done is closed, the exchange is cancelled, or patience is over.
func await(x *exchange.Exchange, done <-chan struct{}) {
	bell := &bell{rung: make(chan struct{})}
	if x.SetInterrupt(bell) != nil {
		return
	}
	defer x.ClearInterrupt()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-bell.rung:
	case <-timer.C:
	}
}

// bell lets others end a wait.
type bell struct {
	once sync.Once
	rung chan struct{}
}

// Interrupt ends the wait.
func (b *bell) Interrupt() { b.once.Do(func() { close(b.rung) }) }
