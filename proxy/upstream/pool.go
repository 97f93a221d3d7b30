package upstream

import (
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/live"
)

// pool keeps the connections to one endpoint that nobody uses. It is a stack, nearly: of 64 places the lowest free one is filled and the
// highest taken one given out. So the connection that was used last, of which most is still in the processor's caches, is used next, and
// the rest grow old enough to be closed. Nobody waits for anybody: the places are bits that are set and cleared atomically. It is safe
// for concurrent use.
type pool struct {
	kept    atomic.Int64
	closed  atomic.Bool
	shelves [maxKept / shelfPlaces]atomic.Pointer[shelf]
}

const (
	// maxKept is how many connections a pool has room for.
	maxKept     = 1024
	shelfPlaces = 64
)

// shelf is a part of a pool's places; most pools need one.
type shelf struct {
	// claimed has the bits of the places that somebody fills, uses or empties; offered of those whose connection can be taken. Whoever
	// has claimed a place, by either of them, owns its connection.
	claimed, offered atomic.Uint64
	conns            [shelfPlaces]*conn
}

var _ live.Conns = (*pool)(nil)

// NewPool makes the connections of one endpoint, for live.NewStore.
func NewPool(_ string, _ netip.AddrPort) live.Conns { return &pool{} }

func poolOf(e *live.Endpoint) *pool { return e.Conns.(*pool) }

// take returns a connection, or nil if there is none.
func (p *pool) take() *conn {
	for i := range p.shelves {
		s := p.shelves[i].Load()
		if s == nil {
			return nil
		}
		if place, ok := s.withdraw(^uint64(0)); ok {
			return p.empty(s, place)
		}
	}
	return nil
}

// put keeps a connection, unless there are most already or the pool is closed. It reports whether it did.
func (p *pool) put(c *conn, now time.Time, most int) bool {
	if p.closed.Load() {
		return false
	}
	if p.kept.Add(1) > int64(most) {
		p.kept.Add(-1)
		return false
	}
	c.idleSince = now
	for i := range p.shelves {
		s := p.shelf(i)
		if place, ok := s.claim(); ok {
			s.conns[place] = c
			s.offer(place)
			if p.closed.Load() {
				p.Close() // which may have passed this place before it was filled
			}
			return true
		}
	}
	p.kept.Add(-1)
	return false
}

// shelf returns shelf number i, which it puts up if need be.
func (p *pool) shelf(i int) *shelf {
	if s := p.shelves[i].Load(); s != nil {
		return s
	}
	p.shelves[i].CompareAndSwap(nil, new(shelf))
	return p.shelves[i].Load()
}

// empty takes the connection from a place that was withdrawn.
func (p *pool) empty(s *shelf, place int) *conn {
	c := s.conns[place]
	s.conns[place] = nil
	s.claimed.And(^(uint64(1) << place))
	p.kept.Add(-1)
	return c
}

// sweep closes the connections that have been idle since before oldest, and those that the backend has closed.
func (p *pool) sweep(oldest time.Time) {
	for i := range p.shelves {
		s := p.shelves[i].Load()
		if s == nil {
			return
		}
		for left := ^uint64(0); ; {
			place, ok := s.withdraw(left)
			if !ok {
				break
			}
			left &^= uint64(1) << place
			if c := s.conns[place]; !c.idleSince.Before(oldest) && c.socket.isQuiet() {
				s.offer(place)
				continue
			}
			p.empty(s, place).nc.Close()
		}
	}
	if p.closed.Load() {
		p.Close() // which does not see what is withdrawn for a look
	}
}

// Close closes what is idle, and makes put refuse what is in use.
func (p *pool) Close() {
	p.closed.Store(true)
	for c := p.take(); c != nil; c = p.take() {
		c.nc.Close()
	}
}

// withdraw claims the highest place of those in mask whose connection is offered.
func (s *shelf) withdraw(mask uint64) (place int, ok bool) {
	for {
		offered := s.offered.Load()
		if offered&mask == 0 {
			return 0, false
		}
		place = bits.Len64(offered&mask) - 1
		if s.offered.CompareAndSwap(offered, offered&^(uint64(1)<<place)) {
			return place, true
		}
	}
}

// claim claims the lowest free place.
func (s *shelf) claim() (place int, ok bool) {
	for {
		claimed := s.claimed.Load()
		if claimed == ^uint64(0) {
			return 0, false
		}
		place = bits.TrailingZeros64(^claimed)
		if s.claimed.CompareAndSwap(claimed, claimed|uint64(1)<<place) {
			return place, true
		}
	}
}

// offer makes the connection of a claimed place one that can be taken.
func (s *shelf) offer(place int) { s.offered.Or(uint64(1) << place) }
