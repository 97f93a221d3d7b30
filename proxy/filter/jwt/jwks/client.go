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

// client fetches JWK Sets. It follows no redirects: whoever answers is whom the route names.
type client struct{ http http.Client }

// newClient returns a client that trusts the roots of the system, or those of a PEM.
func newClient(ca string) (*client, error) {
	roots, err := Roots([]byte(ca))
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: timeout, Control: refuseLinkLocal}
	return &client{http.Client{
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

// refuseLinkLocal keeps routes from asking what only the machine itself may, such as a cloud's metadata service.
func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := a.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("address %s is no server's", ip)
	}
	return nil
}

// get fetches a set, and says how long it may be used as the answer has it; 0 if it does not say. The errors are fit for conditions: they
// have nothing of the answer but its status.
func (c *client) get(ctx context.Context, url string) (*jws.Set, time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("User-Agent", "penstock")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("the answer has status %d, want 200", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxSet+1))
	if err != nil {
		return nil, 0, errors.New("the answer broke off")
	}
	if len(text) > maxSet {
		return nil, 0, fmt.Errorf("the answer is larger than %d bytes", maxSet)
	}
	set, err := jws.ParsePublicJWKS(text)
	if err != nil {
		return nil, 0, fmt.Errorf("the answer is no JWK Set: %w", err)
	}
	return set, maxAge(response.Header.Get("Cache-Control")), nil
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
