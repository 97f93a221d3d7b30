package apikey

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Bounds on the length of keys, in bytes. Shorter ones can be guessed; longer ones would make work.
const (
	minKey = 16
	maxKey = 512
)

// digest is that of a key, behind the salt of its keys.
type digest = [sha256.Size]byte

// keys knows the clients by their keys. Keys themselves are not kept. How long a look-up takes tells something of a digest, which
// without the salt tells nothing of any key.
type keys struct {
	salt    [sha256.Size]byte
	clients map[digest]client
}

type client struct {
	name string
	digest
}

// readKeys reads the entries of a Secret.
func readKeys(values filter.Values, ref snapshot.Ref) (*keys, error) {
	value, err := values(ref)
	if err != nil {
		return nil, err
	}
	entries, err := snapshot.Entries(value)
	if err != nil {
		return nil, &filter.Unusable{Ref: ref, Err: err}
	}
	k := &keys{clients: make(map[digest]client, len(entries))}
	// It never fails: see its documentation.
	_, _ = rand.Read(k.salt[:])
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		ref.Key = name
		if err := k.addAll(name, bytes.TrimSpace(entries[name])); err != nil {
			return nil, &filter.Unusable{Ref: ref, Err: err}
		}
	}
	return k, nil
}

// addAll adds the keys of a client, one a line: several while one takes the place of another.
func (k *keys) addAll(name string, lines []byte) error {
	for line := range bytes.SplitSeq(lines, []byte("\n")) {
		if err := k.add(name, bytes.TrimSpace(line)); err != nil {
			return err
		}
	}
	return nil
}

func (k *keys) add(name string, key []byte) error {
	if len(key) < minKey || len(key) > maxKey {
		return fmt.Errorf("an API key has %d to %d characters", minKey, maxKey)
	}
	if bytes.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("an API key has visible ASCII characters only")
	}
	d := k.digest(string(key), nil)
	if other, twice := k.clients[d]; twice {
		return fmt.Errorf("client %s has the same API key", other.name)
	}
	k.clients[d] = client{name, d}
	return nil
}

// digest writes what it hashes to room, if that is large enough. An array of its own would be allocated with each request where the compiler
// can't see into sha256, as with some profiles.
func (k *keys) digest(key string, room []byte) digest {
	return sha256.Sum256(append(append(room[:0], k.salt[:]...), key...))
}

// find returns the client whose key it is; "" if nobody's.
func (k *keys) find(x *exchange.Exchange, key string) string {
	if len(key) < minKey || len(key) > maxKey {
		return ""
	}
	d := k.digest(key, x.Alloc(len(k.salt)+len(key)))
	c := k.clients[d]
	if subtle.ConstantTimeCompare(c.digest[:], d[:]) == 0 {
		return ""
	}
	return c.name
}
