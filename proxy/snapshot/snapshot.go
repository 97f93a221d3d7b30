// Package snapshot describes what a gateway should serve: plain data, without behaviour and without
// knowledge of where it came from. A Snapshot is deterministic (equal wishes give equal bytes), hashed by
// content, and never modified once it is built, so any number of goroutines may read it.
package snapshot

import (
	"cmp"
	"slices"

	"github.com/penstock/penstock/proxy/radix"
)

// Snapshot is one complete wish. Its trees share what they have in common with those of the snapshot before.
type Snapshot struct {
	// Version is the digest of all below, in lower-case hex. Equal versions mean equal content.
	Version string `json:"version"`
	// Listeners are sorted by name.
	Listeners []*Listener `json:"listeners,omitempty"`
	// Routes stand in the order that breaks ties between equally specific matches: by age, namespace, name and rule index.
	// Rules that reject because a match of theirs could not be built come later, so that they take nothing away from an
	// equal match, and what is for requests that nothing else matches comes last. Keys mean nothing but that order.
	Routes *radix.Tree[Route] `json:"routes,omitempty"`
	// Clusters stand by name.
	Clusters *radix.Tree[Cluster] `json:"clusters,omitempty"`
	// TLS says, by host, how connections to it are secured.
	TLS *radix.Tree[TLSPolicy] `json:"tls,omitempty"`
	// Secrets stand by the text of their Ref.
	Secrets *radix.Tree[Secret] `json:"secrets,omitempty"`
}

// Protocol is what a listener or a cluster speaks.
type Protocol string

const (
	// HTTP is cleartext HTTP/1.1.
	HTTP Protocol = "HTTP"
	// HTTPS is HTTP/1.1 over TLS; the policy of a connection is that of the host that the client names in its hello.
	HTTPS Protocol = "HTTPS"
)

// Listener is a port that accepts requests. GatewayRoutes attach to the built-in ones.
type Listener struct {
	Name     string   `json:"name"`
	Port     uint16   `json:"port"`
	Protocol Protocol `json:"protocol"`
}

// The names of the built-in listeners.
const (
	ListenerHTTP  = "http"
	ListenerHTTPS = "https"
)

// Origin is the place in a user's objects that something came from. Conditions, logs and explain share it.
type Origin struct {
	Kind       string `json:"kind,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name,omitempty"`
	Generation int64  `json:"generation,omitempty"`
	// Field is the path of the field within the object, for example spec.rules[0].backends[1].
	Field string `json:"field,omitempty"`
}

// Route is one rule of one object.
type Route struct {
	// ID is "namespace/name/rule", where rule is the rule's name or its index; that of an Ingress' path is
	// "Ingress/namespace/name/rule/path". It is stable over changes, and used in metrics, logs, errors and as the key of
	// state that outlives a table.
	ID     string `json:"id"`
	Origin Origin `json:"origin"`
	// Listeners names the listeners that serve the route.
	Listeners []string `json:"listeners"`
	// Hosts are lower-case names, exact or starting with "*.", or "*" for any host. Empty: any host.
	Hosts []string `json:"hosts,omitempty"`
	// OneLabel says that the wildcards among Hosts stand for exactly one label, as those of an Ingress do, not for one or more.
	OneLabel bool `json:"oneLabel,omitempty"`
	// Matches are alternatives; one is enough. Never empty.
	Matches []Match `json:"matches"`
	// Filters of the rule, at most one of a name. The registry decides their order.
	Filters  []Filter  `json:"filters,omitempty"`
	Backends []Backend `json:"backends,omitempty"`
	Timeouts Timeouts  `json:"timeouts,omitzero"`
	// MaxRequestBody bounds the body of a request, in bytes of content; 0 means no limit.
	MaxRequestBody int64 `json:"maxRequestBody,omitempty"`
	// Reject, if not 0, is the status that every request of the route is answered with: the rule is invalid.
	Reject int `json:"reject,omitempty"`

	digest Digest
}

// Backend is one weighted choice of a route.
type Backend struct {
	Origin Origin `json:"origin"`
	// Cluster names the cluster; empty when Reject is set.
	Cluster string `json:"cluster,omitempty"`
	// Weight is the backend's share of the sum of all weights; 0 gets nothing.
	Weight  uint32   `json:"weight"`
	Filters []Filter `json:"filters,omitempty"`
	// Reject, if not 0, is the status that this backend's share is answered with.
	Reject int `json:"reject,omitempty"`
}

// Filter is the configuration of one filter. Config is the JSON of the API field that bears the filter's name.
type Filter struct {
	Name   string  `json:"name"`
	Config RawJSON `json:"config,omitempty"`
	// Clusters are where the filter sends requests of its own, in the order in which Config names the targets.
	Clusters []string `json:"clusters,omitempty"`
	Origin   Origin   `json:"origin"`
}

// Timeouts bound an exchange; 0 means no limit.
type Timeouts struct {
	// Request bounds the whole exchange, from the request's head to the last byte of the answer.
	Request Duration `json:"request,omitempty"`
	// Backend bounds one attempt at a backend, up to the head of its answer.
	Backend Duration `json:"backend,omitempty"`
	// Idle bounds the time in which neither direction moves a byte.
	Idle Duration `json:"idle,omitempty"`
}

// Balancer names how an endpoint is chosen.
type Balancer string

const (
	// LeastRequest takes the less loaded of two random endpoints.
	LeastRequest Balancer = "LeastRequest"
	// RoundRobin takes one endpoint after another.
	RoundRobin Balancer = "RoundRobin"
)

// Cluster is a set of equal endpoints. The endpoints themselves arrive on a path of their own, because
// they change far more often than routes do; see package live.
type Cluster struct {
	// Name is "namespace/service:port", or "host:port" of an external backend.
	Name   string `json:"name"`
	Origin Origin `json:"origin"`
	// Host and Port are set for an external backend only: an address, or a DNS name that the data plane resolves.
	Host     string   `json:"host,omitempty"`
	Port     uint16   `json:"port,omitempty"`
	Protocol Protocol `json:"protocol"`
	Balancer Balancer `json:"balancer"`
	// ConnectTimeout bounds the set-up of one connection.
	ConnectTimeout Duration `json:"connectTimeout"`

	digest Digest
}

// Endpoint is one address of a cluster.
type Endpoint struct {
	// Address is an IPv4 or IPv6 address in its textual form.
	Address string `json:"address"`
	Port    uint16 `json:"port"`
	// State tells whether new requests may go there.
	State EndpointState `json:"state,omitempty"`
}

// EndpointState orders endpoints by preference. The zero value is Ready.
type EndpointState string

const (
	// Ready endpoints take requests.
	Ready EndpointState = ""
	// Draining endpoints terminate but still serve: they take requests only when no endpoint is Ready.
	Draining EndpointState = "Draining"
)

// TLSPolicy says how connections to a host are secured.
type TLSPolicy struct {
	// Host is a lower-case name, exact or starting with "*."; empty for connections to hosts without a policy of their own, and
	// for clients that name none.
	Host   string `json:"host"`
	Origin Origin `json:"origin"`
	// Certificate and Key name the PEM of the certificate chain, leaf first, and of its private key. The snapshot's Secrets have the
	// values, unless the Secret is missing or broken: then the last good certificate of that host goes on to serve.
	Certificate Ref `json:"certificate"`
	Key         Ref `json:"key"`
	// MinVersion is the oldest version of TLS that is spoken.
	MinVersion TLSVersion `json:"minVersion"`

	digest Digest
}

// TLSVersion is a version of TLS.
type TLSVersion string

// The versions that a policy may ask for.
const (
	TLS12 TLSVersion = "1.2"
	TLS13 TLSVersion = "1.3"
)

// Secret is the value that a Ref names.
type Secret struct {
	Ref   Ref          `json:"ref"`
	Value PrivateBytes `json:"value"`

	digest Digest
}

// Compare orders matches by precedence: negative when m is tried before o. The order is that of Gateway API's
// HTTPRoute, with our additions: an Exact path, a RegularExpression (longer pattern first), then a PathPrefix
// (longer first); then a method match; then more header, more query and more cookie predicates. An inverted
// predicate and one with a regular expression count like any other. Zero means a tie, which age breaks.
func (m *Match) Compare(o *Match) int {
	return cmp.Or(
		cmp.Compare(m.Path.Type.rank(), o.Path.Type.rank()),
		cmp.Compare(len(o.Path.Value), len(m.Path.Value)),
		cmp.Compare(min(len(o.Methods), 1), min(len(m.Methods), 1)),
		cmp.Compare(len(o.Headers), len(m.Headers)),
		cmp.Compare(len(o.Query), len(m.Query)),
		cmp.Compare(len(o.Cookies), len(m.Cookies)),
	)
}

// Match is a conjunction: all of its parts must hold.
type Match struct {
	Path Path `json:"path"`
	// Methods are alternatives; empty: any method.
	Methods []string    `json:"methods,omitempty"`
	Headers []Predicate `json:"headers,omitempty"`
	Query   []Predicate `json:"query,omitempty"`
	Cookies []Predicate `json:"cookies,omitempty"`
}

// PathType says how a path is compared.
type PathType string

const (
	// Exact compares the whole path.
	Exact PathType = "Exact"
	// Prefix compares whole path elements: /a matches /a and /a/b, not /ab.
	Prefix PathType = "PathPrefix"
	// Regex matches the whole path against an RE2 expression.
	Regex PathType = "RegularExpression"
)

func (t PathType) rank() int { return slices.Index([]PathType{Exact, Regex, Prefix}, t) }

// Path is compared with the normalised path of a request. A Prefix has no trailing slash, except "/".
type Path struct {
	Type  PathType `json:"type"`
	Value string   `json:"value"`
}

// PredicateType says how a value is compared.
type PredicateType string

const (
	// ValueExact compares the whole value.
	ValueExact PredicateType = "Exact"
	// ValueRegex matches the whole value against an RE2 expression.
	ValueRegex PredicateType = "RegularExpression"
	// ValuePresent asks only that the name is there.
	ValuePresent PredicateType = "Present"
)

// Predicate tests one header (its name in lower case), query parameter or cookie.
type Predicate struct {
	Name  string        `json:"name"`
	Type  PredicateType `json:"type"`
	Value string        `json:"value,omitempty"`
	// Invert turns the outcome round; an absent name then matches.
	Invert bool `json:"invert,omitempty"`
}
