package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// GatewayRoute sends HTTP requests to backends, or answers them, by hostname, path, method, headers, query and cookies.
//
// Of all rules that match a request one serves it: first by hostname (exact, then the longest wildcard, then none), then
// by path (Exact, then RegularExpression, then PathPrefix, the longer value first), then one that names methods, then the
// one with more header, then query parameter, then cookie predicates, inverted ones and expressions counting like any
// other. Ties go to the older route, then to the first by namespace and name, then to the first rule.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=penstock,shortName=groute;gwr
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name=Hostnames,type=string,JSONPath=`.spec.hostnames`
// +kubebuilder:printcolumn:name=Accepted,type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name=Ready,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name=Age,type=date,JSONPath=`.metadata.creationTimestamp`
type GatewayRoute struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is wanted: which requests, and what becomes of them.
	// +required
	Spec GatewayRouteSpec `json:"spec"`

	// status is what Penstock says about the route. Only Penstock writes it.
	// +optional
	Status GatewayRouteStatus `json:"status,omitzero"`
}

// GatewayRouteList is a list of GatewayRoutes.
//
// +kubebuilder:object:root=true
type GatewayRouteList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard list's metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the GatewayRoutes.
	Items []GatewayRoute `json:"items"`
}

// GatewayRouteSpec is what a GatewayRoute wants.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || (has(self.hostnames) && size(self.hostnames) > 0)",message="hostnames must hold at least one hostname with tls: a certificate is chosen by the hostname"
type GatewayRouteSpec struct {
	// className names the Penstock installation that serves the route: the one started with this class. Others ignore
	// the route and write nothing to its status.
	// +optional
	// +kubebuilder:default=penstock
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	ClassName string `json:"className,omitempty"`

	// hostnames are the hosts that the route serves, compared with the request's authority without its port. A name
	// that starts with "*." stands for every name with one or more labels in place of the asterisk: "*.example.com"
	// matches a.example.com and a.b.example.com, and not example.com. Omitted or empty: every host.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Hostnames []Hostname `json:"hostnames,omitempty"`

	// tls secures connections to the hostnames. Routes for the same hostname share its settings: those that set tls have
	// to agree in secretName and minVersion, and all others, in whatever namespace, are served under them. Where they
	// disagree the older route decides, then the first by namespace and name, and the others are reported in the
	// condition Accepted with reason Conflicted and served under its settings. Every route is served with and without
	// TLS; see redirectHTTP.
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// filters hold for every rule of the route, but for those that have a filter of the same name, which takes the place of
	// the one here, or switches it off by disabled. One that can't be used makes the rules that it holds for answer 500.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.?apiKey.?disabled.orValue(false)",message="apiKey.disabled must not be set here: it switches the filter of the route off for a rule"
	// +kubebuilder:validation:XValidation:rule="!self.?jwt.?disabled.orValue(false)",message="jwt.disabled must not be set here: it switches the filter of the route off for a rule"
	// +kubebuilder:validation:XValidation:rule="!self.?basicAuth.?disabled.orValue(false)",message="basicAuth.disabled must not be set here: it switches the filter of the route off for a rule"
	// +kubebuilder:validation:XValidation:rule="!self.?cors.?disabled.orValue(false)",message="cors.disabled must not be set here: it switches the filter of the route off for a rule"
	// +kubebuilder:validation:XValidation:rule="!self.?ipAccess.?disabled.orValue(false)",message="ipAccess.disabled must not be set here: it switches the filter of the route off for a rule"
	// +kubebuilder:validation:XValidation:rule="!self.?csrf.?disabled.orValue(false)",message="csrf.disabled must not be set here: it switches the filter of the route off for a rule"
	// +kubebuilder:validation:XValidation:rule="!self.?securityHeaders.?disabled.orValue(false)",message="securityHeaders.disabled must not be set here: it switches the filter of the route off for a rule"
	// +kubebuilder:validation:XValidation:rule="!self.?authorization.?disabled.orValue(false)",message="authorization.disabled must not be set here: it switches the filter of the route off for a rule"
	// +kubebuilder:validation:XValidation:rule="!self.?extAuth.?disabled.orValue(false)",message="extAuth.disabled must not be set here: it switches the filter of the route off for a rule"
	Filters *RouteFilters `json:"filters,omitempty"`

	// rules say which requests go where. Their names, where given, are unique within the route.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(a, !has(a.name) || self.exists_one(b, has(b.name) && b.name == a.name))",message="name must be unique among the rules"
	Rules []Rule `json:"rules"`
}

// Hostname is a lower-case DNS name or IPv4 address, without port and trailing dot; its first label may be "*".
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`
type Hostname string

// PreciseHostname is a lower-case DNS name or IPv4 address, without port, trailing dot and wildcard.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`
type PreciseHostname string

// RuleName names a rule within its route: a DNS label that starts with a letter.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
type RuleName string

// Rule is a set of matches and what becomes of the requests that they match: backends that they are forwarded to, or a
// filter that answers them.
//
// +kubebuilder:validation:XValidation:rule="(has(self.filters) && (has(self.filters.redirect) || has(self.filters.directResponse))) || (has(self.backends) && size(self.backends) > 0)",message="backends must hold at least one backend, unless filters.redirect or filters.directResponse answers the request"
// +kubebuilder:validation:XValidation:rule="!(has(self.filters) && (has(self.filters.redirect) || has(self.filters.directResponse))) || !has(self.backends) || size(self.backends) == 0",message="backends must be empty with filters.redirect or filters.directResponse: the request is never forwarded"
// +kubebuilder:validation:XValidation:rule="!has(self.filters) || !has(self.filters.rewrite) || !has(self.filters.rewrite.path) || self.filters.rewrite.path.type != 'ReplacePrefixMatch' || !has(self.matches) || self.matches.all(m, !has(m.path) || m.path.type == 'PathPrefix')",message="filters.rewrite.path.type ReplacePrefixMatch needs every matches[].path to be of type PathPrefix"
// +kubebuilder:validation:XValidation:rule="!has(self.filters) || !has(self.filters.redirect) || !has(self.filters.redirect.path) || self.filters.redirect.path.type != 'ReplacePrefixMatch' || !has(self.matches) || self.matches.all(m, !has(m.path) || m.path.type == 'PathPrefix')",message="filters.redirect.path.type ReplacePrefixMatch needs every matches[].path to be of type PathPrefix"
type Rule struct {
	// name tells the rule from the others of the route. It stands in metrics, logs and conditions, and a policy's
	// sectionName refers to it. Omitted: the rule is known by its position, and no policy can refer to it alone.
	// +optional
	Name RuleName `json:"name,omitempty"`

	// matches say which requests the rule is for: those that at least one of them matches. Omitted or empty: every
	// request.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Matches []Match `json:"matches,omitempty"`

	// filters change the request or the response, or answer the request. Their order is Penstock's own and documented;
	// the order of the fields means nothing.
	// +optional
	Filters *Filters `json:"filters,omitempty"`

	// backends are where the requests go, each taking a share by its weight. At least one is required, unless
	// filters.redirect or filters.directResponse answers the request; with those there must be none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Backends []Backend `json:"backends,omitempty"`

	// timeouts bound how long a request may take. For each that is omitted the installation's default holds.
	// +optional
	Timeouts *Timeouts `json:"timeouts,omitempty"`

	// limits bound how large a request may be.
	// +optional
	Limits *Limits `json:"limits,omitempty"`
}

// Backend is where requests go: a Service, or a host outside the cluster.
//
// +kubebuilder:validation:XValidation:rule="has(self.service) != has(self.host)",message="exactly one of service and host must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.host) || type(self.port) == int",message="port must be a number with host: names are those of a Service's ports"
// +kubebuilder:validation:XValidation:rule="!has(self.__namespace__) || has(self.service)",message="namespace must not be set without service"
type Backend struct {
	// service is the name of a Service. One that does not exist, or has no such port, answers 500 for its share of the
	// requests and is reported in the condition ResolvedRefs.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Service string `json:"service,omitempty"`

	// namespace is the Service's namespace. Another than the route's own needs a ReferenceGrant there that permits
	// GatewayRoutes of this namespace to refer to Services. Omitted: the route's namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`

	// host is a DNS name or an IP address outside the cluster. Permitted in standalone mode, and in a cluster only
	// where the installation says so; refused otherwise in the condition ResolvedRefs.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="isIP(self) || self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$')",message="host must be a lower-case DNS name or an IP address, without port"
	Host string `json:"host,omitempty"`

	// port is the Service's port, by number or name, or the host's port, by number: from 1 to 65535, or a name of at
	// most 15 characters.
	// +required
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) != int || (self >= 1 && self <= 65535)",message="port must be from 1 to 65535"
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^([0-9][-0-9]*)?[a-z]([-a-z0-9]*[a-z0-9])?$`
	Port intstr.IntOrString `json:"port"`

	// weight is the backend's share of the rule's requests: weight / (sum of the weights of all backends of the rule).
	// 0: none. If all weights are 0, the rule answers 500.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Weight *int32 `json:"weight,omitempty"`

	// filters change the requests that go to this backend and its responses. They see what the rule's filters made of
	// the request, and the rule's filters see what they made of the response.
	// +optional
	Filters *BackendFilters `json:"filters,omitempty"`
}

// BackendFilters are the filters that a backend of its own may have.
type BackendFilters struct {
	// requestHeaders changes the header fields of the requests to this backend.
	// +optional
	RequestHeaders *HeaderFilter `json:"requestHeaders,omitempty"`

	// responseHeaders changes the header fields of this backend's responses.
	// +optional
	ResponseHeaders *HeaderFilter `json:"responseHeaders,omitempty"`
}

// Timeouts bound how long a request may take. "0s" means no limit.
//
// +kubebuilder:validation:XValidation:rule="!has(self.request) || !has(self.backend) || duration(self.request) == duration('0s') || duration(self.backend) <= duration(self.request)",message="backend must not be longer than request"
type Timeouts struct {
	// request bounds the whole exchange, from the request's head to the response's last byte, retries included. Beyond
	// it: 504, or an aborted response where its head was sent.
	// +optional
	Request *Duration `json:"request,omitempty"`

	// backend bounds one try at a backend, up to the head of its response. Beyond it: 504. It must not be longer than
	// request.
	// +optional
	Backend *Duration `json:"backend,omitempty"`

	// idle bounds how long neither direction may move a byte, in upgraded connections too. Beyond it: 504, or an aborted
	// response where its head was sent.
	// +optional
	Idle *Duration `json:"idle,omitempty"`
}

// Limits bound how large a request may be.
type Limits struct {
	// requestBody bounds the body of a request, as a quantity of bytes from 1 to 1Pi: "10Mi" is 10 * 1024 * 1024 bytes,
	// "10M" is 10 million. Beyond it: 413, before anything is forwarded where the request tells its length, else as soon
	// as the body passes the bound. Omitted: no limit.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="!isQuantity(string(self)) || (quantity(string(self)).compareTo(quantity('1')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0)",message="requestBody must be from 1 byte to 1Pi"
	RequestBody *resource.Quantity `json:"requestBody,omitempty"`
}

// GatewayRouteStatus is what Penstock says about a GatewayRoute.
type GatewayRouteStatus struct {
	// conditions of the route: Accepted, ResolvedRefs, Programmed, Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// policies are the policies that hold for the route or rules of it, the oldest first; of very many the first 64.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Policies []AttachedPolicy `json:"policies,omitempty"`

	// replicas says how many replicas of Penstock serve this generation. It is as of the last time that Ready was decided: it does
	// not follow replicas that come and go while nothing else changes.
	// +optional
	Replicas *ReplicasStatus `json:"replicas,omitempty"`

	// addresses are where the route can be reached: those of the Service that this installation of Penstock is told to be behind.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Addresses []Address `json:"addresses,omitempty"`
}

// ReplicasStatus counts replicas of Penstock.
type ReplicasStatus struct {
	// serving is how many replicas serve this generation.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Serving int32 `json:"serving"`

	// total is how many replicas get requests.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Total int32 `json:"total"`
}

// AddressType is the kind of an address.
//
// +kubebuilder:validation:Enum=IPAddress;Hostname
type AddressType string

// Kinds of addresses.
const (
	AddressIP       AddressType = "IPAddress"
	AddressHostname AddressType = "Hostname"
)

// Address is one where routes can be reached.
type Address struct {
	// type is IPAddress or Hostname.
	// +required
	Type AddressType `json:"type"`

	// value is the address: an IPv4 or IPv6 address, or a DNS name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Value string `json:"value"`
}
