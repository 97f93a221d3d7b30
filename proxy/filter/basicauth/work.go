package basicauth

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"runtime"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/filter/internal/shared"
)

// patience is how long a request waits for its turn to be hashed.
const patience = time.Second

// Store has what outlives a table: the users, and the turns in which passwords are hashed. It is safe for concurrent use.
type Store struct {
	turns chan struct{}
	users shared.Pool[[sha256.Size]byte, users]
}

// NewStore returns a store that hashes at most half as many passwords at a time as there are processors: whoever guesses them must not
// keep others from being served.
func NewStore() *Store {
	return &Store{turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

func (s *Store) usersOf(file []byte) (*users, error) {
	return s.users.Get(sha256.Sum256(file), func() (*users, error) { return parseUsers(file) })
}

var (
	// errBusy refuses a password for which there was no turn in time.
	errBusy = &exchange.Error{
		Status: http.StatusServiceUnavailable, Code: "auth.busy", Source: exchange.FromGateway, RetryAfter: time.Second,
		Err: errors.New("too many passwords are being checked"),
	}
	// errCredential refuses what is no name and password.
	errCredential = credential.ErrInvalid.With(errors.New("no base64 of name and password"))
	errUser       = credential.ErrInvalid.With(errors.New("no such user, or not the password"))
)

// check returns the user of a name and password.
func (s *Store) check(x *exchange.Exchange, u *users, name, text, password []byte) (*user, error) {
	known := u.byName[exchange.String(name)]
	digest := u.digest(x, text)
	if known != nil && known.remembers(&digest) {
		return known, nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-timer.C:
		return nil, errBusy
	}
	if known == nil {
		u.nobody.matches(password)
		return nil, errUser
	}
	if !known.matches(password) {
		return nil, errUser
	}
	remembered := digest // a variable of its own, so that only this one is allocated
	known.last.Store(&remembered)
	return known, nil
}
