package extauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Config says who is asked about each request, and what is passed between them.
type Config struct {
	// Backend is the service that is asked.
	Backend *filter.Target `json:"backend,omitempty"`
	// Protocol is HTTP or GRPC; empty: HTTP.
	Protocol Protocol `json:"protocol,omitempty"`
	// HTTP is for Protocol HTTP alone.
	HTTP *HTTP `json:"http,omitempty"`
	// TLS has the service be asked over TLS; nil: without.
	TLS *TLS `json:"tls,omitempty"`
	// Timeout bounds the wait for the answer; nil: a second.
	Timeout *snapshot.Duration `json:"timeout,omitempty"`
	// FailureMode says what becomes of requests while there is no answer; empty: Closed.
	FailureMode FailureMode `json:"failureMode,omitempty"`
	Headers     *Headers    `json:"headers,omitempty"`
	// Body sends the request's body along; nil: none.
	Body *Body `json:"body,omitempty"`
	// Disabled asks nobody. What only the service may say is still taken from requests.
	Disabled bool `json:"disabled,omitempty"`
}

// Protocol is what the service speaks.
type Protocol string

// The protocols.
const (
	// ProtocolHTTP is a plain request: 2xx allows, 5xx is a failure, and any other answer is the client's.
	ProtocolHTTP Protocol = "HTTP"
	// ProtocolGRPC is Envoy's envoy.service.auth.v3.Authorization.
	ProtocolGRPC Protocol = "GRPC"
)

// HTTP says what request the service gets. At most one of Path and PathPrefix is set.
type HTTP struct {
	// Path is that of every request; empty, without PathPrefix: /.
	Path string `json:"path,omitempty"`
	// PathPrefix stands before the path and query of the client's request.
	PathPrefix string `json:"pathPrefix,omitempty"`
	// Method is that of every request; empty: GET.
	Method string `json:"method,omitempty"`
}

// FailureMode says what becomes of requests that the service says nothing about.
type FailureMode string

// The failure modes.
const (
	// Closed refuses them with 503.
	Closed FailureMode = "Closed"
	// Open lets them pass.
	Open FailureMode = "Open"
)

// Headers are the fields that pass.
type Headers struct {
	// Send are those of the request that the service gets; empty: all.
	Send []string `json:"send,omitempty"`
	// ToBackend are those of the service's answer that the backend gets. They are taken from what clients send.
	ToBackend []string `json:"toBackend,omitempty"`
	// ToClient are those of the service's answer that the client gets with that of the backend.
	ToClient []string `json:"toClient,omitempty"`
	// Subject is the field of the service's answer that names who the request is from; empty: it does not say.
	Subject string `json:"subject,omitempty"`
}

// Body bounds what is sent along.
type Body struct {
	// MaxBytes is the largest body; beyond it the request is refused with 413.
	MaxBytes int64 `json:"maxBytes"`
}

const (
	defaultTimeout = time.Second
	// mostBody bounds Body.MaxBytes: each request that waits for its answer holds one.
	mostBody = 256 << 10
)

// Validate checks what belongs together.
func (c *Config) Validate() error {
	switch {
	case c.Backend == nil && !c.Disabled:
		return errors.New("backend: it is not set")
	case !slices.Contains([]Protocol{"", ProtocolHTTP, ProtocolGRPC}, c.Protocol):
		return fmt.Errorf("protocol: %q is neither HTTP nor GRPC", c.Protocol)
	case c.HTTP != nil && c.Protocol == ProtocolGRPC:
		return errors.New("http: it must not be set with protocol GRPC")
	case !slices.Contains([]FailureMode{"", Closed, Open}, c.FailureMode):
		return fmt.Errorf("failureMode: %q is neither Closed nor Open", c.FailureMode)
	case c.Timeout != nil && *c.Timeout <= 0:
		return fmt.Errorf("timeout: %v is no time to answer in", time.Duration(*c.Timeout))
	case c.Body != nil && (c.Body.MaxBytes < 1 || c.Body.MaxBytes > mostBody):
		return fmt.Errorf("body.maxBytes: %d is not from 1 to %d", c.Body.MaxBytes, mostBody)
	}
	return errors.Join(c.HTTP.validate(), c.TLS.validate(), c.Headers.validate())
}

func (h *HTTP) validate() error {
	if h == nil {
		return nil
	}
	if h.Path != "" && h.PathPrefix != "" {
		return errors.New("http: path and pathPrefix must not both be set")
	}
	for _, p := range []struct{ name, value string }{{"path", h.Path}, {"pathPrefix", h.PathPrefix}} {
		if p.value != "" && (p.value[0] != '/' || strings.ContainsFunc(p.value, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '?' || r == '#' })) {
			return fmt.Errorf("http.%s: %q is no path", p.name, p.value)
		}
	}
	if h.Method != "" && h.Method != http.MethodGet && h.Method != http.MethodHead && h.Method != http.MethodPost {
		return fmt.Errorf("http.method: %q is not GET, HEAD or POST", h.Method)
	}
	return nil
}

func (h *Headers) validate() error {
	if h == nil {
		return nil
	}
	for _, list := range []struct {
		name  string
		names []string
	}{{"send", h.Send}, {"toBackend", h.ToBackend}, {"toClient", h.ToClient}} {
		for i, name := range list.names {
			if err := field.Editable(name); err != nil {
				return fmt.Errorf("headers.%s[%d]: %w", list.name, i, err)
			}
		}
	}
	if h.Subject != "" && !field.IsName(h.Subject) {
		return fmt.Errorf("headers.subject: %q is no token", h.Subject)
	}
	return nil
}
