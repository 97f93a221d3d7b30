package v1alpha1

// RouteFilters are filters that a route may have for all of its rules, each at most once. A field's name is the filter's name.
// A rule's filter takes the place of the route's filter of the same name as a whole: nothing of the two is merged. Each has a
// field disabled, with which a rule switches the route's off.
type RouteFilters struct {
	// apiKey lets requests with a known API key pass.
	// +optional
	APIKey *APIKeyFilter `json:"apiKey,omitempty"`

	// jwt lets requests with a JSON Web Token pass.
	// +optional
	JWT *JWTFilter `json:"jwt,omitempty"`

	// basicAuth lets requests with the name and password of a user pass.
	// +optional
	BasicAuth *BasicAuthFilter `json:"basicAuth,omitempty"`

	// cors lets pages of other origins read answers.
	// +optional
	CORS *CORSFilter `json:"cors,omitempty"`

	// ipAccess serves clients of some networks and refuses those of others.
	// +optional
	IPAccess *IPAccessFilter `json:"ipAccess,omitempty"`

	// csrf refuses what another site makes a browser send.
	// +optional
	CSRF *CSRFFilter `json:"csrf,omitempty"`

	// securityHeaders makes browsers careful with answers.
	// +optional
	SecurityHeaders *SecurityHeadersFilter `json:"securityHeaders,omitempty"`

	// authorization decides by rules who may do what.
	// +optional
	Authorization *AuthorizationFilter `json:"authorization,omitempty"`

	// extAuth asks a service whether requests may pass, and who they are from.
	// +optional
	ExtAuth *ExtAuthFilter `json:"extAuth,omitempty"`
}

// Filters are the filters of a rule, each at most once. A field's name is the filter's name.
//
// +kubebuilder:validation:XValidation:rule="!has(self.redirect) || !has(self.directResponse)",message="redirect and directResponse must not be set together: both answer the request"
// +kubebuilder:validation:XValidation:rule="!has(self.rewrite) || (!has(self.redirect) && !has(self.directResponse))",message="rewrite must not be set with redirect or directResponse: the request is never forwarded"
// +kubebuilder:validation:XValidation:rule="!has(self.requestHeaders) || (!has(self.redirect) && !has(self.directResponse))",message="requestHeaders must not be set with redirect or directResponse: the request is never forwarded"
type Filters struct {
	RouteFilters `json:",inline"`

	// requestHeaders changes the header fields of the request before it is forwarded.
	// +optional
	RequestHeaders *HeaderFilter `json:"requestHeaders,omitempty"`

	// responseHeaders changes the header fields of the response before it is sent to the client.
	// +optional
	ResponseHeaders *HeaderFilter `json:"responseHeaders,omitempty"`

	// rewrite changes the path or the host of the request before it is forwarded.
	// +optional
	Rewrite *RewriteFilter `json:"rewrite,omitempty"`

	// redirect answers the request with a redirection to another URL.
	// +optional
	Redirect *RedirectFilter `json:"redirect,omitempty"`

	// directResponse answers the request with a fixed response.
	// +optional
	DirectResponse *DirectResponseFilter `json:"directResponse,omitempty"`
}

// HeaderFilter changes header fields: it removes, then sets, then adds.
type HeaderFilter struct {
	// set gives each of these fields this value, in place of any it has.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.map(a, a.name.lowerAscii()).all(a, self.exists_one(b, b.name.lowerAscii() == a))",message="name must be unique within set, whatever its case"
	Set []Header `json:"set,omitempty"`

	// add adds these fields and leaves those of the same name as they are.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Add []Header `json:"add,omitempty"`

	// remove names the fields to remove.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Remove []EditableHeaderName `json:"remove,omitempty"`
}

// Header is a header field.
type Header struct {
	// name is the field's name. Case does not matter.
	// +required
	Name EditableHeaderName `json:"name"`

	// value is the field's value, taken as it is. It may be empty; it has no control characters and no white space at
	// its ends.
	// +required
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:Pattern=`^([^\x00-\x20\x7f]([^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?$`
	Value string `json:"value"`
}

// EditableHeaderName is the name of a header field that filters may change: any but those of framing and of the
// connection, which belong to Penstock, and Host, which is for rewrite.hostname.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[-!#$%&'*+.^_|~0-9A-Za-z\x60]+$`
// +kubebuilder:validation:XValidation:rule="!(self.lowerAscii() in ['connection', 'content-length', 'host', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'])",message="name must not be a field of framing or of the connection, nor Host (see rewrite.hostname)"
type EditableHeaderName string

// RewriteFilter changes the path or the host of a request before it is forwarded.
//
// +kubebuilder:validation:XValidation:rule="has(self.path) || has(self.hostname)",message="at least one of path and hostname must be set"
type RewriteFilter struct {
	// path changes the path. The query stays as it is.
	// +optional
	Path *PathModifier `json:"path,omitempty"`

	// hostname replaces the host that the backend sees in the request's authority. X-Forwarded-Host keeps the client's.
	// +optional
	Hostname PreciseHostname `json:"hostname,omitempty"`
}

// PathModifierType says what part of a path is replaced.
//
// +kubebuilder:validation:Enum=ReplacePrefixMatch;ReplaceFullPath
type PathModifierType string

// Parts of a path that can be replaced.
const (
	// PathModifierReplacePrefixMatch replaces the prefix that matched.
	PathModifierReplacePrefixMatch PathModifierType = "ReplacePrefixMatch"
	// PathModifierReplaceFullPath replaces the whole path.
	PathModifierReplaceFullPath PathModifierType = "ReplaceFullPath"
)

// PathModifier replaces a path or its prefix.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'ReplacePrefixMatch') == has(self.replacePrefixMatch)",message="replacePrefixMatch must be set when type is ReplacePrefixMatch, and must not be set otherwise"
// +kubebuilder:validation:XValidation:rule="(self.type == 'ReplaceFullPath') == has(self.replaceFullPath)",message="replaceFullPath must be set when type is ReplaceFullPath, and must not be set otherwise"
type PathModifier struct {
	// type says what is replaced: ReplacePrefixMatch the prefix that matched, which needs every match of the rule to
	// be by PathPrefix, or without a path, which is the prefix /; ReplaceFullPath the whole path.
	// +required
	Type PathModifierType `json:"type"`

	// replacePrefixMatch takes the place of the prefix that matched: with the prefix /users and the value /people,
	// /users/42 becomes /people/42. "/" removes the prefix: /users/42 becomes /42.
	// +optional
	ReplacePrefixMatch Path `json:"replacePrefixMatch,omitempty"`

	// replaceFullPath takes the place of the whole path.
	// +optional
	ReplaceFullPath Path `json:"replaceFullPath,omitempty"`
}

// Path is an absolute path as it is sent: it starts with /, has no query, and what RFC 3986 does not allow in a path is
// percent-encoded.
//
// +kubebuilder:validation:XValidation:rule="!self.matches('/[.]{1,2}([/;]|$)')",message="a path must not hold /./ or /../"
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:Pattern=`^/([-A-Za-z0-9._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$`
type Path string

// RedirectFilter answers a request with a redirection. What it does not set stays as in the request.
//
// +kubebuilder:validation:XValidation:rule="has(self.scheme) || has(self.hostname) || has(self.path) || has(self.port)",message="at least one of scheme, hostname, path and port must be set: the redirection would lead to itself"
type RedirectFilter struct {
	// scheme is the scheme of the Location: http or https. Omitted: the request's.
	// +optional
	// +kubebuilder:validation:Enum=http;https
	Scheme string `json:"scheme,omitempty"`

	// hostname is the host of the Location. Omitted: the request's.
	// +optional
	Hostname PreciseHostname `json:"hostname,omitempty"`

	// path changes the path of the Location. The query stays as it is. Omitted: the request's path.
	// +optional
	Path *PathModifier `json:"path,omitempty"`

	// port is the port of the Location. Omitted: the default port of scheme, where that is set; else the request's.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// statusCode is the status of the response.
	// +optional
	// +kubebuilder:default=302
	// +kubebuilder:validation:Enum=301;302;303;307;308
	StatusCode int32 `json:"statusCode,omitempty"`
}

// DirectResponseFilter answers a request with a fixed response.
//
// +kubebuilder:validation:XValidation:rule="!has(self.contentType) || has(self.body)",message="contentType must not be set without body"
// +kubebuilder:validation:XValidation:rule="!has(self.body) || !(self.statusCode in [204, 205, 304])",message="body must not be set when statusCode is 204, 205 or 304"
type DirectResponseFilter struct {
	// statusCode is the status of the response, from 200 to 599.
	// +required
	// +kubebuilder:validation:Minimum=200
	// +kubebuilder:validation:Maximum=599
	StatusCode int32 `json:"statusCode"`

	// body is the body of the response. Omitted: an empty one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	Body string `json:"body,omitempty"`

	// contentType is the media type of body. Omitted: "text/plain; charset=utf-8".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[-!#$%&'*+.^_|~0-9A-Za-z]+/[-!#$%&'*+.^_|~0-9A-Za-z]+([ \t]*;[\x20-\x7e\t]*)?$`
	ContentType string `json:"contentType,omitempty"`
}
