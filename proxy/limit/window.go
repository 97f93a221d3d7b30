package limit

import (
	"sync"
	"time"
)

// Slots is how many parts a sliding window's period is counted in. No window of one period sees more than the limit, wherever it
// begins; in return a request is remembered for up to 1/Slots of the period longer than needed.
const Slots = 20

// window counts what was taken in the slot of now and in as many before it as a period can touch.
type window struct {
	mu sync.Mutex
	// width of a slot in nanoseconds; 0 while nothing was counted.
	width int64
	// newest is the number of the slot that was counted last, since the limiter began.
	newest int64
	// counts are by slot number modulo their length.
	counts [Slots + 1]uint32
}

func (w *window) worth(now int64) worth {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.width == 0 || now/w.width-w.newest > Slots {
		return worthless
	}
	return replaceable
}

func (w *window) take(l *Limit, cost, now int64, s Share) Decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roll(l, now)
	most, used := s.of(l.Requests), w.sum()
	if used+cost > most {
		d := Decision{Remaining: max(most-used, 0), RetryAfter: w.wait(used+cost-most, now), Reset: w.wait(used, now)}
		if cost > most {
			d.RetryAfter = Never
		}
		return d
	}
	w.add(cost)
	return Decision{Allowed: true, Remaining: most - used - cost, Reset: w.wait(used+cost, now)}
}

// charge leaves no more than two periods' worth, so that a debt ends.
func (w *window) charge(l *Limit, cost, now int64, s Share) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roll(l, now)
	if cost >= 0 {
		w.add(max(min(cost, 2*s.of(l.Requests)-w.sum()), 0))
		return
	}
	w.giveBack(-cost)
}

// roll forgets the slots that are over. Where an edit changed the period, what was counted counts as of now.
func (w *window) roll(l *Limit, now int64) {
	width := (int64(l.Period) + Slots - 1) / Slots
	slot := now / width
	if w.width != width {
		before := w.sum()
		if w.width == 0 || now/w.width-w.newest > Slots {
			before = 0
		}
		w.width, w.newest, w.counts = width, slot, [Slots + 1]uint32{}
		w.add(before)
		return
	}
	for n := range min(slot-w.newest, Slots+1) {
		w.counts[(w.newest+1+n)%(Slots+1)] = 0
	}
	w.newest = max(w.newest, slot)
}

func (w *window) sum() (sum int64) {
	for _, n := range w.counts {
		sum += int64(n)
	}
	return sum
}

// slot is the count of the slot that began that many before the newest one.
func (w *window) slot(before int64) *uint32 {
	return &w.counts[((w.newest-before)%(Slots+1)+Slots+1)%(Slots+1)]
}

func (w *window) add(cost int64) { *w.slot(0) += uint32(cost) }

// giveBack takes from the newest slots first: what is given back was taken a moment ago.
func (w *window) giveBack(cost int64) {
	for before := int64(0); before <= Slots && cost > 0; before++ {
		n := w.slot(before)
		part := min(int64(*n), cost)
		*n -= uint32(part)
		cost -= part
	}
}

// wait is when at least that much of what was counted is forgotten.
func (w *window) wait(much, now int64) time.Duration {
	if much <= 0 {
		return 0
	}
	for before := int64(Slots); before >= 0; before-- {
		if much -= int64(*w.slot(before)); much <= 0 {
			return time.Duration((w.newest-before+Slots+1)*w.width - now)
		}
	}
	return Never
}
