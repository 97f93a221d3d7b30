package jwks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/penstock/penstock/proxy/filter/jwt/jws"
)

const (
	// timeout bounds one fetch, from the look-up of the name to the last byte.
	timeout = 5 * time.Second
	// maxSet bounds the size of an answer, in bytes.
	maxSet = 1 << 20
)

// client fetches one JWK Set. It follows no redirects: whoever answers is whom the route names.
type client struct {
	url  string
	http http.Client
}

// newClient returns a client that asks no further than reach, and trusts the roots of the system, or those of a PEM.
func newClient(address, ca string, reach *Reach) (*client, error) {
	roots, err := Roots([]byte(ca))
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	// The address that is dialled is looked at, not one that the name had a moment before.
	control := func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return reach.permits(u.Hostname(), a.Addr())
	}
	dialer := &net.Dialer{Timeout: timeout, Control: control}
	return &client{address, http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:       dialer.DialContext,
			TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Roots reads certificates in PEM; nil for an empty text, which stands for the system's.
func Roots(ca []byte) (*x509.CertPool, error) {
	if len(ca) == 0 {
		return nil, nil //nolint:nilnil // what crypto/tls takes for the roots of the system
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate in PEM")
	}
	return roots, nil
}

// get fetches the set, and says how long it may be used as the answer has it; 0 if it does not say.
func (c *client) get(ctx context.Context) (set *jws.Set, age time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil { // what others publish must not end the process
			err = &failure{"the answer can't be read", fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("User-Agent", "penstock")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, 0, &failure{explain(err), err}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("the answer has status %d, want 200", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxSet+1))
	if err != nil {
		return nil, 0, &failure{"the answer broke off", err}
	}
	if len(text) > maxSet {
		return nil, 0, fmt.Errorf("the answer is larger than %d bytes", maxSet)
	}
	set, err = jws.ParsePublicJWKS(text)
	if err != nil {
		return nil, 0, fmt.Errorf("the answer is no JWK Set: %w", err)
	}
	return set, maxAge(response.Header.Get("Cache-Control")), nil
}

// failure is an error whose text is fit for a condition: it is the same each time that the same goes wrong, and tells those who may
// write a route no more of the network than that it does.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.cause }

// explain says in few words why there is no answer.
func explain(err error) string {
	var refused *unreachable
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.As(err, &refused):
		return refused.why
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no such host"
	case errors.As(err, &network) && network.Timeout():
		return fmt.Sprintf("there was no answer within %v", timeout)
	case errors.As(err, &dns):
		return "its host could not be looked up"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	}
	return explainCertificate(err)
}

func explainCertificate(err error) string {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return "its certificate is not valid for the host"
	case errors.As(err, &authority):
		return "its certificate is of no authority that is trusted"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or is not valid yet"
	case errors.As(err, &invalid):
		return "its certificate is not valid"
	}
	return "the connection failed"
}

// maxAge is the max-age of a Cache-Control field (RFC 9111 §5.2.2.1); 0 without one.
func maxAge(cacheControl string) time.Duration {
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
			return max(time.Duration(seconds)*time.Second, time.Nanosecond)
		}
	}
	return 0
}
