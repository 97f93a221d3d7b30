// Package field checks the names and values of header fields (RFC 9110 §5).
package field

import (
	"errors"
	"fmt"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
)

// token returns an error unless name is a token (RFC 9110 §5.6.2).
func token(name string) error {
	if name == "" {
		return errors.New("name: it is empty")
	}
	for i := range len(name) {
		if !IsToken(name[i]) {
			return fmt.Errorf("name: %q is no token", name)
		}
	}
	return nil
}

// Name checks that name can be that of a header field (RFC 9110 §5.1).
func Name(name string) error { return token(name) }

// Editable returns an error unless filters may change fields of that name: those of framing and of the connection are the
// engine's, and Host is for the rewrite filter.
func Editable(name string) error {
	if err := token(name); err != nil {
		return err
	}
	switch exchange.IDOf(name) {
	case exchange.Connection, exchange.ContentLength, exchange.Host, exchange.KeepAlive, exchange.ProxyConnection,
		exchange.TE, exchange.Trailer, exchange.TransferEncoding, exchange.Upgrade:
		return fmt.Errorf("name: %s is a field of framing or of the connection, or Host (see rewrite.hostname)", name)
	}
	return nil
}

// Value returns an error unless value may be a field's: no control characters but tab, no white space at its ends.
func Value(value string) error {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("value: %q contains a control character", value)
		}
	}
	if strings.Trim(value, " \t") != value {
		return fmt.Errorf("value: %q begins or ends with white space", value)
	}
	return nil
}

// IsName reports whether s is a token, as names of fields and methods are.
func IsName(s string) bool { return token(s) == nil }

// IsToken reports whether c may be part of a token.
func IsToken(c byte) bool { return tokens[c] }

var tokens = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

// Hostname returns an error unless name is a lower-case DNS name without wildcard (RFC 1123 §2.1), as in Gateway API's
// PreciseHostname.
func Hostname(name string) error {
	if len(name) > 253 {
		return fmt.Errorf("%q is longer than 253 characters", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return fmt.Errorf("%q is no lower-case host name", name)
		}
	}
	return nil
}

func isLabel(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for i := range len(l) {
		if c := l[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
