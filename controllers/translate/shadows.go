package translate

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

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
	// rule and match are indexes.
	rule, match int32
}

func compareClaims(a, b claim) int {
	return cmp.Or(
		strings.Compare(a.route.place, b.route.place),
		cmp.Compare(a.rule, b.rule),
		cmp.Compare(a.match, b.match),
	)
}

// shape is all that contests and their losers see of a route: its hosts, and the name and matches of each rule.
type shape struct {
	hosts   []string
	names   []string
	matches [][]matchDigest
}

// shapeOf leaves out widened matches: they give way to any equal one.
func shapeOf(r *route) shape {
	var s shape
	for i, rule := range r.rules {
		s.hosts = rule.Hosts
		s.names = append(s.names, rule.ID)
		var digests []matchDigest
		if !slices.Contains(r.widened, i) {
			digests = digestsOf(rule.Matches)
		}
		s.matches = append(s.matches, digests)
	}
	return s
}

func digestsOf(matches []snapshot.Match) []matchDigest {
	out := make([]matchDigest, 0, len(matches))
	for i := range matches {
		out = append(out, digestOf(&matches[i]))
	}
	return out
}

func (s shape) equal(o shape) bool {
	return slices.Equal(s.hosts, o.hosts) && slices.Equal(s.names, o.names) &&
		slices.EqualFunc(s.matches, o.matches, slices.Equal[[]matchDigest])
}

var anyHost = []string{""}

// claims yields what r claims: each pair of host and match once a rule.
func (r *route) claims() iter.Seq2[claimKey, claim] {
	hosts := r.shape.hosts
	if len(hosts) == 0 {
		hosts = anyHost
	}
	return func(yield func(claimKey, claim) bool) {
		for i, matches := range r.shape.matches {
			for k, digest := range matches {
				if slices.Contains(matches[:k], digest) {
					continue
				}
				for _, host := range hosts {
					if !yield(claimKey{host: host, match: digest}, claim{route: r, rule: int32(i), match: int32(k)}) {
						return
					}
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
}

// shadows returns a problem for each match that loses, or several where its hosts lose to different rules.
func (s *routeSet) shadows(r *route) []status.Problem {
	var lost []shadow
	won := 0
	for key, c := range r.claims() {
		if by := s.claims.holder(key); by.route != r || by.rule != c.rule {
			lost = append(lost, shadow{claim: c, host: key.host, by: by})
		} else {
			won++
		}
	}
	var out []status.Problem
	for len(lost) > 0 {
		n := 1
		for n < len(lost) && lost[n].claim == lost[0].claim && lost[n].by == lost[0].by {
			n++
		}
		out = append(out, shadowed(lost[:n], won == 0 && len(r.widened) == 0))
		lost = lost[n:]
	}
	return out
}

// where names a claim's rule and match within its route.
func (c claim) where() (rule, at string) {
	spec := &c.route.object.Spec.Rules[c.rule]
	path := field.NewPath("spec", "rules").Index(int(c.rule))
	if len(spec.Matches) > 0 {
		path = path.Child("matches").Index(int(c.match))
	}
	return ruleName(spec, int(c.rule)), path.String()
}
