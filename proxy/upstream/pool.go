package upstream

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/penstock/penstock/proxy/live"
)

// pool keeps the connections to one endpoint that nobody uses, the one used last on top: so that few are busy and the rest
// grow old enough to be closed. It is safe for concurrent use.
type pool struct {
	mu     sync.Mutex
	idle   []*conn // by the time at which they became idle
	closed bool
}

var _ live.Conns = (*pool)(nil)

// NewPool makes the connections of one endpoint, for live.NewStore.
func NewPool(_ string, _ netip.AddrPort) live.Conns { return &pool{} }

func poolOf(e *live.Endpoint) *pool { return e.Conns.(*pool) }

// take returns the connection that was used last, or nil.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return c
}

// put keeps a connection, unless there are most already or the pool is closed. It reports whether it did.
func (p *pool) put(c *conn, now time.Time, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= most {
		return false
	}
	c.idleSince = now
	p.idle = append(p.idle, c)
	return true
}

// sweep closes the connections that have been idle since before oldest, and those that the backend has closed.
func (p *pool) sweep(oldest time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = slices.DeleteFunc(p.idle, func(c *conn) bool {
		over := c.idleSince.Before(oldest) || !c.socket.isQuiet()
		if over {
			c.nc.Close()
		}
		return over
	})
}

// Close closes what is idle, and makes put refuse what is in use.
func (p *pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.nc.Close()
	}
	p.idle = nil
}
