package controllers

import (
	"reflect"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// stores reads what informers hold, without a copy: what is read must not be written. It is safe for concurrent use.
//
// A cache of controller-runtime makes its informers by newInformer. Of a kind there is one informer, or one for each
// namespace that is watched.
type stores struct {
	metrics *metrics
	// told, if not nil, is called with how each list and watch ended.
	told func(error)

	mu     sync.RWMutex
	byType map[reflect.Type][]toolscache.SharedIndexInformer
}

func newStores(m *metrics) *stores {
	return &stores{metrics: m, byType: map[reflect.Type][]toolscache.SharedIndexInformer{}}
}

// newInformer makes an informer, for cache.Options.
func (s *stores) newInformer(lw toolscache.ListerWatcher, o runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	if _, ok := o.(*discoveryv1.EndpointSlice); ok {
		indexers[serviceIndex] = indexByService
	}
	source := patient{toolscache.ToListerWatcherWithContext(lw), s.metrics.unanswered, s.told}
	i := toolscache.NewSharedIndexInformer(source, o, resync, indexers)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := reflect.TypeOf(o)
	s.byType[t] = append(s.byType[t], i)
	return i
}

func (s *stores) of(t reflect.Type) []toolscache.SharedIndexInformer {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byType[t]
}

// list returns all objects of the kind whose Go type is O, a pointer, in no order.
func list[O client.Object](s *stores) []O {
	var out []O
	for _, i := range s.of(reflect.TypeFor[O]()) {
		out = appendObjects(out, i.GetIndexer().List())
	}
	return out
}

// get returns one object, or nil.
func get[O client.Object](s *stores, name types.NamespacedName) (found O) {
	for _, i := range s.of(reflect.TypeFor[O]()) {
		// The only error is that of a key that can't be made, and this one is made.
		if o, ok, _ := i.GetIndexer().GetByKey(toolscache.ObjectName(name).String()); ok {
			return o.(O)
		}
	}
	return found
}

// slices returns the EndpointSlices of a Service, in no order.
func (s *stores) slices(service types.NamespacedName) (out []*discoveryv1.EndpointSlice) {
	for _, i := range s.of(reflect.TypeFor[*discoveryv1.EndpointSlice]()) {
		// The only error is that of an unknown index, and newInformer adds this one.
		found, _ := i.GetIndexer().ByIndex(serviceIndex, service.String())
		out = appendObjects(out, found)
	}
	return out
}

func appendObjects[O client.Object](to []O, objects []any) []O {
	if to == nil {
		to = make([]O, 0, len(objects))
	}
	for _, o := range objects {
		to = append(to, o.(O))
	}
	return to
}

const serviceIndex = "service"

func indexByService(o any) ([]string, error) {
	return []string{serviceOf(o.(metav1.Object)).String()}, nil
}

// serviceOf returns the Service that an EndpointSlice belongs to; without a name if to none.
func serviceOf(slice metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: slice.GetNamespace(), Name: slice.GetLabels()[discoveryv1.LabelServiceName]}
}
