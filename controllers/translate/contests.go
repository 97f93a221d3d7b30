package translate

// contests decides who holds a K when several claim it: the first by precedence. Whoever shares a K with others hears
// of it when its holder changes. Claims come and go in any order; the outcome does not depend on it.
type contests[K, C comparable] struct {
	// compare is negative when a precedes b. It never returns 0 for different claims.
	compare func(a, b C) int
	// partial, if not nil, says that a claim asks for less than all of k: if it holds k, it leaves something to those that ask for all.
	partial func(k K, c C) bool
	held    map[K]contest[C]
	// open are those whose holder has left or was overtaken since the last settlement.
	open map[K]struct{}
}

// contest is what is known of one K. Nearly all have a holder and nobody else.
type contest[C comparable] struct {
	// holder is the zero C while a contest is open because its holder left.
	holder C
	others map[C]struct{}
}

func newContests[K, C comparable](compare func(a, b C) int) *contests[K, C] {
	return &contests[K, C]{compare: compare, held: map[K]contest[C]{}, open: map[K]struct{}{}}
}

// enter adds a claim.
func (t *contests[K, C]) enter(k K, c C) {
	var nobody C
	now, known := t.held[k]
	switch {
	case !known:
		now.holder = c
	case now.holder != nobody && t.compare(c, now.holder) < 0:
		now.add(now.holder)
		now.holder = c
		t.open[k] = struct{}{}
	default:
		now.add(c)
		t.reopen(k, now)
	}
	t.held[k] = now
}

// withdraw removes a claim that was entered.
func (t *contests[K, C]) withdraw(k K, c C) {
	var nobody C
	now := t.held[k]
	if now.holder == c {
		now.holder = nobody
		t.open[k] = struct{}{}
	} else {
		delete(now.others, c)
		t.reopen(k, now)
	}
	if now.holder == nobody && len(now.others) == 0 {
		delete(t.held, k)
		delete(t.open, k)
		return
	}
	t.held[k] = now
}

// reopen opens a contest in which it matters to others who comes behind the holder.
func (t *contests[K, C]) reopen(k K, now contest[C]) {
	if t.isPartial(k, now.holder) {
		t.open[k] = struct{}{}
	}
}

func (t *contests[K, C]) isPartial(k K, c C) bool {
	var nobody C
	return t.partial != nil && c != nobody && t.partial(k, c)
}

// settle decides the open contests and tells everyone who takes part in one of them.
func (t *contests[K, C]) settle(tell func(C)) {
	for k := range taken(&t.open) {
		now := t.held[k]
		t.decide(&now)
		t.held[k] = now
		tell(now.holder)
		for c := range now.others {
			tell(c)
		}
	}
}

func (t *contests[K, C]) decide(c *contest[C]) {
	var nobody C
	if c.holder != nobody {
		return
	}
	for o := range c.others {
		if c.holder == nobody || t.compare(o, c.holder) < 0 {
			c.holder = o
		}
	}
	delete(c.others, c.holder)
}

// holder returns who holds k. It is for settled contests.
func (t *contests[K, C]) holder(k K) C { return t.held[k].holder }

// above returns who has of k what c asks for: c itself if nobody, and whether that is all of it. It is for settled contests.
func (t *contests[K, C]) above(k K, c C) (by C, all bool) {
	now := t.held[k]
	if now.holder == c || !t.isPartial(k, now.holder) || t.isPartial(k, c) {
		return now.holder, true
	}
	first := c
	for o := range now.others {
		if !t.isPartial(k, o) && t.compare(o, first) < 0 {
			first = o
		}
	}
	if first != c {
		return first, true
	}
	return now.holder, false
}

func (c *contest[C]) add(claim C) {
	if c.others == nil {
		c.others = map[C]struct{}{}
	}
	c.others[claim] = struct{}{}
}
