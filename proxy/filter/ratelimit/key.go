package ratelimit

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/predicate"
)

// part appends a part of a key to dst. It reports false where the request lacks it, and then appends nothing.
type part func(dst []byte, x *exchange.Exchange) ([]byte, bool)

// form is a kind of part.
type form struct {
	// named says that the part has a name.
	named bool
	// identity says that the part is known only behind the identity filters.
	identity bool
	build    func(s Source) part
}

var sources = map[string]form{
	"Header":        {named: true, build: headerPart},
	"Cookie":        {named: true, build: cookiePart},
	"Claim":         {named: true, identity: true, build: claimPart},
	"APIKey":        {identity: true, build: text(func(x *exchange.Exchange) string { return x.Subject.Client })},
	"ClientAddress": {build: addressPart},
	"Path":          {build: text(func(x *exchange.Exchange) string { return x.Request.Path })},
	"Method":        {build: text(func(x *exchange.Exchange) string { return x.Request.Method })},
	"Route":         {build: text((*exchange.Exchange).RouteID)},
}

// NeedsIdentity reports whether a key has a part that is known only once it is known who the request is from.
func NeedsIdentity(key []Source) bool {
	for _, s := range key {
		if sources[s.Type].identity {
			return true
		}
	}
	return false
}

func text(of func(x *exchange.Exchange) string) func(Source) part {
	return func(Source) part {
		return func(dst []byte, x *exchange.Exchange) ([]byte, bool) {
			s := of(x)
			return append(dst, s...), s != ""
		}
	}
}

// headerPart is the first value of that name. An empty one tells nobody apart and counts as missing.
func headerPart(s Source) part {
	return func(dst []byte, x *exchange.Exchange) ([]byte, bool) {
		v, _ := x.Request.Head.Lookup(s.Name)
		return append(dst, v...), v != ""
	}
}

func cookiePart(s Source) part {
	return func(dst []byte, x *exchange.Exchange) ([]byte, bool) {
		v, _ := predicate.Cookie(&x.Request, s.Name)
		return append(dst, v...), v != ""
	}
}

func claimPart(s Source) part {
	return func(dst []byte, x *exchange.Exchange) ([]byte, bool) {
		before := len(dst)
		dst, ok := x.Subject.Claims.AppendText(dst, s.Name)
		return dst, ok && len(dst) > before
	}
}

// Prefix lengths where none is given: who has one IPv6 address usually has a /64 of them.
const (
	ipv4Length = 32
	ipv6Length = 64
)

func addressPart(s Source) part {
	v4, v6 := s.IPv4PrefixLength, s.IPv6PrefixLength
	if v4 == 0 {
		v4 = ipv4Length
	}
	if v6 == 0 {
		v6 = ipv6Length
	}
	return func(dst []byte, x *exchange.Exchange) ([]byte, bool) {
		a := x.Client.Unmap().WithZone("")
		length := v6
		if a.Is4() {
			length = v4
		}
		network, err := a.Prefix(length)
		if err != nil {
			return dst, false // there is no address
		}
		return appendAddress(dst, network.Addr()), true
	}
}

func appendAddress(dst []byte, a netip.Addr) []byte {
	if a.Is4() {
		b := a.As4()
		return append(dst, b[:]...)
	}
	b := a.As16()
	return append(dst, b[:]...)
}

// keyer makes the keys of one limit.
type keyer struct {
	// limit is what all of its keys have in common.
	limit []byte
	parts []part
}

func newKeyer(policy, name string, key []Source) keyer {
	k := keyer{limit: append(append([]byte(policy), 0), name...)}
	for _, s := range key {
		k.parts = append(k.parts, sources[s.Type].build(s))
	}
	return k
}

// keySize is enough for most keys, in bytes; a larger one is allocated.
const keySize = 192

// of returns the key of a request, and whether the request has all of its parts. Without one of them the key is that of all
// requests that lack it.
//
// Keys are hashes so that they are short, don't tell who somebody is, and can't be chosen: by whom a request is counted must not be
// for others to decide.
func (k *keyer) of(x *exchange.Exchange) (limit.Key, bool) {
	b := append(x.Alloc(keySize)[:0], k.limit...)
	for _, p := range k.parts {
		at := len(b)
		b = append(b, 0, 0, 0, 0) // the length of the part, so that no two lists of parts look alike
		var ok bool
		if b, ok = p(b, x); !ok {
			return limit.Key(sum(k.limit)), false
		}
		binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	return limit.Key(sum(b)), true
}

func sum(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:len(limit.Key{})]
}
