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
	// client's API key, of 16 to 512 visible ASCII characters; white space at its ends is ignored. The names stand in access logs and are
	// what limits can count by. Give a client a second entry while its key changes. Where the Secret is missing, or one
	// entry can't be used, the rules that it holds for answer 500 and the condition ResolvedRefs says so.
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
