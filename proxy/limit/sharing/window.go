package sharing

import (
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

// slots is how many parts of a period are counted apart. What was used is remembered for up to one part longer than the period.
const slots = 20

// window is the meter of a SlidingWindow: no window of one period sees more than the limit, wherever it begins.
type window struct {
	limit  float64
	width  int64 // of a slot, in nanoseconds
	at     int64
	newest int64 // the number of the slot of now
	// total is what all have used, mine what this replica has, fresh what it has on top of the basis; by slot number modulo their length.
	total, mine, fresh [slots + 1]float64
}

func newWindow(l *limit.Limit, now int64) *window {
	width := (int64(l.Period) + slots - 1) / slots
	return &window{limit: float64(l.Requests), width: width, at: now, newest: now / width}
}

func (w *window) advance(now int64, _ float64, _ bool) {
	w.at = max(w.at, now)
	slot := w.at / w.width
	for n := range min(slot-w.newest, slots+1) {
		i := (w.newest + 1 + n) % (slots + 1)
		w.total[i], w.mine[i], w.fresh[i] = 0, 0, 0
	}
	w.newest = slot
}

func (w *window) room(share float64) float64 {
	total, fresh := sum(&w.total), sum(&w.fresh)
	return min(share*(w.limit-total+fresh)-fresh, w.limit-total)
}

func (w *window) left() float64  { return w.limit - sum(&w.total) + sum(&w.fresh) }
func (w *window) level() float64 { return sum(&w.total) }
func (w *window) own() float64   { return sum(&w.mine) }
func (w *window) size() float64  { return w.limit }

func (w *window) take(cost float64) {
	w.add(&w.total, cost)
	w.add(&w.mine, cost)
	w.add(&w.fresh, cost)
}

func (w *window) charge(cost float64) { w.add(&w.total, cost) }

func (w *window) settle(since float64) {
	w.fresh = [slots + 1]float64{}
	w.add(&w.fresh, since)
}

func (w *window) add(counts *[slots + 1]float64, cost float64) {
	if cost >= 0 {
		counts[w.newest%(slots+1)] += bounded(sum(counts)+cost, w.limit) - sum(counts)
		return
	}
	// What is given back was taken a moment ago.
	for before := int64(0); before <= slots && cost < 0; before++ {
		n := &counts[index(w.newest-before)]
		part := min(*n, -cost)
		*n -= part
		cost += part
	}
}

func (w *window) wait(missing, share float64) time.Duration {
	for before := int64(slots); before >= 0; before-- {
		if missing -= share * w.total[index(w.newest-before)]; missing <= 0 {
			return w.end(before)
		}
	}
	return w.end(0)
}

func (w *window) reset() time.Duration {
	for before := int64(0); before <= slots; before++ {
		if w.total[index(w.newest-before)] > 0 {
			return w.end(before)
		}
	}
	return 0
}

// end is when the slot that began that many before the newest one is forgotten.
func (w *window) end(before int64) time.Duration {
	return time.Duration((w.newest-before+slots+1)*w.width - w.at)
}

// index is where the slot of a number is counted, which may be negative.
func index(slot int64) int64 { return (slot%(slots+1) + slots + 1) % (slots + 1) }

func sum(counts *[slots + 1]float64) (total float64) {
	for _, n := range counts {
		total += n
	}
	return total
}
