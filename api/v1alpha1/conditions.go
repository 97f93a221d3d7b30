package v1alpha1

// Condition types. Each carries the generation it was computed for in observedGeneration.
const (
	// ConditionAccepted says whether the object is valid and takes part in routing.
	ConditionAccepted = "Accepted"
	// ConditionResolvedRefs says whether everything the object refers to exists, may be referred to and is usable.
	ConditionResolvedRefs = "ResolvedRefs"
	// ConditionProgrammed says whether the replica that writes status serves this generation of the object.
	ConditionProgrammed = "Programmed"
	// ConditionReady says whether every ready replica serves this generation of the object.
	ConditionReady = "Ready"
)

// Reason for any condition.
const (
	// ReasonPending comes with Unknown: the condition has not been computed for this generation yet.
	ReasonPending = "Pending"
)

// Reasons for Accepted.
const (
	// ReasonAccepted comes with True: the object is valid and takes part in routing.
	ReasonAccepted = "Accepted"
	// ReasonPartiallyShadowed comes with True: some matches of the route never see a request, because a route of
	// higher precedence has the same hostname and match. The message names the matches and the routes that win them.
	ReasonPartiallyShadowed = "PartiallyShadowed"
	// ReasonShadowed comes with False: no match of the route ever sees a request, because routes of higher precedence
	// have the same hostnames and matches. The message names them.
	ReasonShadowed = "Shadowed"
	// ReasonHostNotPermitted comes with False: this installation does not permit the route's namespace to claim one of its
	// hostnames, or all hosts, as a route without hostnames does. The route is not served there and takes nothing from
	// others; on its other hostnames it is served. The message names the hostnames that are refused.
	ReasonHostNotPermitted = "HostNotPermitted"
	// ReasonInvalidRule comes with False: a rule cannot be built, such as one with a regular expression beyond the
	// size bound, or one whose weights are all 0. That rule answers 500, the others serve. The message names the rule
	// and the field.
	ReasonInvalidRule = "InvalidRule"
	// ReasonUnsupportedValue comes with False: a field holds a value that the schema allows and this version of
	// Penstock does not know, as happens when the CRDs are newer than the binary. The message names the field.
	ReasonUnsupportedValue = "UnsupportedValue"
	// ReasonTargetNotFound comes with False, on a policy: the route that a targetRef names does not exist.
	ReasonTargetNotFound = "TargetNotFound"
	// ReasonSectionNotFound comes with False, on a policy: the route that a targetRef names has no rule of the name in
	// sectionName.
	ReasonSectionNotFound = "SectionNotFound"
	// ReasonInvalidPolicy comes with False: a limit of a policy cannot be built, such as one with a regular expression
	// beyond the size bound, or one of a kind that this version of Penstock does not know. Every rule that the policy
	// holds for answers 500, since to serve it without the limit is not what was asked for. The message of the policy
	// names the field, that of a route the rule and the policy.
	ReasonInvalidPolicy = "InvalidPolicy"
	// ReasonConflicted comes with False: an older route claims the same hostname, and its spec.tls asks for another Secret
	// or version. The message names it. Connections to that hostname are secured as the other asks, and all rules of this
	// route go on to serve, so that an edit of one route takes no other down.
	ReasonConflicted = "Conflicted"
)

// Reasons for ResolvedRefs. A backend that could not be resolved answers 500 for its share of the requests, and a rule
// with a filter whose Secret could not be resolved for all of its own.
const (
	// ReasonResolvedRefs comes with True: every reference is resolved.
	ReasonResolvedRefs = "ResolvedRefs"
	// ReasonBackendNotFound comes with False: the Service a backend names does not exist.
	ReasonBackendNotFound = "BackendNotFound"
	// ReasonPortNotFound comes with False: the Service a backend names has no such TCP port.
	ReasonPortNotFound = "PortNotFound"
	// ReasonRefNotPermitted comes with False: a backend is in another namespace, and no ReferenceGrant there permits it or
	// this installation does not watch that namespace; or a filter names a Secret of another namespace, which nothing
	// permits.
	ReasonRefNotPermitted = "RefNotPermitted"
	// ReasonExternalNameNotPermitted comes with False: the Service a backend names is of type ExternalName, and this
	// installation does not permit those.
	ReasonExternalNameNotPermitted = "ExternalNameNotPermitted"
	// ReasonExternalBackendNotPermitted comes with False: a backend names a host, and this installation does not
	// permit those.
	ReasonExternalBackendNotPermitted = "ExternalBackendNotPermitted"
	// ReasonInvalidCertificateRef comes with False: the Secret that spec.tls names does not exist, can't be read by this
	// installation, or holds no usable certificate with its key. The message says which. The rules serve; connections to
	// the hostnames go on with the last good certificate, else with the installation's default one, and fail where there
	// is neither.
	ReasonInvalidCertificateRef = "InvalidCertificateRef"
	// ReasonCertificateNameMismatch comes with True: the certificate is served and is not valid for one of the hostnames,
	// so that clients which check it, as browsers do, refuse the connection. The message names the hostname.
	ReasonCertificateNameMismatch = "CertificateNameMismatch"
	// ReasonSecretNotFound comes with False: a Secret that a filter names does not exist, lacks the key, or can't be read
	// by this installation. The message says which.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonInvalidSecret comes with False: a Secret that a filter names holds something that the filter can't use. The message
	// names the Secret and its key. What it held before does not go on to count.
	ReasonInvalidSecret = "InvalidSecret"
	// ReasonConfigMapNotFound comes with False: a ConfigMap that a filter names does not exist, lacks the key, or can't be
	// read by this installation. The message says which.
	ReasonConfigMapNotFound = "ConfigMapNotFound"
	// ReasonInvalidConfigMap comes with False: a ConfigMap that a filter names holds something that the filter can't use, such
	// as a symmetric key. The message names the ConfigMap and its key. What it held before does not go on to count.
	ReasonInvalidConfigMap = "InvalidConfigMap"
	// ReasonKeysNotFetched comes with False: the replica that writes status can't fetch the keys of a token issuer. The message
	// names the provider, the URL and why. The rules serve: the last good keys go on to count, and where there are none yet
	// tokens are answered with 503. It comes once fetching has failed for some seconds, and goes when it succeeds.
	ReasonKeysNotFetched = "KeysNotFetched"
)

// Reasons for Programmed.
const (
	// ReasonProgrammed comes with True: the replica that writes status serves this generation.
	ReasonProgrammed = "Programmed"
	// ReasonNotProgrammed comes with False: nothing of this generation is served, or what is served of it answers 500.
	// The message says why.
	ReasonNotProgrammed = "NotProgrammed"
)

// Reasons for Ready.
const (
	// ReasonServing comes with True: every ready replica serves this generation.
	ReasonServing = "Serving"
	// ReasonReplicasLag comes with False: some replicas do not serve this generation yet. The message names them and says
	// since when.
	ReasonReplicasLag = "ReplicasLag"
	// ReasonNotReported comes with Unknown: no replica has reported what it serves.
	ReasonNotReported = "NotReported"
)
