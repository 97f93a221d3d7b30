// Package v1alpha1 holds Penstock's custom resources, group gateway.penstock.io, and the condition types and reasons
// of their status. It is types, markers and constants: what a field means is said here, what is done about it elsewhere.
//
// What a schema or a CEL rule can check is checked there, so that the API server, "penstock validate" and standalone mode
// refuse the same objects in the same words.
//
// +kubebuilder:object:generate=true
// +groupName=gateway.penstock.io
package v1alpha1
