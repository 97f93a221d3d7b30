package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RateLimitPolicy limits how many requests the routes that it targets take in a time.
//
// This version of Penstock validates the policy and does not enforce it; its condition Programmed says so.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=penstock,shortName=rlp
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name=Accepted,type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name=Ready,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name=Age,type=date,JSONPath=`.metadata.creationTimestamp`
type RateLimitPolicy struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is wanted: which limits, and what for.
	// +required
	Spec RateLimitPolicySpec `json:"spec"`

	// status is what Penstock says about the policy. Only Penstock writes it.
	// +optional
	Status RateLimitPolicyStatus `json:"status,omitzero"`
}

// RateLimitPolicyList is a list of RateLimitPolicies.
//
// +kubebuilder:object:root=true
type RateLimitPolicyList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard list's metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the RateLimitPolicies.
	Items []RateLimitPolicy `json:"items"`
}

// RateLimitPolicySpec is what a RateLimitPolicy wants.
type RateLimitPolicySpec struct {
	// targetRefs are the routes, or single rules of them, that the limits hold for. They share the limits' buckets.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b.kind == a.kind && b.name == a.name && has(b.sectionName) == has(a.sectionName) && (!has(a.sectionName) || b.sectionName == a.sectionName)))",message="targetRefs must not name a target twice"
	TargetRefs []TargetRef `json:"targetRefs"`

	// limits are the limits, all of which hold: a request beyond one of them is refused.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Limits []RateLimit `json:"limits"`
}

// TargetRef names what a policy holds for, in the policy's namespace.
type TargetRef struct {
	// group is the target's API group.
	// +required
	// +kubebuilder:validation:Enum=gateway.penstock.io
	Group string `json:"group"`

	// kind is the target's kind.
	// +required
	// +kubebuilder:validation:Enum=GatewayRoute
	Kind string `json:"kind"`

	// name is the target's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// sectionName is the name of a rule of the target. Omitted: every rule.
	// +optional
	SectionName RuleName `json:"sectionName,omitempty"`
}

// RateLimit is one limit of a policy.
type RateLimit struct {
	// name tells the limit from the others of the policy. It stands in metrics, logs and conditions.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// key says whose requests are counted together: those that agree in all of these. Omitted or empty: all requests.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Key []KeySource `json:"key,omitempty"`

	// requests is how many requests are allowed in each period, for each key.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Requests int32 `json:"requests"`

	// period is the time that requests counts for. It is longer than 0s and at most 24h.
	// +required
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('24h')",message="period must be longer than 0s and at most 24h"
	Period Duration `json:"period"`

	// burst is how many requests may come at once, for each key. Omitted: requests.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Burst int32 `json:"burst,omitempty"`
}

// KeySourceType says what a part of a key is taken from.
//
// +kubebuilder:validation:Enum=Header;ClientAddress
type KeySourceType string

// What a part of a key can be taken from.
const (
	// KeySourceHeader is the value of a header field.
	KeySourceHeader KeySourceType = "Header"
	// KeySourceClientAddress is the client's IP address.
	KeySourceClientAddress KeySourceType = "ClientAddress"
)

// KeySource is a part of a key.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'Header') == has(self.name)",message="name must be set when type is Header, and must not be set otherwise"
type KeySource struct {
	// type says what the part is taken from: Header, the value of the header field name; ClientAddress, the client's IP
	// address as told by the connection or by trusted proxies.
	// +required
	Type KeySourceType `json:"type"`

	// name is the header field's name. Case does not matter. Required when type is Header.
	// +optional
	Name HeaderName `json:"name,omitempty"`
}

// RateLimitPolicyStatus is what Penstock says about a RateLimitPolicy.
type RateLimitPolicyStatus struct {
	// conditions of the policy over all its targets: Accepted, Programmed, Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// targets says the same of each target, in the order of spec.targetRefs.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Targets []PolicyTargetStatus `json:"targets,omitempty"`

	// replicas says how many replicas of Penstock serve this generation, as of the last time that Ready was decided.
	// +optional
	Replicas *ReplicasStatus `json:"replicas,omitempty"`
}

// PolicyTargetStatus is what Penstock says about one target of a policy.
type PolicyTargetStatus struct {
	// targetRef is the target.
	// +required
	TargetRef TargetRef `json:"targetRef"`

	// conditions of the policy for this target: Accepted, Programmed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
