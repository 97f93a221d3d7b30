package controllers

import (
	"context"
	"maps"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
)

type (
	// handlers say what becomes of the events of one kind.
	handlers[O client.Object] = handler.TypedFuncs[O, everything]
	// work is the queue that asks for a translation.
	work = workqueue.TypedRateLimitingInterface[everything]
)

// onChange makes handlers that hand on the object as it is, or was last, whatever happened to it.
func onChange[O client.Object](f func(o O, q work)) handlers[O] {
	return handlers[O]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[O], q work) { f(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[O], q work) { f(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[O], q work) { f(e.Object, q) },
	}
}

// onSpec is for kinds with a status of ours: a change of nothing but the status asks for no translation. The next one takes
// notice of it, or it would keep the old form of the object in memory. An object of another UID is another object, though
// its generation be the same. The annotations that caches hold mean something, and don't change generations.
func onSpec[O client.Object](s *session, kind string) handlers[O] {
	h := onChange(func(o O, q work) {
		s.noteChange(kind, o, true)
		q.Add(everything{})
	})
	h.DeleteFunc = func(_ context.Context, e event.TypedDeleteEvent[O], q work) {
		if e.DeleteStateUnknown { // nobody can say at which version it went
			s.pending.addAll()
		}
		s.noteChange(kind, e.Object, true)
		q.Add(everything{})
	}
	h.UpdateFunc = func(_ context.Context, e event.TypedUpdateEvent[O], q work) {
		same := e.ObjectOld.GetGeneration() == e.ObjectNew.GetGeneration() && e.ObjectOld.GetUID() == e.ObjectNew.GetUID() &&
			maps.Equal(e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations())
		s.noteChange(kind, e.ObjectNew, !same)
		if same {
			s.writer.Observe(kind, e.ObjectNew)
			return
		}
		q.Add(everything{})
	}
	return h
}

// onService is for Services, whose ports matter to routes and, with their IP families, to endpoints.
func onService(s *session) handlers[*corev1.Service] {
	return onChange(func(o *corev1.Service, q work) {
		name := client.ObjectKeyFromObject(o)
		s.endpoints.refresh(s.stores, name)
		s.pending.add(kindService, name)
		q.Add(everything{})
	})
}

// onMeaning is for kinds without a status of ours that decide about objects which others await: Namespaces with their labels,
// and IngressClasses.
func onMeaning[O client.Object](s *session, kind string) handlers[O] {
	return onChange(func(o O, q work) {
		s.noteChange(kind, o, true)
		q.Add(everything{})
	})
}

// onSlice is for EndpointSlices, which matter to endpoints alone.
func onSlice(s *session) handlers[*discoveryv1.EndpointSlice] {
	refresh := func(o *discoveryv1.EndpointSlice) { s.endpoints.refresh(s.stores, serviceOf(o)) }
	h := onChange(func(o *discoveryv1.EndpointSlice, _ work) { refresh(o) })
	h.UpdateFunc = func(_ context.Context, e event.TypedUpdateEvent[*discoveryv1.EndpointSlice], _ work) {
		refresh(e.ObjectNew)
		if serviceOf(e.ObjectOld) != serviceOf(e.ObjectNew) {
			refresh(e.ObjectOld) // its Service has lost a slice
		}
	}
	return h
}
