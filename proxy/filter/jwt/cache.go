package jwt

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	// buckets and ways bound the tokens that are remembered; a bucket that is full forgets one of its own.
	buckets = 2048
	ways    = 4
	// maxCached is the length of the longest token that is remembered, in bytes. One that is longer than large has but one place in its
	// bucket: claims take several times the memory of their text, and so all of them together some 100 MB at the worst.
	maxCached = 8 << 10
	large     = 2 << 10
)

// cache remembers verified tokens. Looking one up takes no lock and allocates nothing. It is safe for concurrent use.
type cache struct {
	seed    maphash.Seed
	buckets [buckets]bucket
}

type bucket [ways]atomic.Pointer[verified]

func newCache() *cache { return &cache{seed: maphash.MakeSeed()} }

// at is where a token is, if it is there.
func (c *cache) at(token string) *bucket { return &c.buckets[maphash.String(c.seed, token)%buckets] }

// find returns what a verifier has found out about a token, if that holds still. Tokens are compared as a whole: no hash stands for one.
func (b *bucket) find(v *verifier, token string, now time.Time) *verified {
	for i := range b {
		if known := b[i].Load(); known != nil && known.verifier == v.id && known.token == token && v.serves(known, now) {
			return known
		}
	}
	return nil
}

// put remembers a token, in the place of what was known of it before, or of any other if the bucket is full.
func (b *bucket) put(fresh *verified) {
	if len(fresh.token) > maxCached {
		return
	}
	places := ways
	if len(fresh.token) > large {
		places = 1
	}
	for i := range b[:places] {
		if known := b[i].Load(); known == nil || known.verifier == fresh.verifier && known.token == fresh.token {
			b[i].Store(fresh)
			return
		}
	}
	b[rand.N(places)].Store(fresh)
}
