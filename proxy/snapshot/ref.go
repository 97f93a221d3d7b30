package snapshot

import (
	"cmp"
	"encoding/json"
)

// RefKind is the kind of object that a Ref is to.
type RefKind string

// The kinds of objects that have values.
const (
	InSecret    RefKind = ""
	InConfigMap RefKind = "ConfigMap"
)

// Ref names one value of a Secret or ConfigMap, or, without a key, all of them; see Entries.
type Ref struct {
	Kind      RefKind `json:"kind,omitempty"`
	Namespace string  `json:"namespace"`
	Name      string  `json:"name"`
	Key       string  `json:"key"`
}

// String is "namespace/name/key", with "ConfigMap " before it if it is to one.
func (r Ref) String() string { return r.Object() + "/" + r.Key }

// Object is "namespace/name", with "ConfigMap " before it if it is to one.
func (r Ref) Object() string {
	if r.Kind == InSecret {
		return r.Namespace + "/" + r.Name
	}
	return string(r.Kind) + " " + r.Namespace + "/" + r.Name
}

// Source names the value in words: "key token of Secret shop/keys".
func (r Ref) Source() string {
	kind := cmp.Or(string(r.Kind), "Secret")
	if r.Key == "" {
		return kind + " " + r.Namespace + "/" + r.Name
	}
	return "key " + r.Key + " of " + kind + " " + r.Namespace + "/" + r.Name
}

// Entries reads the value of a Ref without a key: all that the object holds, by key.
func Entries(value []byte) (map[string][]byte, error) {
	var out map[string][]byte
	err := json.Unmarshal(value, &out)
	return out, err
}

// MarshalEntries is the inverse of Entries. Equal entries have equal texts.
func MarshalEntries(entries map[string][]byte) []byte { return marshal(entries) }
