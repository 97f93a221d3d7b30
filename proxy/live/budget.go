package live

import "sync/atomic"

// budget bounds attempts beyond the first, so that a cluster that is down is not asked several times as often as one that is well: one
// for every five exchanges, and as many as maxSaved at once.
type budget struct{ spent atomic.Int64 } // in exchanges; 0: all that can be saved is there

const (
	retryCost = 5
	// maxSaved is how many retries can be saved for bad moments, such as a rolling update with many requests in flight.
	maxSaved = 100
)

// Earn counts an exchange towards the cluster's retries.
func (c *Cluster) Earn() {
	if c.retries.spent.Load() > 0 {
		c.retries.spent.Add(-1) // Several at once may save a little more than can be saved.
	}
}

// SpendRetry reports whether the budget has one more attempt: 20 % of the cluster's exchanges, of which 100 can be saved.
func (c *Cluster) SpendRetry() bool {
	if c.retries.spent.Add(retryCost) > maxSaved*retryCost {
		c.retries.spent.Add(-retryCost)
		return false
	}
	return true
}
