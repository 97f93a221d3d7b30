package ratelimit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/expression"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/predicate"
)

// part appends a part of a key to dst. It reports false where the request lacks it, and then appends nothing.
type part func(dst []byte, x *exchange.Exchange) ([]byte, bool)

// form is a kind of part.
type form struct {
	// named says that the part has a name, expressed that it has an expression.
	named, expressed bool
	// identity says that the part is known only behind the identity filters; what an expression needs, it says itself.
	identity bool
	// build fails only on an expression.
	build func(s Source) (part, error)
}

var sources = map[string]form{
	"Header":        {named: true, build: headerPart},
	"Cookie":        {named: true, build: cookiePart},
	"Claim":         {named: true, identity: true, build: claimPart},
	"APIKey":        {identity: true, build: text(func(x *exchange.Exchange) string { return x.Subject.Client })},
	"Expression":    {expressed: true, build: expressionPart},
	"ClientAddress": {build: addressPart},
	"Path":          {build: text(func(x *exchange.Exchange) string { return x.Request.Path })},
	"Method":        {build: text(func(x *exchange.Exchange) string { return x.Request.Method })},
	"Route":         {build: text((*exchange.Exchange).RouteID)},
}

// NeedsIdentity reports whether a key has a part that is known only once it is known who the request is from.
func NeedsIdentity(key []Source) bool {
	return slices.ContainsFunc(key, func(s Source) bool {
		form := sources[s.Type]
		if !form.expressed {
			return form.identity
		}
		e, err := expression.CompileText(s.Expression)
		return err == nil && e.NeedsIdentity // Validate says what is wrong with it
	})
}

func text(of func(x *exchange.Exchange) string) func(Source) (part, error) {
	return func(Source) (part, error) {
		return func(dst []byte, x *exchange.Exchange) ([]byte, bool) {
			s := of(x)
			return append(dst, s...), s != ""
		}, nil
	}
}

// expressionPart is missing where the expression fails, as well as where its value is empty.
func expressionPart(s Source) (part, error) {
	e, err := expression.CompileText(s.Expression)
	if err != nil {
		return nil, fmt.Errorf("expression: %w", err)
	}
	return func(dst []byte, x *exchange.Exchange) ([]byte, bool) {
		before := len(dst)
		dst, err := e.Append(dst, x)
		return dst, err == nil && len(dst) > before
	}, nil
}

// headerPart is the first value of that name. An empty one tells nobody apart and counts as missing.
func headerPart(s Source) (part, error) {
	return func(dst []byte, x *exchange.Exchange) ([]byte, bool) {
		v, _ := x.Request.Head.Lookup(s.Name)
		return append(dst, v...), v != ""
	}, nil
}

func cookiePart(s Source) (part, error) {
	return func(dst []byte, x *exchange.Exchange) ([]byte, bool) {
		v, _ := predicate.Cookie(&x.Request, s.Name)
		return append(dst, v...), v != ""
	}, nil
}

func claimPart(s Source) (part, error) {
	return func(dst []byte, x *exchange.Exchange) ([]byte, bool) {
		before := len(dst)
		dst, ok := x.Subject.Claims.AppendText(dst, s.Name)
		return dst, ok && len(dst) > before
	}, nil
}

// Prefix lengths where none is given: who has one IPv6 address usually has a /64 of them.
const (
	ipv4Length = 32
	ipv6Length = 64
)

func addressPart(s Source) (part, error) {
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
	}, nil
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
	hash  func([]byte) limit.Key
}

// newKeyer returns the keyer of a limit whose keys mean the same in all replicas, or in this process alone.
func newKeyer(policy, name string, key []Source, everywhere bool) (keyer, error) {
	k := keyer{limit: append(append([]byte(policy), 0), name...), hash: hashHere}
	if everywhere {
		k.hash = hashEverywhere
	}
	for i, s := range key {
		p, err := sources[s.Type].build(s)
		if err != nil {
			return k, fmt.Errorf("key[%d].%w", i, err)
		}
		k.parts = append(k.parts, p)
	}
	return k, nil
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
			return k.hash(k.limit), false
		}
		binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	return k.hash(b), true
}

func hashEverywhere(b []byte) limit.Key {
	h := sha256.Sum256(b)
	return limit.Key(h[:len(limit.Key{})])
}

// seeds are drawn anew in every process: nobody can find two texts of one hash without knowing them.
var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// hashHere takes a fifth of the time.
func hashHere(b []byte) (k limit.Key) {
	binary.NativeEndian.PutUint64(k[:8], maphash.Bytes(seeds[0], b))
	binary.NativeEndian.PutUint64(k[8:], maphash.Bytes(seeds[1], b))
	return k
}
