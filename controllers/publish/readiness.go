package publish

import (
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/replicas"
	"github.com/penstock/penstock/controllers/status"
)

// earlyFor is how long replicas have to report before it is said that they lag behind: they usually do within a tenth of it, and one
// write then does for two.
const earlyFor = time.Second

// require decides where replicas must be to serve an object as r says. Whoever has taken over from another leader believes what that has
// made sure of.
func (w *Writer) require(wanted *want, r *status.Report, fault string, seen replicas.Positions) {
	key := r.Object()
	o := w.Cached(key)
	if o == nil {
		return // it is gone
	}
	if wanted.report == nil && isServed(bodyWithout(r, fault), o) {
		wanted.need = nil
		return
	}
	own := w.Place(key.Kind, key.Namespace)
	need := replicas.Positions{}
	maps.Copy(need, seen)
	switch at := wanted.need[own]; {
	case wanted.report == nil || wanted.report.Generation != r.Generation || wanted.report.UID != r.UID:
		// At the latest this version has the present generation.
		need[own] = o.GetResourceVersion()
	case at != "":
		need[own] = at
	default:
		delete(need, own)
	}
	wanted.need, wanted.since = need, w.Now()
}

// isServed reports whether an object's status says what b does, and that all replicas serve it.
func isServed(b body, o client.Object) bool {
	said := bodyOf(o)
	ready := find(said.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != o.GetGeneration() {
		return false
	}
	if c := find(b.Conditions, v1alpha1.ConditionReady); c != nil {
		*c = *ready
	}
	b.Replicas, b.Addresses = said.Replicas, said.Addresses
	return b.same(said)
}

// bodyFor returns the status that an object should have, without transition times.
func (w *Writer) bodyFor(wanted *want, o client.Object) body {
	b := bodyWithout(wanted.report, wanted.fault)
	if wanted.report.Kind == v1alpha1.KindGatewayRoute {
		b.Addresses = w.Addresses()
	}
	ready := find(b.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return b
	}
	*ready, b.Replicas = w.judge(wanted, b, o)
	if b.bare {
		b.Addresses = w.addressesFor(wanted.report, *ready, o)
	}
	return b
}

// judge says whether all replicas serve an object. What is ready stays so until something else is wanted: replicas that join know at least
// what the others did, and how many there are is not worth a write of every object.
func (w *Writer) judge(wanted *want, b body, o client.Object) (metav1.Condition, *v1alpha1.ReplicasStatus) {
	generation := wanted.report.Generation
	if c := find(b.Conditions, v1alpha1.ConditionProgrammed); c != nil && c.Status == metav1.ConditionFalse {
		return status.NotReady(generation), nil
	}
	before := bodyOf(o)
	if wanted.written != nil {
		before = wanted.written.body
	}
	said := find(before.Conditions, v1alpha1.ConditionReady)
	holds := said != nil && said.Status == metav1.ConditionTrue && said.ObservedGeneration == generation
	if holds && wanted.need == nil {
		return *said, before.Replicas
	}
	v := w.Replicas.Judge(wanted.need, wanted.since)
	counted := &v1alpha1.ReplicasStatus{Serving: int32(v.Total - len(v.Lags)), Total: int32(v.Total)}
	switch {
	case v.Total == 0:
		return status.NotReported(generation), nil
	case len(v.Lags) > 0:
		return status.ReplicasLag(generation, v.Total, v.Lags), counted
	case holds:
		return *said, before.Replicas
	}
	return status.Ready(generation, v.Total), counted
}

// isEarly reports whether an object's status can wait, since replicas have had no time to report. It is looked at again when they have,
// or their time is up.
func (w *Writer) isEarly(key status.Object, wanted *want, b body) bool {
	c := find(b.Conditions, v1alpha1.ConditionReady)
	lags := c != nil && (c.Reason == v1alpha1.ReasonReplicasLag || c.Reason == v1alpha1.ReasonNotReported)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changes == nil {
		return true
	}
	if !lags {
		delete(w.awaited, key)
		if now := w.wanted[key]; now != nil && now.report == wanted.report {
			now.need = nil
		}
		return false
	}
	w.awaited[key] = struct{}{}
	left := earlyFor - w.Now().Sub(wanted.since)
	if left > 0 {
		w.changes.AddAfter(key, left)
	}
	return left > 0
}

// review queues the objects that all replicas have come to serve.
func (w *Writer) review() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changes == nil {
		return
	}
	for key := range w.awaited {
		if wanted := w.wanted[key]; wanted == nil || wanted.report == nil {
			delete(w.awaited, key)
		} else if v := w.Replicas.Judge(wanted.need, wanted.since); v.Total > 0 && len(v.Lags) == 0 {
			w.changes.Add(key)
		}
	}
	if now := w.Addresses(); !slices.Equal(now, w.addresses) {
		w.addresses = now
		for key := range w.wanted {
			w.changes.Add(key)
		}
	}
}

// reviewAll queues all objects that are awaited: who lags may have changed.
func (w *Writer) reviewAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.awaited {
		w.changes.Add(key)
	}
}
