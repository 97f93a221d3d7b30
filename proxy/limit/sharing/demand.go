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

const (
	// telling is how much must have been asked for to tell a demand from chance, within an eighth.
	telling = 64
	// A demand is smoothed over the time in which that is asked for, from shortest to a tenth of the limit's period, or to longest.
	shortest = 300 * time.Millisecond
	longest  = 10 * time.Second
)

// look takes the time since the last look into account.
func (d *demand) look(l *limit.Limit, passed time.Duration) {
	if passed <= 0 {
		return
	}
	now := float64(d.asked) / float64(passed)
	memory := smoothing(l, max(now, d.rate))
	d.rate += (now - d.rate) * float64(passed) / (memory + float64(passed))
	// More than the greatest weight would only take longer to be forgotten. A little more keeps that weight from flickering.
	d.rate = min(d.rate, 1.5*float64(most)/float64(par)*perNanosecond(l))
	d.asked = 0
}

// smoothing is over how long a demand of a rate is smoothed, in nanoseconds.
func smoothing(l *limit.Limit, rate float64) float64 {
	atMost := min(max(l.Period/10, shortest), longest)
	return min(max(telling/rate, float64(shortest)), float64(atMost))
}

func (d *demand) weight(l *limit.Limit) weight {
	parts := float64(par) * d.rate / perNanosecond(l)
	w := least
	for w < most && float64(2*w) <= parts {
		w *= 2
	}
	return w
}

// perNanosecond is the rate of a limit.
func perNanosecond(l *limit.Limit) float64 { return float64(l.Requests) / float64(l.Period) }
