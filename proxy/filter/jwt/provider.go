package jwt

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/jwt/jwks"
	"github.com/penstock/penstock/proxy/filter/jwt/jws"
)

// keySource has the keys of a provider; other ones are another set.
type keySource interface {
	// Keys returns nil while there are none.
	Keys() *jws.Set
	// Refresh asks for newer ones; see jwks.Source.
	Refresh() <-chan struct{}
}

// fixed are keys that change with the configuration only.
type fixed struct{ set *jws.Set }

func (f fixed) Keys() *jws.Set           { return f.set }
func (f fixed) Refresh() <-chan struct{} { return nil }

// provider is a Provider at work.
type provider struct {
	*Provider
	keys keySource
	skew time.Duration
	// insufficient is the challenge to tokens that lack a scope.
	insufficient string
}

// read reads the keys, or the roots, from the value of a provider's Ref.
func (p *Provider) read(values filter.Values) (set *jws.Set, ca []byte, err error) {
	ref, ok := p.ref()
	if !ok {
		return nil, nil, nil
	}
	value, err := values(ref)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case p.Secret != nil:
		set, err = p.Secret.parse(value)
	case p.ConfigMap != nil:
		set, err = p.ConfigMap.parseOpen(value)
	default:
		ca = value
		_, err = jwks.Roots(value)
	}
	if err != nil {
		return nil, nil, &filter.Unusable{Ref: ref, Err: err}
	}
	return set, ca, nil
}

func (k *Keys) parse(value []byte) (*jws.Set, error) {
	switch k.Format {
	case PEM:
		return jws.ParsePEM(value)
	case SharedSecret:
		return jws.SharedSecret(value)
	}
	return jws.ParseJWKS(value)
}

// parseOpen parses what more people can read than a Secret.
func (k *Keys) parseOpen(value []byte) (*jws.Set, error) {
	set, err := k.parse(value)
	if err == nil && set.HasSecret() {
		return nil, errors.New("it has a symmetric key, with which whoever can read it makes tokens: put it into a Secret")
	}
	return set, err
}

// options say how the keys of a RemoteJWKS are fetched. The durations are valid.
func (p *Provider) options(ca []byte) jwks.Options {
	age, _ := duration(p.RemoteJWKS.MaxAge, defaultMaxAge)
	return jwks.Options{URL: p.RemoteJWKS.URL, MaxAge: age, CA: string(ca)}
}

func newProvider(p *Provider, store *jwks.Store, values filter.Values) (*provider, error) {
	set, ca, err := p.read(values)
	if err != nil {
		return nil, err
	}
	out := &provider{Provider: p, keys: fixed{set}, insufficient: `Bearer error="insufficient_scope"`}
	if len(p.RequiredScopes) > 0 {
		out.insufficient += `, scope="` + strings.Join(p.RequiredScopes, " ") + `"`
	}
	out.skew, _ = duration(p.ClockSkew, defaultSkew) // which is valid
	if p.RemoteJWKS != nil {
		out.keys, err = store.Get(p.options(ca))
	}
	return out, err
}

// verify reports with which keys the signature of a token is valid.
func (p *provider) verify(x *exchange.Exchange, t *jws.Token) (*jws.Set, error) {
	set := p.keys.Keys()
	if set == nil || !set.Has(t.KeyID) {
		if done := p.keys.Refresh(); done != nil {
			await(x, done)
			set = p.keys.Keys()
		}
	}
	if set == nil {
		return nil, errUnavailable
	}
	return set, t.Verify(set, p.Algorithms)
}

// validity is the time in which a token may be used, in seconds, without regard to clocks that differ.
type validity struct{ from, until int64 }

// validityOf reads exp, nbf and iat (RFC 7519 §4.1). A token without end is refused: nothing could ever withdraw it.
func validityOf(c *exchange.Claims) (v validity, err error) {
	until, ok, err := date(c, "exp")
	if err != nil || !ok {
		return v, errNoExpiry
	}
	v.until = until
	for _, name := range []string{"nbf", "iat"} {
		from, _, err := date(c, name)
		if err != nil {
			return v, errDate
		}
		v.from = max(v.from, from)
	}
	return v, nil
}

// maxDate is 31 December 9999.
const maxDate = 253402300799

func date(c *exchange.Claims, name string) (int64, bool, error) {
	switch v, there := c.Lookup(name); v := v.(type) {
	case int64:
		if v >= 0 && v <= maxDate {
			return v, true, nil
		}
	case float64:
		if v >= 0 && v <= maxDate {
			return int64(v), true, nil
		}
	default:
		if !there {
			return 0, false, nil
		}
	}
	return 0, false, errDate
}

// isValid reports whether a time, in seconds, is within a validity, if clocks may differ.
func (p *provider) isValid(v validity, now int64) bool {
	skew := int64(p.skew / time.Second)
	return now < v.until+skew && now >= v.from-skew
}

// accepts says what is wrong with the claims of a token at a time, apart from what it lacks.
func (p *provider) accepts(c *exchange.Claims, v validity, now time.Time) error {
	if s := now.Unix(); !p.isValid(v, s) {
		if s < v.until {
			return errNotYet
		}
		return errExpired
	}
	if len(p.Audiences) == 0 {
		return nil
	}
	aud, _ := c.Lookup("aud")
	if !hasAny(aud, p.Audiences) {
		return errAudience
	}
	return nil
}

// suffices reports whether a token has what the provider asks for.
func (p *provider) suffices(s *exchange.Subject) bool {
	for _, scope := range p.RequiredScopes {
		if !slices.Contains(s.Scopes, scope) {
			return false
		}
	}
	return !slices.ContainsFunc(p.RequiredClaims, func(r RequiredClaim) bool {
		v, there := s.Claims.Lookup(r.Name)
		return !there || len(r.Values) > 0 && !hasAny(v, r.Values)
	})
}

// hasAny reports whether a claim, or an item of it, is one of these texts.
func hasAny(claim any, texts []string) bool {
	if items, ok := claim.([]any); ok {
		return slices.ContainsFunc(items, func(item any) bool { return isAny(item, texts) })
	}
	return isAny(claim, texts)
}

func isAny(claim any, texts []string) bool {
	text, ok := exchange.AppendScalar(nil, claim)
	return ok && slices.Contains(texts, string(text))
}

// scopesOf reads scope (RFC 8693 §4.2), or scp as others write it.
func scopesOf(c *exchange.Claims) []string {
	claim, ok := c.Lookup("scope")
	if !ok {
		claim, _ = c.Lookup("scp")
	}
	switch claim := claim.(type) {
	case string:
		return strings.Fields(claim)
	case []any:
		var out []string
		for _, item := range claim {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
