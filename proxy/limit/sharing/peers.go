package sharing

import (
	"math"
	"sort"
)

// peers is what a Limiter knows of other replicas. Whoever uses it has locked the Limiter.
type peers struct {
	members map[ID]*member
	links   map[*Link]struct{}
	// reports are pending, in the order of their sequences.
	reports  []pendingReport
	sequence uint64 // of the last report
	number   uint64 // of the last message
	ticked   int64
}

type pendingReport struct {
	sequence uint64
	entry    *entry
}

// member is a replica that was heard.
type member struct {
	heard    int64
	number   uint64 // of its last message
	sequence uint64 // up to which it knows the reports of this replica
}

// Link is the way to a replica that is said to be there. The Limiter makes the messages for it; it is used by one goroutine at a time.
type Link struct {
	limiter *Limiter
	peer    ID // that answered; 0 if none has
	listed  int64
	spoken  int64 // when the last message was made
	// sequence is that of the last report in the message that was not answered yet.
	sequence uint64
	sent     []pendingReport
}

// NewLink makes a Link to a replica of which nothing is known but that it should be there. Until it answers, or Timeout is over, it
// counts as one that has a share.
func (l *Limiter) NewLink() *Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := &Link{limiter: l, listed: l.elapsed(), spoken: math.MinInt64}
	l.links[k] = struct{}{}
	l.count(k.listed)
	return k
}

// Close ends the Link. The replica counts as long as it is heard.
func (k *Link) Close() {
	l := k.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.links, k)
	l.count(l.elapsed())
}

// awaited reports whether the Link leads to somebody who may give shares away, and whom we don't know.
func (k *Link) awaited(now int64) bool { return k.peer == 0 && now-k.listed <= int64(Timeout) }

// count counts the other replicas.
func (l *Limiter) count(now int64) {
	n := len(l.members)
	for k := range l.links {
		if k.awaited(now) {
			n++
		}
	}
	l.others.Store(int64(n))
}

// Next makes the message that is due, if one is. It is to be sent at once.
func (k *Link) Next() (Message, bool) {
	l := k.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.elapsed()
	k.sent = k.sent[:0]
	if k.peer == l.id {
		return Message{}, false // it leads to this replica itself
	}
	if m := l.members[k.peer]; m != nil {
		from := sort.Search(len(l.reports), func(i int) bool { return l.reports[i].sequence > m.sequence })
		k.sent = append(k.sent, l.reports[from:min(from+MaxEntries, len(l.reports))]...)
	}
	if len(k.sent) == 0 && now-int64(Heartbeat) < k.spoken {
		return Message{}, false
	}
	k.spoken = now
	l.number++
	message := Message{From: l.id, Number: l.number}
	k.sequence = 0
	valid := k.sent[:0]
	for _, p := range k.sent {
		k.sequence = p.sequence
		if r, ok := p.entry.pendingReport(p.sequence); ok {
			message.Reports = append(message.Reports, r)
			valid = append(valid, p)
		}
	}
	k.sent = valid
	return message, true
}

// Farewell is the last message, after which this replica admits nothing.
func (l *Limiter) Farewell() Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	return Message{From: l.id, Number: l.number, Leaving: true}
}

// Answered tells that the last message has been answered. A message without an answer is made again.
func (k *Link) Answered(a Answer) {
	l := k.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.From == l.id {
		k.peer = l.id
		l.count(l.elapsed())
		return
	}
	m := l.hear(a.From)
	if m == nil {
		return
	}
	if k.peer != a.From {
		// What was said was said to somebody else, or to nobody in particular.
		k.peer = a.From
		l.count(l.elapsed())
		return
	}
	if len(a.Uses) != len(k.sent) {
		return // the message came after a later one
	}
	others := int(l.others.Load())
	for i, u := range a.Uses {
		if u.Stamp == 0 {
			k.sent[i].entry.void(k.sent[i].sequence)
			continue
		}
		k.sent[i].entry.hearAnswer(a.From, u, m.heard, others)
	}
	m.sequence = max(m.sequence, k.sequence)
	k.sent, k.sequence = k.sent[:0], 0
}

// hear notes that a replica is there; it is nil if there are too many.
func (l *Limiter) hear(id ID) *member {
	m := l.members[id]
	if m == nil {
		if len(l.members) >= MaxPeers {
			return nil
		}
		m = &member{}
		l.members[id] = m
		l.count(l.elapsed())
		l.entries.sweep(func(e *entry) bool { e.again(); return false })
	}
	m.heard = l.elapsed()
	return m
}

// Hear takes a message into account.
func (l *Limiter) Hear(m Message) Answer {
	a := Answer{From: l.id}
	if m.From == l.id || !l.admit(&m) {
		return a
	}
	a.Uses = l.learnAll(&m)
	return a
}

// learnAll takes the reports of a message into account and returns what is to be answered.
func (l *Limiter) learnAll(m *Message) (uses []Use) {
	others := int(l.others.Load())
	for _, r := range m.Reports {
		uses = append(uses, l.learn(m.From, r, others))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.members[m.From] != nil {
		return uses
	}
	// It was lost meanwhile, maybe before the entries heard of it. Nobody would ever take its weight back.
	for _, r := range m.Reports {
		if e := l.entries.find(r.Key); e != nil {
			e.forget(m.From)
		}
	}
	return uses
}

// admit notes who has spoken, and reports whether the message is news.
func (l *Limiter) admit(m *Message) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.hear(m.From)
	if from == nil || from.number >= m.Number {
		return false
	}
	from.number = m.Number
	if m.Leaving {
		l.lose(m.From)
	}
	return true
}

// learn takes a report into account and returns what is to be answered.
func (l *Limiter) learn(from ID, r Report, others int) Use {
	of := r.limit()
	for {
		e := l.track(of, r.Key, others)
		if e == nil {
			return Use{}
		}
		if u, ok := e.hear(from, r, l.elapsed(), others, &l.moments); ok {
			return u
		}
		l.entries.remove(l.entries.shard(r.Key), e)
	}
}

// lose forgets a replica.
func (l *Limiter) lose(id ID) {
	delete(l.members, id)
	l.count(l.elapsed())
	l.entries.sweep(func(e *entry) bool { e.forget(id); return false })
}

// Tick is to be called every Interval.
func (l *Limiter) Tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.elapsed()
	l.expire(now)
	l.count(now)
	others := int(l.others.Load())
	l.confirm(now, others)
	l.entries.sweep(func(e *entry) bool {
		if own, gone := e.cool(now, others); gone {
			l.release(e, own, others)
			return true
		}
		if e.report(now, others, l.sequence+1, &l.moments) {
			l.sequence++
			l.reports = append(l.reports, pendingReport{l.sequence, e})
		}
		return false
	})
}

// expire loses those that have not been heard for long. A replica that has slept itself has no right to say so.
func (l *Limiter) expire(now int64) {
	slept := now - l.ticked
	l.ticked = now
	if slept > int64(Timeout/2) {
		for _, m := range l.members {
			m.heard += slept
		}
		for k := range l.links {
			k.listed += slept
		}
	}
	for id, m := range l.members {
		if now-m.heard > int64(Timeout) {
			l.lose(id)
		}
	}
}

// confirm settles what everybody knows. As long as somebody may be there who has not been heard, nobody knows what he knows.
func (l *Limiter) confirm(now int64, others int) {
	known := l.sequence
	for _, m := range l.members {
		known = min(known, m.sequence)
	}
	if others > len(l.members) {
		known = 0
	}
	done := sort.Search(len(l.reports), func(i int) bool { return l.reports[i].sequence > known })
	for _, p := range l.reports[:done] {
		p.entry.confirm(p.sequence, now, others)
	}
	l.reports = append(l.reports[:0], l.reports[done:]...)
}
