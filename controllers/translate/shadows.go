package translate

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"slices"
	"strings"

	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/snapshot"
)

// A match is shadowed on a host when a rule of higher precedence has an equal match there: it never sees a request. Rules
// claim their pairs of host and match, and contests say who holds them.

// matchDigest is equal for equal matches and for no others that ever meet.
type matchDigest [16]byte

// claimKey is a pair of host and match. The empty host is any host.
type claimKey struct {
	host  string
	match matchDigest
}

// claim is the wish of one rule for a pair.
type claim struct {
	route *route
	// rule and match are indexes; lastRule is that of a rule of rank last.
	rule, match int32
}

// lastRule is behind every index.
const lastRule = 1 << 30

func compareClaims(a, b claim) int {
	return cmp.Or(
		cmp.Compare(a.rule/lastRule, b.rule/lastRule),
		strings.Compare(a.route.place, b.route.place),
		cmp.Compare(a.rule, b.rule),
		cmp.Compare(a.match, b.match),
	)
}

// oneLabelOf says that a claim of an Ingress to a wildcard is not for names with several labels in its place.
func oneLabelOf(k claimKey, c claim) bool {
	return strings.HasPrefix(k.host, "*.") && c.route.object.oneLabel()
}

// shape is all that contests and their losers see of a rule.
type shape struct {
	hosts   []string
	name    string
	matches []matchDigest
	last    bool
}

// shapesOf leaves out widened matches: they give way to any equal one.
func shapesOf(r *route) []shape {
	out := make([]shape, len(r.rules))
	for i, rule := range r.rules {
		out[i] = shape{hosts: rule.Hosts, name: rule.ID, last: r.ranks[i] == last}
		if r.ranks[i] != widened {
			out[i].matches = digestsOf(rule.Matches)
		}
	}
	return out
}

func (s shape) equal(o shape) bool {
	return s.name == o.name && s.last == o.last && slices.Equal(s.hosts, o.hosts) && slices.Equal(s.matches, o.matches)
}

func digestsOf(matches []snapshot.Match) []matchDigest {
	out := make([]matchDigest, 0, len(matches))
	for i := range matches {
		out = append(out, digestOf(&matches[i]))
	}
	return out
}

var anyHost = []string{""}

// claims yields what r claims: each pair of host and match once a rule.
func (r *route) claims() iter.Seq2[claimKey, claim] {
	return func(yield func(claimKey, claim) bool) {
		for i := range r.shapes {
			rule := int32(i)
			if r.shapes[i].last {
				rule = lastRule
			}
			for key, match := range r.shapes[i].pairs() {
				if !yield(key, claim{route: r, rule: rule, match: int32(match)}) {
					return
				}
			}
		}
	}
}

// pairs yields each pair of host and match once, with the index of the first such match.
func (s *shape) pairs() iter.Seq2[claimKey, int] {
	hosts := s.hosts
	if len(hosts) == 0 {
		hosts = anyHost
	}
	return func(yield func(claimKey, int) bool) {
		for k, digest := range s.matches {
			if slices.Contains(s.matches[:k], digest) {
				continue
			}
			for _, host := range hosts {
				if !yield(claimKey{host: strings.TrimSuffix(host, everyHost), match: digest}, k) {
					return
				}
			}
		}
	}
}

// digestOf hashes a match in a form that does not depend on the order of what is a set.
func digestOf(m *snapshot.Match) matchDigest {
	b := make([]byte, 0, 256)
	b = appendText(b, string(m.Path.Type))
	b = appendText(b, m.Path.Value)
	b = binary.AppendUvarint(b, uint64(len(m.Methods)))
	for _, method := range slices.Sorted(slices.Values(m.Methods)) {
		b = appendText(b, method)
	}
	for _, list := range [][]snapshot.Predicate{m.Headers, m.Query, m.Cookies} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, p := range slices.SortedFunc(slices.Values(list), comparePredicates) {
			b = appendPredicate(b, p)
		}
	}
	sum := sha256.Sum256(b)
	return matchDigest(sum[:len(matchDigest{})])
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendPredicate(b []byte, p snapshot.Predicate) []byte {
	b = appendText(b, p.Name)
	b = appendText(b, string(p.Type))
	b = appendText(b, p.Value)
	if p.Invert {
		return append(b, 1)
	}
	return append(b, 0)
}

func comparePredicates(a, b snapshot.Predicate) int {
	return bytes.Compare(appendPredicate(nil, a), appendPredicate(nil, b))
}

// shadow is a lost claim.
type shadow struct {
	claim
	host string
	by   claim
	// partly says that it is lost only for names with one label in the place of the host's wildcard.
	partly bool
}

// like reports whether two shadows differ in nothing but the host.
func (s shadow) like(o shadow) bool {
	return s.claim == o.claim && s.by == o.by && s.partly == o.partly
}

// shadows returns a problem for each match that loses, or several where its hosts lose to different rules.
func (s *routeSet) shadows(r *route) []status.Problem {
	var lost []shadow
	won := false
	for key, c := range r.claims() {
		by, all := s.claims.above(key, c)
		own := by.route == r && by.rule == c.rule
		won = won || own || !all
		if !own {
			lost = append(lost, shadow{claim: c, host: key.host, by: by, partly: !all})
		}
	}
	var out []status.Problem
	for len(lost) > 0 {
		n := 1
		for n < len(lost) && lost[n].like(lost[0]) {
			n++
		}
		out = append(out, shadowed(lost[:n], !won && !r.has(widened)))
		lost = lost[n:]
	}
	return out
}

// where names a claim's rule and match within its object.
func (c claim) where() (rule, at string) {
	r, index := c.route, int(c.rule)
	if index == lastRule {
		index = len(r.rules) - 1
	}
	found := r.rules[index]
	return strings.TrimPrefix(found.ID, r.object.idPrefix()), found.Origin.Field + r.object.matchField(index, int(c.match))
}
