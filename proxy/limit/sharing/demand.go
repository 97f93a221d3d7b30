package sharing

import (
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

// weight is what a replica's share of a key is reckoned by, a power of two from least to most.
type weight uint8

const (
	// least is the weight of those who don't ask for a key, so that they can begin to.
	least weight = 1
	// par is the weight of a demand of just the limit. Whoever asks for more has no more use for it, but is
	// refused more; up to four times the limit the shares of replicas are such that they refuse alike.
	par  weight = 8
	most weight = 32
)

// demand is how much of a key is asked for, smoothed. Its zero value is none.
type demand struct {
	asked int64   // since the last look, in units of cost
	rate  float64 // in units of cost a nanosecond
}

// look takes the time since the last look into account.
func (d *demand) look(l *limit.Limit, passed time.Duration) {
	if passed <= 0 {
		return
	}
	// Limits of long periods see few requests, from which less can be told in a short time.
	memory := float64(min(max(l.Period/10, 300*time.Millisecond), 10*time.Second))
	now := float64(d.asked) / float64(passed)
	d.rate += (now - d.rate) * float64(passed) / (memory + float64(passed))
	d.asked = 0
}

func (d *demand) weight(l *limit.Limit) weight {
	parts := float64(par) * d.rate * float64(l.Period) / float64(l.Requests)
	w := least
	for w < most && float64(2*w) <= parts {
		w *= 2
	}
	return w
}
