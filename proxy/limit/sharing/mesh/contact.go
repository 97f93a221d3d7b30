package mesh

import (
	"log/slog"
	"time"

	"github.com/penstock/penstock/proxy/limit/sharing"
)

// contact tells in the log when a peer can't be reached for so long that its share is divided among the others, and when it can be
// again. Replicas come and go, so shorter failures are no news. It is used by one goroutine.
type contact struct {
	log *slog.Logger
	// since is when the first of the failures was after which none succeeded; zero: the last message was answered.
	since time.Time
	// told is what the log says: 0 nothing yet.
	told reach
}

type reach int

const (
	reached reach = iota + 1
	unreached
)

// note is told what became of a message.
func (c *contact) note(err error, now time.Time) {
	switch {
	case err == nil:
		c.since = time.Time{}
		if c.told != reached {
			c.told = reached
			c.log.Info("a peer of rate limits is reached")
		}
	case c.since.IsZero():
		c.since = now
	case c.told != unreached && now.Sub(c.since) >= sharing.Timeout:
		c.told = unreached
		c.log.Warn("a peer of rate limits can't be reached", "error", err)
	}
}
