package v1alpha1

// CredentialSource is a place in a request in which a credential is looked for.
//
// +kubebuilder:validation:XValidation:rule="[has(self.header), has(self.query), has(self.cookie)].exists_one(b, b)",message="exactly one of header, query and cookie must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.scheme) || has(self.header)",message="scheme must not be set without header"
type CredentialSource struct {
	// header is the name of a header field. Case does not matter.
	// +optional
	Header EditableHeaderName `json:"header,omitempty"`

	// scheme is what stands before the credential in the header, with a space between them, as "Bearer" does in
	// Authorization. Case does not matter; a value with another scheme is not taken for a credential. Omitted: the whole value
	// is the credential.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[-!#$%&'*+.^_|~0-9A-Za-z]+$`
	Scheme string `json:"scheme,omitempty"`

	// query is the name of a query parameter. Case matters. URLs stand in logs and histories: prefer a header.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[-._~0-9A-Za-z]+$`
	Query string `json:"query,omitempty"`

	// cookie is the name of a cookie. Case matters. Browsers send cookies unasked: see the filter csrf.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[-!#$%&'*+.^_|~0-9A-Za-z]+$`
	Cookie string `json:"cookie,omitempty"`
}

// APIKeyFilter lets requests pass that carry one of the API keys in a Secret.
//
// +kubebuilder:validation:XValidation:rule="self.?disabled.orValue(false) != has(self.secretName)",message="exactly one of disabled: true and secretName must be set"
// +kubebuilder:validation:XValidation:rule="!self.?disabled.orValue(false) || (!has(self.from) && !has(self.optional) && !has(self.forward) && !has(self.clientHeader))",message="nothing else must be set with disabled: true"
type APIKeyFilter struct {
	// disabled switches the route's apiKey off for this rule.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// secretName names a Secret in the route's namespace. Each of its keys is the name of a client and its value that
	// client's API key, of 16 to 512 visible ASCII characters, or several, one a line, while one takes the place of another; white space at
	// their ends is ignored. The names stand in access logs and are what limits can count by. Where the Secret is missing, or one entry
	// can't be used, the rules that it holds for answer 500 and the condition ResolvedRefs says so.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	SecretName string `json:"secretName,omitempty"`

	// from says where requests carry the key. One that has it in more than one place is refused with 400. Omitted: in the header X-API-Key.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	From []CredentialSource `json:"from,omitempty"`

	// optional lets requests without a key pass as anonymous ones. A wrong key is refused all the same. Omitted: they are
	// answered with 401.
	// +optional
	Optional bool `json:"optional,omitempty"`

	// forward leaves the key in the request. Omitted: the backend does not get it.
	// +optional
	Forward bool `json:"forward,omitempty"`

	// clientHeader is a header field that tells the backend the client's name. What clients themselves send in it is removed. Omitted: none
	// does.
	// +optional
	ClientHeader EditableHeaderName `json:"clientHeader,omitempty"`
}

// JWTFilter lets requests pass that carry a JSON Web Token of one of its providers (RFC 7519, RFC 6750).
//
// +kubebuilder:validation:XValidation:rule="self.?disabled.orValue(false) != has(self.providers)",message="exactly one of disabled: true and providers must be set"
// +kubebuilder:validation:XValidation:rule="!self.?disabled.orValue(false) || (!has(self.from) && !has(self.optional) && !has(self.forward) && !has(self.claimsToHeaders))",message="nothing else must be set with disabled: true"
type JWTFilter struct {
	// disabled switches the route's jwt off for this rule.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// providers are the issuers whose tokens are accepted; the claim iss of a token says which one it is of.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b.issuer == a.issuer))",message="issuer must be unique among the providers"
	Providers []JWTProvider `json:"providers,omitempty"`

	// from says where requests carry the token. One that has it in more than one place is refused with 400. Omitted: in the
	// header Authorization, with the scheme Bearer.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	From []CredentialSource `json:"from,omitempty"`

	// optional lets requests without a token pass as anonymous ones. A bad token is refused all the same. Omitted: they are
	// answered with 401.
	// +optional
	Optional bool `json:"optional,omitempty"`

	// forward leaves the token in the request. Omitted: the backend does not get it.
	// +optional
	Forward bool `json:"forward,omitempty"`

	// claimsToHeaders tell the backend claims in header fields. What clients themselves send in these is removed.
	// +optional
	// +listType=map
	// +listMapKey=header
	// +kubebuilder:validation:MaxItems=16
	ClaimsToHeaders []ClaimToHeader `json:"claimsToHeaders,omitempty"`
}

// JWTProvider issues tokens.
//
// +kubebuilder:validation:XValidation:rule="[has(self.remoteJWKS), has(self.secret), has(self.configMap)].exists_one(x, x)",message="exactly one of remoteJWKS, secret and configMap must be set"
type JWTProvider struct {
	// name tells the provider from the others of the filter.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// issuer is the claim iss of the provider's tokens, letter by letter.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Issuer string `json:"issuer"`

	// audiences are those of which the claim aud has to have one. Omitted: any is accepted, so that a token for another
	// service of the same issuer is good here.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	Audiences []string `json:"audiences,omitempty"`

	// requiredClaims are claims that a token has to have, all of them. Without one: 403.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	RequiredClaims []RequiredClaim `json:"requiredClaims,omitempty"`

	// requiredScopes have to be in the claim scope or scp, all of them. Without one: 403.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:Pattern=`^[\x21\x23-\x5b\x5d-\x7e]+$`
	RequiredScopes []string `json:"requiredScopes,omitempty"`

	// algorithms are those by which tokens may be signed. Omitted: those that fit the provider's keys. A key serves only
	// algorithms of its own type, whatever stands here.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=13
	Algorithms []JWTAlgorithm `json:"algorithms,omitempty"`

	// clockSkew is how far the provider's clock and ours may differ, at most 10 minutes. Omitted: 30 seconds.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('10m')",message="clockSkew must be at most 10m"
	ClockSkew *Duration `json:"clockSkew,omitempty"`

	// remoteJWKS is where the provider publishes its keys.
	// +optional
	RemoteJWKS *RemoteJWKS `json:"remoteJWKS,omitempty"`

	// secret has the provider's keys.
	// +optional
	Secret *JWTSecret `json:"secret,omitempty"`

	// configMap has the provider's keys, which are public ones.
	// +optional
	ConfigMap *JWTConfigMap `json:"configMap,omitempty"`
}

// JWTAlgorithm is a signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
//
// +kubebuilder:validation:Enum=HS256;HS384;HS512;RS256;RS384;RS512;PS256;PS384;PS512;ES256;ES384;ES512;EdDSA
type JWTAlgorithm string

// RequiredClaim is a claim that a token has to have.
type RequiredClaim struct {
	// name is that of the claim, such as "sub", or its path within others, such as "realm_access.roles".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// values are those of which the claim has to have one; of a list, one item. Numbers and booleans are compared by their
	// text. Omitted: any will do.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=1024
	Values []string `json:"values,omitempty"`
}

// RemoteJWKS is where a provider publishes its keys as a JWK Set (RFC 7517). They are fetched in the background, and at
// once, but not again and again, when a token names a key that is not among them. While they can't be fetched the last good ones count; before
// the first, tokens are answered with 503. The condition ResolvedRefs says why. They are fetched from public addresses; from others only
// where the installation permits it (--jwks-hosts).
type RemoteJWKS struct {
	// url is that of the set. With http, whoever is on the way to it can let in whom they like.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != '' && !self.contains('@') && !self.contains('#')",message="url must be a URL with http or https and a host, without user and fragment"
	URL string `json:"url"`

	// maxAge is how long fetched keys are used before they are fetched again, from 10 seconds to 24 hours, unless the answer's
	// Cache-Control has a shorter max-age. Omitted: 10 minutes.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="maxAge must be from 10s to 24h"
	MaxAge *Duration `json:"maxAge,omitempty"`

	// caSecretName names a Secret in the route's namespace whose key ca.crt has, in PEM, the roots that the server's certificate
	// leads to. Omitted: those of the system.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	CASecretName string `json:"caSecretName,omitempty"`
}

// KeyFormat is the form of keys.
//
// +kubebuilder:validation:Enum=JWKS;PEM;SharedSecret
type KeyFormat string

// Forms of keys.
const (
	// KeyFormatJWKS is a JWK Set or a single JWK (RFC 7517).
	KeyFormatJWKS KeyFormat = "JWKS"
	// KeyFormatPEM is public keys or certificates.
	KeyFormatPEM KeyFormat = "PEM"
	// KeyFormatSharedSecret is the bytes of a secret, for the HS algorithms.
	KeyFormatSharedSecret KeyFormat = "SharedSecret"
)

// JWTSecret is a value of a Secret that has the keys of a provider.
type JWTSecret struct {
	// name is that of a Secret in the route's namespace. Where it is missing or its value can't be used, the rules that the
	// filter holds for answer 500 and the condition ResolvedRefs says so.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// key is that of the value.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key"`

	// format is the form of the value: JWKS; PEM, of public keys and certificates; or SharedSecret, the bytes themselves, at
	// least 32, for the HS algorithms.
	// +required
	Format KeyFormat `json:"format"`
}

// JWTConfigMap is a value of a ConfigMap that has the keys of a provider. Whoever can read a ConfigMap could make tokens with a
// symmetric key in it: where there is one the value can't be used.
//
// +kubebuilder:validation:XValidation:rule="self.format != 'SharedSecret'",message="format must be JWKS or PEM in a configMap: a shared secret belongs into a Secret"
type JWTConfigMap struct {
	// name is that of a ConfigMap in the route's namespace. Where it is missing or its value can't be used, the rules that the
	// filter holds for answer 500 and the condition ResolvedRefs says so.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// key is that of the value.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key"`

	// format is the form of the value: JWKS; or PEM, of public keys and certificates.
	// +required
	Format KeyFormat `json:"format"`
}

// ClaimToHeader tells the backend a claim in a header field.
type ClaimToHeader struct {
	// claim is the name of a claim, such as "sub", or its path within others, such as "realm_access.roles". Items of a list are joined by
	// commas. A token without it, or where it is an object or a list with an item that has a comma, sets no header.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Claim string `json:"claim"`

	// header is the name of the field.
	// +required
	Header EditableHeaderName `json:"header"`
}

// BasicAuthFilter lets requests pass that carry the name and password of a user (RFC 7617).
//
// +kubebuilder:validation:XValidation:rule="self.?disabled.orValue(false) != has(self.secretName)",message="exactly one of disabled: true and secretName must be set"
// +kubebuilder:validation:XValidation:rule="!self.?disabled.orValue(false) || (!has(self.realm) && !has(self.optional) && !has(self.forward) && !has(self.userHeader))",message="nothing else must be set with disabled: true"
type BasicAuthFilter struct {
	// disabled switches the route's basicAuth off for this rule.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// secretName names a Secret in the route's namespace that has a password file under the key .htpasswd, as htpasswd -B makes it: a
	// user a line, name and hash with a colon between them. Hashes are of bcrypt ($2y$) or SHA-2 crypt ($5$, $6$); others are refused. Where
	// the Secret is missing or a line can't be used, the rules that it holds for answer 500 and the condition ResolvedRefs says so.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	SecretName string `json:"secretName,omitempty"`

	// realm is what browsers show to users. Omitted: "Restricted".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[ -!#-\[\]-~]+$`
	Realm string `json:"realm,omitempty"`

	// optional lets requests without a password pass as anonymous ones. A wrong one is refused all the same. Omitted: they
	// are answered with 401.
	// +optional
	Optional bool `json:"optional,omitempty"`

	// forward leaves the header Authorization in the request. Omitted: the backend does not get it.
	// +optional
	Forward bool `json:"forward,omitempty"`

	// userHeader is a header field that tells the backend the user's name. What clients themselves send in it is removed.
	// Omitted: none does.
	// +optional
	UserHeader EditableHeaderName `json:"userHeader,omitempty"`
}
