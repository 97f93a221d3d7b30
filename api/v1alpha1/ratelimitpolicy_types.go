package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RateLimitPolicy limits how many requests the routes that it targets take in a time.
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
	// targetRefs are the routes, or single rules of them, that the limits hold for. They share the limits' buckets. Several
	// policies may target the same route: all of them hold.
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

	// report says which answers tell the client of the limits, in the fields RateLimit-Policy and RateLimit
	// (draft-ietf-httpapi-ratelimit-headers): Refused, those to refused requests; Always, those of backends too; Never.
	// Retry-After is sent with every refusal. Omitted: Refused.
	// +optional
	Report RateLimitReport `json:"report,omitempty"`

	// legacyHeaders adds the fields X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset (in seconds) of the
	// strictest limit to the answers that report names.
	// +optional
	LegacyHeaders bool `json:"legacyHeaders,omitempty"`
}

// RateLimitReport says which answers tell the client of the limits.
//
// +kubebuilder:validation:Enum=Refused;Always;Never
type RateLimitReport string

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
//
// +kubebuilder:validation:XValidation:rule="(has(self.algorithm) && self.algorithm == 'Concurrency') != has(self.period)",message="period must be set, and must not be set when algorithm is Concurrency"
// +kubebuilder:validation:XValidation:rule="!has(self.burst) || !has(self.algorithm) || self.algorithm == 'TokenBucket'",message="burst must not be set unless algorithm is TokenBucket"
// +kubebuilder:validation:XValidation:rule="!has(self.algorithm) || self.algorithm != 'Concurrency' || !has(self.scope) || self.scope == 'Replica'",message="scope must be Replica when algorithm is Concurrency"
// +kubebuilder:validation:XValidation:rule="!has(self.algorithm) || self.algorithm != 'Concurrency' || !has(self.cost)",message="cost must not be set when algorithm is Concurrency"
// +kubebuilder:validation:XValidation:rule="!has(self.failureMode) || (has(self.scope) && self.scope == 'Cluster')",message="failureMode must not be set unless scope is Cluster"
// +kubebuilder:validation:XValidation:rule="!has(self.onMissingKey) || (has(self.key) && size(self.key) > 0)",message="onMissingKey must not be set without key"
type RateLimit struct {
	// name tells the limit from the others of the policy. It stands in metrics, logs and conditions.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// algorithm says how requests are counted: TokenBucket, at most burst and requests/period*t in every time t;
	// SlidingWindow, at most requests in every period, wherever it begins; Concurrency, at most requests in flight at a
	// time. Omitted: TokenBucket.
	// +optional
	Algorithm RateLimitAlgorithm `json:"algorithm,omitempty"`

	// key says whose requests are counted together: those that agree in all of these. Omitted or empty: all requests.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Key []KeySource `json:"key,omitempty"`

	// onMissingKey says what becomes of requests that lack a part of the key: Shared, they are counted together; NoLimit,
	// they are not counted; Refuse, they are answered with 400. Omitted: Shared.
	// +optional
	OnMissingKey MissingKey `json:"onMissingKey,omitempty"`

	// match says which requests count. Omitted: all.
	// +optional
	Match *Match `json:"match,omitempty"`

	// requests is how many requests are allowed in each period, for each key; for Concurrency, how many may be in flight.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Requests int32 `json:"requests"`

	// period is the time that requests counts for. It is longer than 0s and at most 24h. Required unless algorithm is
	// Concurrency.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('24h')",message="period must be longer than 0s and at most 24h"
	Period *Duration `json:"period,omitempty"`

	// burst is how many requests may come at once, for each key of a TokenBucket. Omitted: requests.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Burst int32 `json:"burst,omitempty"`

	// cost is how much of the allowance a request takes. Omitted: 1.
	// +optional
	Cost *RateLimitCost `json:"cost,omitempty"`

	// scope says who counts together: Replica, each replica of Penstock by itself; Cluster, all of them. Omitted: Replica.
	// +optional
	Scope RateLimitScope `json:"scope,omitempty"`

	// failureMode says what happens while replicas can't count together: LocalShare, each allows its part of the limit;
	// Open, all requests pass; Closed, all that count are answered with 503. Omitted: LocalShare.
	// +optional
	FailureMode RateLimitFailureMode `json:"failureMode,omitempty"`

	// mode says what becomes of requests beyond the limit: Enforce, they are answered with 429; Shadow, they pass and are
	// counted in the metrics. Omitted: Enforce.
	// +optional
	Mode RateLimitMode `json:"mode,omitempty"`
}

// RateLimitAlgorithm says how requests are counted.
//
// +kubebuilder:validation:Enum=TokenBucket;SlidingWindow;Concurrency
type RateLimitAlgorithm string

// Ways to count.
const (
	// AlgorithmTokenBucket allows at most burst and requests/period*t in every time t.
	AlgorithmTokenBucket RateLimitAlgorithm = "TokenBucket"
	// AlgorithmSlidingWindow allows at most requests in every period.
	AlgorithmSlidingWindow RateLimitAlgorithm = "SlidingWindow"
	// AlgorithmConcurrency allows at most requests in flight.
	AlgorithmConcurrency RateLimitAlgorithm = "Concurrency"
)

// MissingKey says what becomes of requests that lack a part of the key.
//
// +kubebuilder:validation:Enum=Shared;NoLimit;Refuse
type MissingKey string

// RateLimitScope says who counts together.
//
// +kubebuilder:validation:Enum=Replica;Cluster
type RateLimitScope string

// RateLimitFailureMode says what happens while replicas can't count together.
//
// +kubebuilder:validation:Enum=LocalShare;Open;Closed
type RateLimitFailureMode string

// RateLimitMode says what becomes of requests beyond the limit.
//
// +kubebuilder:validation:Enum=Enforce;Shadow
type RateLimitMode string

// RateLimitCost is how much of the allowance a request takes.
//
// +kubebuilder:validation:XValidation:rule="(self.type != 'Constant') == has(self.name)",message="name must be set when type is RequestHeader or ResponseHeader, and must not be set when type is Constant"
// +kubebuilder:validation:XValidation:rule="self.type != 'Constant' || has(self.value)",message="value must be set when type is Constant"
type RateLimitCost struct {
	// type says where the cost is from: Constant, value; RequestHeader, the header field name of the request, which clients
	// choose, and at least 1; ResponseHeader, that of the backend's answer, charged when it has ended. A field that is not there, or holds
	// no whole number, counts as value.
	// +required
	Type RateLimitCostType `json:"type"`

	// value is the constant, or what counts before a header is known and without it. Required when type is Constant;
	// otherwise omitted: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Value int32 `json:"value,omitempty"`

	// name is the header field's name. Case does not matter. Required unless type is Constant.
	// +optional
	Name HeaderName `json:"name,omitempty"`
}

// RateLimitCostType says where a cost is from.
//
// +kubebuilder:validation:Enum=Constant;RequestHeader;ResponseHeader
type RateLimitCostType string

// KeySourceType says what a part of a key is taken from.
//
// +kubebuilder:validation:Enum=Header;Claim;APIKey;ClientAddress;Cookie;Path;Method;Route;Expression
type KeySourceType string

// What a part of a key can be taken from.
const (
	// KeySourceHeader is the value of a header field.
	KeySourceHeader KeySourceType = "Header"
	// KeySourceClaim is a claim of the verified token.
	KeySourceClaim KeySourceType = "Claim"
	// KeySourceAPIKey is the name of the client's API key.
	KeySourceAPIKey KeySourceType = "APIKey"
	// KeySourceClientAddress is the client's IP address.
	KeySourceClientAddress KeySourceType = "ClientAddress"
	// KeySourceCookie is the value of a cookie.
	KeySourceCookie KeySourceType = "Cookie"
	// KeySourcePath is the path.
	KeySourcePath KeySourceType = "Path"
	// KeySourceMethod is the method.
	KeySourceMethod KeySourceType = "Method"
	// KeySourceRoute is the rule that the request matched.
	KeySourceRoute KeySourceType = "Route"
	// KeySourceExpression is the value of an expression in CEL.
	KeySourceExpression KeySourceType = "Expression"
)

// KeySource is a part of a key.
//
// +kubebuilder:validation:XValidation:rule="(self.type in ['Header', 'Claim', 'Cookie']) == has(self.name)",message="name must be set when type is Header, Claim or Cookie, and must not be set otherwise"
// +kubebuilder:validation:XValidation:rule="(self.type == 'Expression') == has(self.expression)",message="expression must be set when type is Expression, and must not be set otherwise"
// +kubebuilder:validation:XValidation:rule="self.type == 'ClientAddress' || !(has(self.ipv4PrefixLength) || has(self.ipv6PrefixLength))",message="ipv4PrefixLength and ipv6PrefixLength must not be set unless type is ClientAddress"
// +kubebuilder:validation:XValidation:rule="!(self.type in ['Header', 'Cookie']) || !has(self.name) || self.name.matches('^[-!#$%&\\'*+.^_|~0-9A-Za-z`]+$')",message="name must be a token of RFC 9110 when type is Header or Cookie"
type KeySource struct {
	// type says what the part is taken from: Header, the first value of the header field name; Claim, the claim name of the
	// verified token; APIKey, the name of the client's API key; ClientAddress, the client's IP address as told by the
	// connection or by trusted proxies; Cookie, the first cookie of that name; Path, the path in normal form; Method;
	// Route, the rule of the route that the request matched; Expression, the value of expression. An empty value counts as missing.
	// A limit with a Claim or APIKey, or with an expression over claims or subject, is asked behind the filters that
	// identify, all others before them.
	// +required
	Type KeySourceType `json:"type"`

	// name is that of the header field, in any case; of the cookie; or of the claim, such as sub, or realm.team for one
	// within another. Required when type is Header, Claim or Cookie.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name,omitempty"`

	// expression is one in CEL, the Common Expression Language, whose value is a string, number or bool; numbers and bools count
	// as JSON writes them. It has the variables of the expressions of authorization. Where it fails, because a claim that it needs
	// is missing, the part of the key is missing. What it may cost is bounded. Required when type is Expression.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Expression string `json:"expression,omitempty"`

	// ipv4PrefixLength is how many bits of an IPv4 address count. Omitted: 32.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=32
	IPv4PrefixLength int32 `json:"ipv4PrefixLength,omitempty"`

	// ipv6PrefixLength is how many bits of an IPv6 address count. Omitted: 64, the network that one client usually has.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=128
	IPv6PrefixLength int32 `json:"ipv6PrefixLength,omitempty"`
}

// AttachedPolicy is a policy that holds for a route.
type AttachedPolicy struct {
	// kind is the policy's kind.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// name is the policy's name, in the route's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// sectionName is the name of the rule that the policy holds for. Omitted: all rules.
	// +optional
	SectionName RuleName `json:"sectionName,omitempty"`
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
