package publish

import (
	"context"
	"encoding/json"

	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// application is what is sent: an object that holds nothing but its identity and our part of the status. The client
// reads the answer into it.
type application struct {
	applymetav1.TypeMetaApplyConfiguration
	*applymetav1.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`
	Status                                    *sent `json:"status,omitempty"`
}

// IsApplyConfiguration marks the type for the client.
func (*application) IsApplyConfiguration() {}

// sent is a status, in the form of its kind. It is not read back: it would be overwritten while others hold it.
type sent struct{ status any }

// MarshalJSON returns the JSON of the status.
func (s *sent) MarshalJSON() ([]byte, error) { return json.Marshal(s.status) }

// UnmarshalJSON does nothing.
func (*sent) UnmarshalJSON([]byte) error { return nil }

// apply writes b and returns the version of the object with it.
//
// It is a server-side apply, because an update would replace what others wrote between our read and our write, or lose
// against each of their writes; and because it sends the status alone, where an update sends the whole object. Applying
// is forced: conditions of our types are ours. The UID keeps it from a younger object of the same name.
func (w *Writer) apply(ctx context.Context, kind string, o client.Object, b body) (resourceVersion string, err error) {
	a := &application{
		TypeMetaApplyConfiguration: *applymetav1.TypeMeta().WithKind(kind).WithAPIVersion(versionOf(o)),
		ObjectMetaApplyConfiguration: applymetav1.ObjectMeta().
			WithNamespace(o.GetNamespace()).WithName(o.GetName()).WithUID(o.GetUID()),
	}
	switch {
	case b.bare && len(b.Addresses) > 0:
		a.Status = &sent{ingressStatus(b)}
	case !b.bare && len(b.Conditions) > 0:
		a.Status = &sent{b}
	}
	if err := w.Client.Apply(ctx, a, w.Owner, client.ForceOwnership); err != nil {
		return "", err
	}
	return *a.ResourceVersion, nil
}
