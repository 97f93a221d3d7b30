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
	// ReasonInvalidRule comes with False: a rule cannot be built, such as one with a regular expression beyond the
	// size bound, or one whose weights are all 0. That rule answers 500, the others serve. The message names the rule
	// and the field.
	ReasonInvalidRule = "InvalidRule"
	// ReasonUnsupportedValue comes with False: a field holds a value that the schema allows and this version of
	// Penstock does not know, as happens when the CRDs are newer than the binary. The message names the field.
	ReasonUnsupportedValue = "UnsupportedValue"
	// ReasonTargetNotFound comes with False, on a policy: the route or the rule that a targetRef names does not exist.
	ReasonTargetNotFound = "TargetNotFound"
	// ReasonConflicted comes with False, on a policy: an older policy holds for the same target and the two cannot
	// hold together. The message names it.
	ReasonConflicted = "Conflicted"
)

// Reasons for ResolvedRefs. With any but the first, the backends that could not be resolved answer 500 for their
// share of the requests.
const (
	// ReasonResolvedRefs comes with True: every reference is resolved.
	ReasonResolvedRefs = "ResolvedRefs"
	// ReasonBackendNotFound comes with False: the Service a backend names does not exist.
	ReasonBackendNotFound = "BackendNotFound"
	// ReasonPortNotFound comes with False: the Service a backend names has no such TCP port.
	ReasonPortNotFound = "PortNotFound"
	// ReasonRefNotPermitted comes with False: a backend is in another namespace and no ReferenceGrant there permits it.
	ReasonRefNotPermitted = "RefNotPermitted"
	// ReasonExternalNameNotPermitted comes with False: the Service a backend names is of type ExternalName, and this
	// installation does not permit those.
	ReasonExternalNameNotPermitted = "ExternalNameNotPermitted"
	// ReasonExternalBackendNotPermitted comes with False: a backend names a host, and this installation does not
	// permit those.
	ReasonExternalBackendNotPermitted = "ExternalBackendNotPermitted"
)

// Reasons for Programmed.
const (
	// ReasonProgrammed comes with True: the replica that writes status serves this generation.
	ReasonProgrammed = "Programmed"
	// ReasonNotProgrammed comes with False: nothing of this generation is served, or what is served of it answers 500.
	// The message says why.
	ReasonNotProgrammed = "NotProgrammed"
	// ReasonNotEnforced comes with False, on a policy: this version of Penstock validates the policy and does not
	// enforce it.
	ReasonNotEnforced = "NotEnforced"
)

// Reason for Ready.
const (
	// ReasonNotReported comes with Unknown: the replicas have not reported what they serve.
	ReasonNotReported = "NotReported"
)
