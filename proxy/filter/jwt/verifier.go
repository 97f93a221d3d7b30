package jwt

import (
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/shared"
	"github.com/penstock/penstock/proxy/filter/jwt/jwks"
	"github.com/penstock/penstock/proxy/filter/jwt/jws"
)

// Store has what outlives a table: keys that were fetched, and tokens that were verified. It is safe for concurrent use.
type Store struct {
	keys      *jwks.Store
	verifiers shared.Pool[[sha256.Size]byte, verifier]
	cache     *cache
	made      atomic.Uint64
}

// NewStore returns an empty store, whose keys are fetched from where reach permits.
func NewStore(log *slog.Logger, reach jwks.Reach) *Store {
	return &Store{keys: jwks.NewStore(log, reach), cache: newCache()}
}

// Failing returns, by the ID of their filter.Fetch, why keys can't be fetched at present. It must not be written.
func (s *Store) Failing() map[string]string { return s.keys.Failing() }

// OnChange has f called, in any goroutine, after Failing has changed.
func (s *Store) OnChange(f func()) { s.keys.OnChange(f) }

// verifier verifies tokens for all filters of one configuration.
type verifier struct {
	// id is that of no other verifier, ever.
	id        uint64
	store     *Store
	providers []*provider
	headers   []ClaimToHeader
}

// verifier returns the one of a configuration and the values that it refers to.
func (s *Store) verifier(c *Config, values filter.Values) (*verifier, error) {
	key, err := keyOf(c, values)
	if err != nil {
		return nil, err
	}
	return s.verifiers.Get(key, func() (*verifier, error) {
		v := &verifier{id: s.made.Add(1), store: s, headers: c.ClaimsToHeaders}
		for i := range c.Providers {
			p, err := newProvider(&c.Providers[i], s.keys, values)
			if err != nil {
				return nil, err
			}
			v.providers = append(v.providers, p)
		}
		return v, nil
	})
}

// keyOf is the same for equal configurations with equal values.
func keyOf(c *Config, values filter.Values) (key [sha256.Size]byte, err error) {
	h := sha256.New()
	e := json.NewEncoder(h) // it tells texts apart that follow one another
	parts := []any{c.Providers, c.ClaimsToHeaders}
	for _, ref := range refs(*c) {
		value, err := values(ref)
		if err != nil {
			return key, err
		}
		parts = append(parts, value)
	}
	if err := e.Encode(parts); err != nil {
		return key, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// verified is a token that is good, for as long as its provider has the same keys. It never changes, and refers to nothing that
// keeps keys of routes that are gone from being forgotten.
type verified struct {
	token string
	// verifier is the id of the one that found it good, provider the index of its issuer there.
	verifier uint64
	provider int
	set      *jws.Set
	validity
	subject exchange.Subject
	// headers are the values of the verifier's headers; nil where the token lacks the claim.
	headers []*string
}

// verify returns what a token says, if it is good.
func (v *verifier) verify(x *exchange.Exchange, token string) (*verified, error) {
	if len(token) > jws.MaxToken {
		return nil, refuse(jws.ErrTooLong)
	}
	at := v.store.cache.at(token)
	if known := at.find(v, token, x.Start); known != nil {
		return known, nil
	}
	fresh, err := v.look(x, token)
	if err != nil {
		return nil, err
	}
	at.put(fresh)
	return fresh, nil
}

// look verifies a token. What it claims is looked at only once its signature is found to be valid, but for who issued it.
func (v *verifier) look(x *exchange.Exchange, token string) (*verified, error) {
	t, err := jws.Parse(token)
	if err != nil {
		return nil, refuse(err)
	}
	claims, err := exchange.ParseClaims(t.Payload)
	if err != nil {
		return nil, refuse(errClaims)
	}
	issuer := claims.String("iss")
	index := slices.IndexFunc(v.providers, func(p *provider) bool { return p.Issuer == issuer })
	if index < 0 {
		return nil, refuse(errIssuer)
	}
	p := v.providers[index]
	set, err := p.verify(x, t)
	if err != nil {
		return nil, refuse(err)
	}
	valid, err := validityOf(claims)
	if err != nil {
		return nil, refuse(err)
	}
	if err := p.accepts(claims, valid, x.Start); err != nil {
		return nil, refuse(err)
	}
	out := &verified{token: strings.Clone(token), verifier: v.id, provider: index, set: set, validity: valid, subject: exchange.Subject{
		Kind: exchange.ByToken, ID: claims.String("sub"), Issuer: p.Issuer, Scopes: scopesOf(claims), Claims: claims,
	}}
	if !p.suffices(&out.subject) {
		return nil, &insufficient{p.insufficient}
	}
	for _, h := range v.headers {
		out.headers = append(out.headers, headerValue(claims, h.Claim))
	}
	return out, nil
}

// headerValue is a claim as a header has it; nil if none can. A comma in an item of a list would make two items of it.
func headerValue(c *exchange.Claims, claim string) *string {
	text, ok := c.AppendText(nil, claim)
	if v, _ := c.Lookup(claim); !ok || hasComma(v) {
		return nil
	}
	value := strings.TrimSpace(string(text))
	return &value
}

func hasComma(claim any) bool {
	items, _ := claim.([]any)
	return slices.ContainsFunc(items, func(item any) bool {
		text, _ := item.(string)
		return strings.Contains(text, ",")
	})
}

// serves reports whether what was found out about a token holds still.
func (v *verifier) serves(known *verified, now time.Time) bool {
	p, s := v.providers[known.provider], now.Unix()
	return known.set == p.keys.Keys() && p.isValid(known.validity, s)
}
