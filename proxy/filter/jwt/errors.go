package jwt

import (
	"errors"
	"net/http"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/filter/jwt/jws"
)

// What is wrong with the claims of a token, besides what package jws says of its signature. Only the access log has it.
var (
	errClaims   = errors.New("token: the payload is no JSON object of claims, or one stands twice")
	errIssuer   = errors.New("token: iss is no provider's")
	errNoExpiry = errors.New("token: no exp")
	errDate     = errors.New("token: exp, nbf or iat is no date")
	errExpired  = errors.New("token: expired")
	errNotYet   = errors.New("token: not valid yet")
	errAudience = errors.New("token: aud has none of the provider's audiences")
)

// refusals are the answers to them: made once, since whoever guesses tokens must not make work.
var refusals = func() map[error]*exchange.Error {
	all := map[error]*exchange.Error{}
	for _, cause := range []error{
		jws.ErrMalformed, jws.ErrTooLong, jws.ErrHeader, jws.ErrAlgorithm, jws.ErrNoKey, jws.ErrSignature,
		errClaims, errIssuer, errNoExpiry, errDate, errExpired, errNotYet, errAudience,
	} {
		all[cause] = credential.ErrInvalid.With(cause)
	}
	all[errUnavailable] = errUnavailable
	return all
}()

var (
	// errUnavailable refuses tokens of a provider whose keys could not be fetched yet.
	errUnavailable = &exchange.Error{
		Status: http.StatusServiceUnavailable, Code: "auth.unavailable", Source: exchange.FromGateway, RetryAfter: time.Second,
		Err: errors.New("the provider's keys could not be fetched yet"),
	}
	// errInsufficient refuses good tokens that lack a claim or scope.
	errInsufficient = &exchange.Error{Status: http.StatusForbidden, Code: "auth.insufficient", Source: exchange.FromClient}
)

// refuse returns the answer to a token that something is wrong with.
func refuse(cause error) error {
	if known := refusals[cause]; known != nil {
		return known
	}
	return credential.ErrInvalid.With(cause)
}

// insufficient is errInsufficient with the challenge that tells what a token needs.
type insufficient struct{ challenge string }

func (*insufficient) Error() string { return errInsufficient.Error() }

func (*insufficient) Unwrap() error { return errInsufficient }

// challenge adds what would be accepted (RFC 6750 §3).
func challenge(x *exchange.Exchange, err error) {
	text := `Bearer error="invalid_token"`
	lacks, ok := errors.AsType[*insufficient](err)
	switch {
	case ok:
		text = lacks.challenge
	case errors.Is(err, credential.ErrRequired):
		text = "Bearer"
	case errors.Is(err, credential.ErrAmbiguous):
		text = `Bearer error="invalid_request"`
	}
	credential.Challenge(x, text)
}
