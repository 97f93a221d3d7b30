package basicauth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"golang.org/x/crypto/bcrypt"
)

// Bounds on what one hash may cost: about a second.
const (
	maxCost   = 14
	maxRounds = 1_000_000
)

// hash is that of a password. Comparing takes milliseconds of work, and as long whether the password is right or not.
type hash interface {
	matches(password []byte) bool
}

type bcryptHash []byte

func (h bcryptHash) matches(password []byte) bool {
	return bcrypt.CompareHashAndPassword(h, password) == nil
}

type shaHash struct {
	digest interface{ MatchBytes(password []byte) bool }
}

func (h shaHash) matches(password []byte) bool { return h.digest.MatchBytes(password) }

// parseHash reads a hash in the form of crypt(3). No error cites it: it may be a password.
func parseHash(text string) (hash, error) {
	switch {
	case hasAnyPrefix(text, "$2a$", "$2b$", "$2y$"):
		return parseBcrypt(text)
	case hasAnyPrefix(text, "$5$", "$6$"):
		return parseSHA(text)
	case hasAnyPrefix(text, "$apr1$", "$1$"):
		return nil, errors.New("an MD5 hash, which is broken: use bcrypt (htpasswd -B)")
	case strings.HasPrefix(text, "{SHA}"):
		return nil, errors.New("a SHA-1 hash without salt, which is broken: use bcrypt (htpasswd -B)")
	}
	return nil, errors.New("neither a hash of bcrypt ($2y$) nor of SHA-2 crypt ($5$, $6$), but perhaps a password: use htpasswd -B")
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func parseBcrypt(text string) (hash, error) {
	cost, err := bcrypt.Cost([]byte(text))
	if err != nil || len(text) != 60 {
		return nil, errors.New("no bcrypt hash, though it begins like one")
	}
	if cost > maxCost {
		return nil, fmt.Errorf("a bcrypt hash of cost %d, at most %d is accepted", cost, maxCost)
	}
	return bcryptHash(text), nil
}

func parseSHA(text string) (hash, error) {
	if _, rest, ok := strings.Cut(text, "$rounds="); ok {
		rounds, _, _ := strings.Cut(rest, "$")
		if n, err := strconv.Atoi(rounds); err != nil || n > maxRounds {
			return nil, fmt.Errorf("a SHA-2 crypt hash of more than %d rounds", maxRounds)
		}
	}
	digest, err := shacrypt.Decode(text)
	if err != nil {
		return nil, errors.New("no SHA-2 crypt hash, though it begins like one")
	}
	return shaHash{digest}, nil
}
