package basicauth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/penstock/penstock/proxy/exchange"
)

// maxPassword bounds name and password together, in bytes.
const maxPassword = 512

// users know their passwords. They never change but for what they remember; they are safe for concurrent use.
type users struct {
	salt   [sha256.Size]byte
	byName map[string]*user
	// nobody stands for users that do not exist: refusing them takes as long as refusing others.
	nobody hash
}

type user struct {
	name string
	hash
	// last is the salted digest of the password that was found right, so that it need not be hashed with each request.
	last atomic.Pointer[[sha256.Size]byte]
}

// parseUsers reads a password file: a user a line, name and hash with a colon between them; lines that are empty or begin with # say
// nothing.
func parseUsers(file []byte) (*users, error) {
	u := &users{byName: map[string]*user{}}
	// It never fails: see its documentation.
	_, _ = rand.Read(u.salt[:])
	number := 0
	for line := range bytes.Lines(file) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		if err := u.add(text); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if len(u.byName) == 0 {
		return nil, errors.New("it has no user")
	}
	return u, nil
}

func (u *users) add(line string) error {
	name, text, ok := strings.Cut(line, ":")
	if !ok || name == "" {
		return errors.New("no name and hash with a colon between them")
	}
	if u.byName[name] != nil {
		return fmt.Errorf("user %s stands twice", name)
	}
	h, err := parseHash(text)
	if err != nil {
		return fmt.Errorf("user %s has %w", name, err)
	}
	u.byName[name] = &user{name: name, hash: h}
	if u.nobody == nil {
		u.nobody = h
	}
	return nil
}

// digest is that of a name and password, behind the salt. Both are written to memory of the exchange, since an array of its own would be
// allocated where the compiler can't see into sha256, as with some profiles.
func (u *users) digest(x *exchange.Exchange, credential []byte) [sha256.Size]byte {
	b := x.Alloc(len(u.salt) + len(credential))
	copy(b[copy(b, u.salt[:]):], credential)
	return sha256.Sum256(b)
}

// remembers reports whether a password was found right before.
func (u *user) remembers(digest *[sha256.Size]byte) bool {
	last := u.last.Load()
	return last != nil && subtle.ConstantTimeCompare(last[:], digest[:]) == 1
}
