package translate

import (
	"reflect"

	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/proxy/radix"
)

// reports are the statuses of all objects.
type reports struct{ radix.Builder[Status] }

// reportKey orders statuses by kind, namespace and name.
func reportKey(kind string, name types.NamespacedName) string { return kind + " " + name.String() }

// keep makes fresh the status of its object, unless the present one says the same.
func (r *reports) keep(fresh *Status) {
	key := reportKey(fresh.Kind, types.NamespacedName{Namespace: fresh.Namespace, Name: fresh.Name})
	if !reflect.DeepEqual(r.Get(key), fresh) {
		r.Put(key, fresh)
	}
}

// drop takes the status of an object away, if there is one.
func (r *reports) drop(kind string, name types.NamespacedName) { r.Put(reportKey(kind, name), nil) }
