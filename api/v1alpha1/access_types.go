package v1alpha1

// OriginPattern is a web origin: http or https, a host, and a port where it is not the scheme's. A host that starts with "*."
// stands for every name with one or more labels in place of the asterisk.
//
// +kubebuilder:validation:MinLength=8
// +kubebuilder:validation:MaxLength=300
// +kubebuilder:validation:Pattern=`^https?://((\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`
// +kubebuilder:validation:XValidation:rule="!self.matches('^(http://.*:80|https://.*:443)$')",message="an origin must not have the scheme's default port: browsers leave it out"
type OriginPattern string

// Network is a CIDR, such as 192.0.2.0/24 or 2001:db8::/32, or a single address.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isIP(self) || isCIDR(self)",message="must be an IPv4 or IPv6 address or CIDR"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).masked() == cidr(self)",message="a CIDR must not have bits beyond its length"
type Network string

// TokenOrAny is a token, such as a method or the name of a header field, or "*".
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[-!#$%&'*+.^_|~0-9A-Za-z\x60]+$`
type TokenOrAny string

// CORSFilter lets pages of other origins read answers, and answers browsers that ask what they may do (preflights), with 204. What
// a backend says of other origins is replaced. A request of an origin that is not allowed is served, without the fields that would
// let its page read the answer.
//
// +kubebuilder:validation:XValidation:rule="self.?disabled.orValue(false) != has(self.allowOrigins)",message="exactly one of disabled: true and allowOrigins must be set"
// +kubebuilder:validation:XValidation:rule="!self.?disabled.orValue(false) || (!has(self.allowMethods) && !has(self.allowHeaders) && !has(self.exposeHeaders) && !has(self.allowCredentials) && !has(self.maxAge) && !has(self.allowPrivateNetwork))",message="nothing else must be set with disabled: true"
// +kubebuilder:validation:XValidation:rule="!self.?allowCredentials.orValue(false) || !has(self.allowOrigins) || !('*' in self.allowOrigins)",message="allowCredentials must not be set when allowOrigins is *: every site could act in the name of its visitors"
// +kubebuilder:validation:XValidation:rule="!self.?allowCredentials.orValue(false) || !has(self.exposeHeaders) || !('*' in self.exposeHeaders)",message="exposeHeaders must not be * with allowCredentials: browsers take it for a name then"
type CORSFilter struct {
	// disabled switches the route's cors off for this rule.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// allowOrigins are the origins whose pages may read answers: as browsers write them, such as https://shop.example.com or
	// http://localhost:3000; with "*." in front of the host for all names below it; or "*" alone for all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="!('*' in self) || size(self) == 1",message="* must stand alone"
	AllowOrigins []OriginPatternOrAny `json:"allowOrigins,omitempty"`

	// allowMethods are the methods that they may use, or "*" alone for all. Omitted: GET, HEAD and POST.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="!('*' in self) || size(self) == 1",message="* must stand alone"
	AllowMethods []TokenOrAny `json:"allowMethods,omitempty"`

	// allowHeaders are the header fields that they may send, beyond those that browsers send unasked, or "*" alone for all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="!('*' in self) || size(self) == 1",message="* must stand alone"
	AllowHeaders []TokenOrAny `json:"allowHeaders,omitempty"`

	// exposeHeaders are the header fields of answers that their scripts may read, beyond those that browsers show anyway, or "*" alone
	// for all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="!('*' in self) || size(self) == 1",message="* must stand alone"
	ExposeHeaders []TokenOrAny `json:"exposeHeaders,omitempty"`

	// allowCredentials lets them send cookies, and read answers to requests with cookies. Never with the origin "*".
	// +optional
	AllowCredentials bool `json:"allowCredentials,omitempty"`

	// maxAge is how long a browser may remember the answer to a preflight, in whole seconds. Omitted: as long as it likes, which is 5
	// seconds in most.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.endsWith('ms')",message="maxAge must be in whole seconds"
	MaxAge *Duration `json:"maxAge,omitempty"`

	// allowPrivateNetwork lets pages of public networks reach this one in a private network, where their browsers ask for it.
	// +optional
	AllowPrivateNetwork bool `json:"allowPrivateNetwork,omitempty"`
}

// OriginPatternOrAny is an OriginPattern, or "*".
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=300
// +kubebuilder:validation:Pattern=`^(\*|https?://((\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?)$`
// +kubebuilder:validation:XValidation:rule="!self.matches('^(http://.*:80|https://.*:443)$')",message="an origin must not have the scheme's default port: browsers leave it out"
type OriginPatternOrAny string

// IPAccessFilter serves clients of some networks and refuses those of others with 403. The client's address is the peer's, or what
// a trusted proxy says of it.
//
// +kubebuilder:validation:XValidation:rule="self.?disabled.orValue(false) != (has(self.allow) || has(self.deny))",message="exactly one of disabled: true and at least one of allow and deny must be set"
type IPAccessFilter struct {
	// disabled switches the route's ipAccess off for this rule.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// allow has the networks whose clients are served. Omitted: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1024
	Allow []Network `json:"allow,omitempty"`

	// deny has the networks whose clients are refused, whatever allow says. Omitted: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1024
	Deny []Network `json:"deny,omitempty"`
}

// CSRFFilter refuses with 403 what another site makes a browser send: a request with another method than GET, HEAD and OPTIONS, or for
// an upgrade, that by its Sec-Fetch-Site, or else Origin, or else Referer, comes from a page of another origin.
type CSRFFilter struct {
	// disabled switches the route's csrf off for this rule.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// trustedOrigins are other origins whose pages may send such requests.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	TrustedOrigins []OriginPattern `json:"trustedOrigins,omitempty"`
}

// SecurityHeadersFilter adds to every answer header fields that make browsers careful. Without any setting these are
// Strict-Transport-Security (over TLS), X-Content-Type-Options, X-Frame-Options and Referrer-Policy.
//
// +kubebuilder:validation:XValidation:rule="!has(self.frameAncestors) || !has(self.contentSecurityPolicy) || !self.contentSecurityPolicy.lowerAscii().contains('frame-ancestors')",message="frameAncestors must not be set when contentSecurityPolicy has the directive frame-ancestors"
type SecurityHeadersFilter struct {
	// disabled switches the route's securityHeaders off for this rule.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// strictTransportSecurity tells browsers to use TLS alone for this host. It is sent over TLS only. Omitted: for a year.
	// +optional
	StrictTransportSecurity *StrictTransportSecurity `json:"strictTransportSecurity,omitempty"`

	// contentTypeOptions keeps browsers from guessing media types: NoSniff, or Off. Omitted: NoSniff.
	// +optional
	// +kubebuilder:validation:Enum=NoSniff;Off
	ContentTypeOptions string `json:"contentTypeOptions,omitempty"`

	// frameOptions says who may show pages in a frame: nobody (Deny), pages of the same origin (SameOrigin), or whoever the backend says
	// (Off). Omitted: SameOrigin, or Off with frameAncestors.
	// +optional
	// +kubebuilder:validation:Enum=Deny;SameOrigin;Off
	FrameOptions string `json:"frameOptions,omitempty"`

	// frameAncestors says who may show pages in a frame, as sources of CSP's directive frame-ancestors, such as 'self', 'none' or
	// https://app.example.com. It is added to contentSecurityPolicy.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	FrameAncestors []FrameAncestor `json:"frameAncestors,omitempty"`

	// referrerPolicy says what browsers tell other sites about the page that led there. Omitted: strict-origin-when-cross-origin.
	// +optional
	// +kubebuilder:validation:Enum=no-referrer;no-referrer-when-downgrade;origin;origin-when-cross-origin;same-origin;strict-origin;strict-origin-when-cross-origin;unsafe-url;Off
	ReferrerPolicy string `json:"referrerPolicy,omitempty"`

	// permissionsPolicy is the value of Permissions-Policy, such as "camera=(), geolocation=(self)".
	// +optional
	PermissionsPolicy FieldValue `json:"permissionsPolicy,omitempty"`

	// contentSecurityPolicy is the value of Content-Security-Policy.
	// +optional
	ContentSecurityPolicy FieldValue `json:"contentSecurityPolicy,omitempty"`

	// contentSecurityPolicyReportOnly is the value of Content-Security-Policy-Report-Only: a policy to try.
	// +optional
	ContentSecurityPolicyReportOnly FieldValue `json:"contentSecurityPolicyReportOnly,omitempty"`

	// crossOriginOpenerPolicy is the value of Cross-Origin-Opener-Policy.
	// +optional
	// +kubebuilder:validation:Enum=same-origin;same-origin-allow-popups;noopener-allow-popups;unsafe-none
	CrossOriginOpenerPolicy string `json:"crossOriginOpenerPolicy,omitempty"`

	// crossOriginEmbedderPolicy is the value of Cross-Origin-Embedder-Policy.
	// +optional
	// +kubebuilder:validation:Enum=require-corp;credentialless;unsafe-none
	CrossOriginEmbedderPolicy string `json:"crossOriginEmbedderPolicy,omitempty"`

	// crossOriginResourcePolicy is the value of Cross-Origin-Resource-Policy.
	// +optional
	// +kubebuilder:validation:Enum=same-origin;same-site;cross-origin
	CrossOriginResourcePolicy string `json:"crossOriginResourcePolicy,omitempty"`

	// backendFields says what becomes of the same fields of a backend: they stay (Keep), or are replaced (Replace). Omitted: Keep.
	// +optional
	// +kubebuilder:validation:Enum=Keep;Replace
	BackendFields string `json:"backendFields,omitempty"`

	// hideServer removes Server, X-Powered-By, X-AspNet-Version and X-AspNetMvc-Version from answers.
	// +optional
	HideServer bool `json:"hideServer,omitempty"`
}

// FieldValue is the value of a header field: no control characters, and no white space at its ends.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=4096
// +kubebuilder:validation:Pattern=`^[^\x00-\x20\x7f]([^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?$`
type FieldValue string

// FrameAncestor is one source of the directive frame-ancestors.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=300
// +kubebuilder:validation:Pattern=`^[^\x00-\x20\x7f;,]+$`
type FrameAncestor string

// StrictTransportSecurity tells browsers to use TLS alone for a host (RFC 6797).
//
// +kubebuilder:validation:XValidation:rule="!self.?preload.orValue(false) || (self.?includeSubdomains.orValue(false) && (!has(self.maxAge) || duration(self.maxAge) >= duration('8760h')))",message="preload needs includeSubdomains: true and a maxAge of at least 8760h"
type StrictTransportSecurity struct {
	// disabled leaves the field to the backend.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// maxAge is how long a browser remembers it after the last answer, in whole seconds; "0s" makes it forget. Omitted: 365 days.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.endsWith('ms')",message="maxAge must be in whole seconds"
	MaxAge *Duration `json:"maxAge,omitempty"`

	// includeSubdomains makes it hold for all hosts below this one, whoever serves them.
	// +optional
	IncludeSubdomains bool `json:"includeSubdomains,omitempty"`

	// preload agrees to be put on the lists that browsers come with, from which it takes months to get off.
	// +optional
	Preload bool `json:"preload,omitempty"`
}

// AuthorizationFilter decides who may do what. A request that a rule with action Deny holds for is refused; so is one that no
// rule with action Allow holds for, if there is any. Refused is answered with 403. Identity filters tell who a request is from; without one it is anonymous.
//
// +kubebuilder:validation:XValidation:rule="self.?disabled.orValue(false) != has(self.rules)",message="exactly one of disabled: true and rules must be set"
type AuthorizationFilter struct {
	// disabled switches the route's authorization off for this rule.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// rules say what is allowed and denied. Their order means nothing.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Rules []AuthorizationRule `json:"rules,omitempty"`
}

// AuthorizationRule holds for a request if all of its conditions do.
//
// +kubebuilder:validation:XValidation:rule="has(self.methods) || has(self.clientCIDRs) || has(self.scopes) || has(self.claims) || has(self.expression)",message="at least one of methods, clientCIDRs, scopes, claims and expression must be set"
type AuthorizationRule struct {
	// name tells the rule from the others, in the access log. Omitted: it is known by its position.
	// +optional
	Name RuleName `json:"name,omitempty"`

	// action is what becomes of the requests that the rule holds for: Allow or Deny. Omitted: Allow.
	// +optional
	// +kubebuilder:validation:Enum=Allow;Deny
	Action string `json:"action,omitempty"`

	// methods are alternatives. GET does not include HEAD.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Methods []Token `json:"methods,omitempty"`

	// clientCIDRs are networks, one of which the client is in. A client whose address is not known is in those of Deny and not in those of Allow.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	ClientCIDRs []Network `json:"clientCIDRs,omitempty"`

	// scopes are what the token was issued for, all of them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Scopes []ClaimText `json:"scopes,omitempty"`

	// claims are conditions on the claims of the token, all of which hold.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Claims []ClaimCondition `json:"claims,omitempty"`

	// expression is one in CEL, the Common Expression Language, that is true or false. The variables are request.method, .scheme, .host,
	// .path, .headers and .query, client.address, subject.kind, .id, .issuer, .client and .scopes, and claims. One that fails, because a claim it
	// needs is missing, holds if the action is Deny, and does not if it is Allow. What it may cost is bounded.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Expression string `json:"expression,omitempty"`
}

// Token is a token of HTTP, such as a method.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[-!#$%&'*+.^_|~0-9A-Za-z\x60]+$`
type Token string

// ClaimText is the text of a claim or of a scope.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
type ClaimText string

// ClaimCondition is a condition on one claim. A claim that is missing, null or an object meets none.
//
// +kubebuilder:validation:XValidation:rule="[has(self.equals), has(self.contains), has(self.anyOf)].exists_one(is, is)",message="exactly one of equals, contains and anyOf must be set"
type ClaimCondition struct {
	// path is the claim's name. Dots lead into a claim: realm_access.roles. A claim whose name has the dots itself comes first.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Path string `json:"path"`

	// equals is the text of a claim that is no list: a string as it is, a number or boolean as in JSON.
	// +optional
	Equals *ClaimText `json:"equals,omitempty"`

	// contains is the text of an item of a claim that is a list.
	// +optional
	Contains *ClaimText `json:"contains,omitempty"`

	// anyOf are texts: the claim is one of them, or is a list with one of them as an item.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	AnyOf []ClaimText `json:"anyOf,omitempty"`
}
