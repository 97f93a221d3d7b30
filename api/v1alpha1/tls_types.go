package v1alpha1

// TLS says how connections to the hostnames of a route are secured.
type TLS struct {
	// secretName names a Secret in the route's namespace that holds, under the keys tls.crt and tls.key, a certificate in
	// PEM, the host's own first and then those that lead to the issuer that clients know, and its private key: what
	// kubectl create secret tls and cert-manager make. The Secret may come later and may change at any time; no
	// connection is closed. One that is missing or can't be used is reported in the condition ResolvedRefs with reason
	// InvalidCertificateRef; the last good certificate goes on to serve, else the default one of the installation, and
	// where there is neither the handshake fails.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	SecretName string `json:"secretName,omitempty"`

	// minVersion is the oldest version of TLS that clients may use: "1.2" or "1.3", in quotes, since YAML takes the bare
	// value for a number. Omitted: "1.2".
	// +optional
	MinVersion TLSVersion `json:"minVersion,omitempty"`

	// redirectHTTP has the route's rules answer requests that came without TLS with 308 and the same URL with https. It
	// holds for this route's rules alone; other routes for the hostnames decide for theirs. Omitted: they are served.
	// +optional
	RedirectHTTP bool `json:"redirectHTTP,omitempty"`
}

// TLSVersion is a version of TLS.
//
// +kubebuilder:validation:Enum="1.2";"1.3"
type TLSVersion string

// Versions of TLS.
const (
	// TLSVersion12 is RFC 5246.
	TLSVersion12 TLSVersion = "1.2"
	// TLSVersion13 is RFC 8446.
	TLSVersion13 TLSVersion = "1.3"
)
