package v1alpha1

// Match is one way to match a request: all its members must hold. An empty match holds for every request.
type Match struct {
	// path matches the request's path: normalised, and without the query. Omitted: every path.
	// +optional
	Path *PathMatch `json:"path,omitempty"`

	// methods are the request methods that match. Omitted or empty: every method.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Methods []Method `json:"methods,omitempty"`

	// headers are predicates on header fields, all of which must hold. Of a field that comes several times it is enough
	// that one value fits; a value that is a list is compared as a whole.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Headers []HeaderMatch `json:"headers,omitempty"`

	// queryParams are predicates on parameters of the query, all of which must hold. Of a parameter that comes several
	// times the first is compared.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	QueryParams []QueryParamMatch `json:"queryParams,omitempty"`

	// cookies are predicates on cookies, all of which must hold. Of a cookie that comes several times the first is
	// compared.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Cookies []CookieMatch `json:"cookies,omitempty"`
}

// Method is an HTTP method in upper case, such as GET or M-SEARCH. Methods are case-sensitive (RFC 9110 §9.1).
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:Pattern=`^[A-Z][-A-Z0-9_]*$`
type Method string

// PathMatchType says how a path is compared.
//
// +kubebuilder:validation:Enum=Exact;PathPrefix;RegularExpression
type PathMatchType string

// Ways to compare a path.
const (
	// PathMatchExact matches the whole path, byte for byte.
	PathMatchExact PathMatchType = "Exact"
	// PathMatchPrefix matches whole leading path elements: /users matches /users and /users/42, not /users2.
	PathMatchPrefix PathMatchType = "PathPrefix"
	// PathMatchRegularExpression matches the whole path by an RE2 expression.
	PathMatchRegularExpression PathMatchType = "RegularExpression"
)

// PathMatch matches the path of a request, in the normal form that it is also forwarded in: without dot segments and
// empty ones, unreserved characters decoded, all other percent-encodings in upper case. A value of another form could
// never match, and is refused.
//
// +kubebuilder:validation:XValidation:rule="self.type == 'RegularExpression' || self.value.startsWith('/')",message="value must start with / when type is Exact or PathPrefix",fieldPath=".value"
// +kubebuilder:validation:XValidation:rule="self.type == 'RegularExpression' || !self.value.matches('//|/[.]{1,2}([/;]|$)')",message="value must not hold //, /./ or /../ when type is Exact or PathPrefix: paths are normalised before they are matched",fieldPath=".value"
// +kubebuilder:validation:XValidation:rule="self.type == 'RegularExpression' || self.value.matches('^([-A-Za-z0-9._~!$&()*+,;=:@/\\']|%[0-9A-F]{2})*$')",message="value must hold only characters that RFC 3986 allows in a path when type is Exact or PathPrefix, all others percent-encoded in upper case",fieldPath=".value"
// +kubebuilder:validation:XValidation:rule="self.type == 'RegularExpression' || !self.value.matches('%(2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)')",message="value must not hold percent-encoded letters, digits, -, ., _ or ~ when type is Exact or PathPrefix: paths are normalised before they are matched",fieldPath=".value"
// +kubebuilder:validation:XValidation:rule="self.type == 'RegularExpression' || !self.value.matches('%(2F|5C|[01][0-9A-F]|7F)')",message="value must not hold an encoded slash, backslash or control character when type is Exact or PathPrefix",fieldPath=".value"
// +kubebuilder:validation:XValidation:rule="self.type != 'RegularExpression' || '/'.matches(self.value) in [true, false]",message="value must be an RE2 regular expression when type is RegularExpression"
type PathMatch struct {
	// type says how value is compared: Exact with the whole path; PathPrefix by whole path elements, so that /users
	// matches /users and /users/42 and not /users2; RegularExpression with the whole path.
	// +optional
	// +kubebuilder:default=PathPrefix
	Type PathMatchType `json:"type,omitempty"`

	// value is the path, or an RE2 expression for it (https://github.com/google/re2/wiki/Syntax). Paths are
	// case-sensitive. A trailing slash of a PathPrefix means nothing.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Value string `json:"value"`
}

// ValueMatchType says how the value of a header field, query parameter or cookie is compared.
//
// +kubebuilder:validation:Enum=Exact;RegularExpression;Present
type ValueMatchType string

// Ways to compare a value.
const (
	// ValueMatchExact matches the whole value, byte for byte.
	ValueMatchExact ValueMatchType = "Exact"
	// ValueMatchRegularExpression matches the whole value by an RE2 expression.
	ValueMatchRegularExpression ValueMatchType = "RegularExpression"
	// ValueMatchPresent matches any value, the empty one too.
	ValueMatchPresent ValueMatchType = "Present"
)

// ValueMatch matches the value of a header field, query parameter or cookie.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'Present') != has(self.value)",message="value must be set when type is Exact or RegularExpression, and must not be set when type is Present"
// +kubebuilder:validation:XValidation:rule="self.type != 'RegularExpression' || !has(self.value) || '/'.matches(self.value) in [true, false]",message="value must be an RE2 regular expression when type is RegularExpression"
type ValueMatch struct {
	// type says how value is compared: Exact and RegularExpression with the whole value, Present not at all: it is
	// enough that there is one.
	// +optional
	// +kubebuilder:default=Exact
	Type ValueMatchType `json:"type,omitempty"`

	// value is what is compared, or an RE2 expression for it (https://github.com/google/re2/wiki/Syntax). Values are
	// case-sensitive, and those of the query percent-decoded. Required unless type is Present.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Value string `json:"value,omitempty"`

	// invert turns the predicate around: true matches where it otherwise would not, which includes requests that have
	// no such header field, parameter or cookie.
	// +optional
	Invert bool `json:"invert,omitempty"`
}

// HeaderMatch is a predicate on a header field.
type HeaderMatch struct {
	// name is the header field's name. Case does not matter.
	// +required
	Name HeaderName `json:"name"`

	ValueMatch `json:",inline"`
}

// QueryParamMatch is a predicate on a parameter of the query.
type QueryParamMatch struct {
	// name is the parameter's name after percent-decoding. It is case-sensitive.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`

	ValueMatch `json:",inline"`
}

// CookieMatch is a predicate on a cookie.
type CookieMatch struct {
	// name is the cookie's name. It is case-sensitive.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[-!#$%&'*+.^_|~0-9A-Za-z\x60]+$`
	Name string `json:"name"`

	ValueMatch `json:",inline"`
}

// HeaderName is the name of a header field (RFC 9110 §5.1). Case does not matter.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:Pattern=`^[-!#$%&'*+.^_|~0-9A-Za-z\x60]+$`
type HeaderName string
