package credential

import (
	"errors"
	"net/http"

	"github.com/penstock/penstock/proxy/exchange"
)

// What is wrong with credentials. Clients learn no more than this; the causes are for the access log.
var (
	// ErrRequired refuses requests without a credential.
	ErrRequired = &exchange.Error{Status: http.StatusUnauthorized, Code: "auth.required", Source: exchange.FromClient}
	// ErrInvalid refuses requests with one that is not accepted.
	ErrInvalid = &exchange.Error{Status: http.StatusUnauthorized, Code: "auth.invalid", Source: exchange.FromClient}
	// ErrAmbiguous refuses requests with several.
	ErrAmbiguous = &exchange.Error{
		Status: http.StatusBadRequest, Code: "auth.ambiguous", Source: exchange.FromClient, Err: errors.New("a credential in more than one place"),
	}
)

// Challenge adds to the answer what would be accepted (RFC 9110 §11.6.1).
func Challenge(x *exchange.Exchange, challenge string) {
	x.FailureHead.Add("WWW-Authenticate", challenge)
}
