package engine

import "time"

// pace is how fast a client sends or accepts one body: the bytes that have moved, against the time for which they were waited for.
type pace struct {
	waited time.Duration
	bytes  int64
	free   bool // nothing is asked, as of a tunnel
}

// allowance is how long the next wait may take: patience, or less if the client has been too slow so far; never less than 1.
func (p *pace) allowance(patience time.Duration, t *Timeouts) time.Duration {
	if p.free {
		return patience
	}
	return max(1, min(patience, p.left(t)))
}

// left is how long may still be waited at all.
func (p *pace) left(t *Timeouts) time.Duration {
	earned := time.Duration(float64(p.bytes) / float64(t.MinRate) * float64(time.Second))
	return t.Grace + earned - p.waited
}
