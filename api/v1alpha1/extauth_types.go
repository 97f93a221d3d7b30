package v1alpha1

import "k8s.io/apimachinery/pkg/util/intstr"

// ExtAuthFilter asks a service about each request: whether it may pass, and who it is from.
//
// +kubebuilder:validation:XValidation:rule="self.?disabled.orValue(false) != has(self.backend)",message="exactly one of disabled: true and backend must be set"
// +kubebuilder:validation:XValidation:rule="!self.?disabled.orValue(false) || (!has(self.protocol) && !has(self.http) && !has(self.timeout) && !has(self.failureMode) && !has(self.headers) && !has(self.body) && !has(self.tls))",message="nothing else must be set with disabled: true"
// +kubebuilder:validation:XValidation:rule="!has(self.http) || self.?protocol.orValue('HTTP') == 'HTTP'",message="http must not be set when protocol is GRPC"
type ExtAuthFilter struct {
	// disabled switches the route's extAuth off for this rule. Header fields that only the service may set (headers.toBackend) are
	// taken from its requests all the same.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// backend is the service that is asked. If it can't be resolved, the rules answer 500, and the condition ResolvedRefs says why.
	// +optional
	Backend *ServiceBackend `json:"backend,omitempty"`

	// protocol is what the service speaks: HTTP (2xx allows, 5xx is a failure, and any other answer goes to the client,
	// a redirect to a login page too), or GRPC (envoy.service.auth.v3.Authorization, Envoy's ext_authz). Omitted: HTTP.
	// +optional
	// +kubebuilder:validation:Enum=HTTP;GRPC
	Protocol string `json:"protocol,omitempty"`

	// http says what request a service gets that speaks HTTP. Omitted: GET /.
	// +optional
	HTTP *ExtAuthHTTP `json:"http,omitempty"`

	// tls has the service be asked over TLS. Omitted: without TLS. If its certificate is not the one that is asked for, the service
	// can't be reached.
	// +optional
	TLS *ExtAuthTLS `json:"tls,omitempty"`

	// timeout bounds the wait for the service's answer. Omitted: 1s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="timeout must be longer than 0s"
	Timeout *Duration `json:"timeout,omitempty"`

	// failureMode says what becomes of requests while the service can't be reached, takes too long or fails: they are refused with
	// 503 (Closed), or pass (Open). Omitted: Closed.
	// +optional
	// +kubebuilder:validation:Enum=Closed;Open
	FailureMode string `json:"failureMode,omitempty"`

	// headers are the header fields that are passed on.
	// +optional
	Headers *ExtAuthHeaders `json:"headers,omitempty"`

	// body sends the body of requests along. Omitted: it is not sent.
	// +optional
	Body *ExtAuthBody `json:"body,omitempty"`
}

// ServiceBackend is a port of a Service, or of a host outside the cluster.
//
// +kubebuilder:validation:XValidation:rule="has(self.service) != has(self.host)",message="exactly one of service and host must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.host) || type(self.port) == int",message="port must be a number with host: names are those of a Service's ports"
// +kubebuilder:validation:XValidation:rule="!has(self.__namespace__) || has(self.service)",message="namespace must not be set without service"
type ServiceBackend struct {
	// service is the name of a Service.
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
}

// ExtAuthHTTP says what request the service gets.
//
// +kubebuilder:validation:XValidation:rule="!has(self.path) || !has(self.pathPrefix)",message="path and pathPrefix must not both be set"
type ExtAuthHTTP struct {
	// path is that of every request to the service. X-Forwarded-Method and X-Forwarded-Uri have the client's. Omitted: /.
	// +optional
	Path Path `json:"path,omitempty"`

	// pathPrefix stands before path and query of the client's request, in place of path.
	// +optional
	PathPrefix Path `json:"pathPrefix,omitempty"`

	// method is that of every request to the service. Omitted: GET.
	// +optional
	// +kubebuilder:validation:Enum=GET;HEAD;POST
	Method string `json:"method,omitempty"`
}

// ExtAuthTLS says how the service proves that it is the one that is to be asked.
//
// +kubebuilder:validation:XValidation:rule="!has(self.caSecretName) || !has(self.caConfigMapName)",message="caSecretName and caConfigMapName must not both be set"
type ExtAuthTLS struct {
	// caSecretName names a Secret in the route's namespace whose key ca.crt has, in PEM, the roots that the service's certificate
	// leads to. Omitted, without caConfigMapName: those of the system.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	CASecretName string `json:"caSecretName,omitempty"`

	// caConfigMapName names a ConfigMap in the route's namespace that has the same.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	CAConfigMapName string `json:"caConfigMapName,omitempty"`

	// serverName is the name, or IP address, that the certificate is for. Omitted: backend.host, or service.namespace.svc of a Service.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="isIP(self) || self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$')",message="serverName must be a lower-case DNS name or an IP address"
	ServerName string `json:"serverName,omitempty"`
}

// ExtAuthHeaders are the header fields that pass between the request, the service and the answer.
type ExtAuthHeaders struct {
	// send are the fields of the request that the service gets, beyond those that tell it who asks (X-Forwarded-For, -Host and -Proto,
	// Forwarded, X-Trace-ID). Omitted: all but conditions and ranges.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Send []EditableHeaderName `json:"send,omitempty"`

	// toBackend are the fields of the service's answer that the backend gets. What clients themselves send in them is removed.
	// Omitted: none of a service that speaks HTTP, and all that one says that speaks GRPC; name them there too, so that clients can't set one when
	// the service does not.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	ToBackend []EditableHeaderName `json:"toBackend,omitempty"`

	// toClient are the fields of the service's answer that the client gets with the backend's answer, such as Set-Cookie.
	// Omitted: none of a service that speaks HTTP, and all that one says that speaks GRPC.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	ToClient []EditableHeaderName `json:"toClient,omitempty"`

	// subject is the field of the service's answer that names who the request is from, for the access log, authorization and limits.
	// +optional
	Subject EditableHeaderName `json:"subject,omitempty"`
}

// ExtAuthBody bounds the bodies that are sent along.
type ExtAuthBody struct {
	// maxBytes is the largest body, in bytes. Beyond it: 413. A request waits until its body has arrived.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=262144
	MaxBytes int32 `json:"maxBytes"`
}
