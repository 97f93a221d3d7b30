package translate

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// TestTranslatorEqualsTranslate edits a small world at random, so that objects meet, and holds the Translator that has
// seen it all, or was told of each change, to the outcome of one that sees only the present.
func TestTranslatorEqualsTranslate(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newWorld(seed)
			translator := NewTranslator(w.filters)
			var before outcome
			var options Options
			for step := range 100 {
				for range w.IntN(3) {
					w.edit()
				}
				in, changes := w.input(), w.changes()
				untouched := clone(in)
				var now outcome
				if w.IntN(3) == 0 || !reflect.DeepEqual(options, in.Options) {
					now = outcomeOf(translator.Translate(in))
				} else {
					now = outcomeOf(translator.Update(changes))
				}
				if !reflect.DeepEqual(untouched, in) {
					t.Fatalf("step %d: the input was written (-before +after):\n%s", step, cmp.Diff(untouched, in))
				}
				if anew := outcomeOf(Translate(in, w.filters)); !reflect.DeepEqual(anew.said, now.said) {
					t.Fatalf("step %d (-anew +again):\n%s", step, diffOutcomes(anew, now))
				}
				if reflect.DeepEqual(options, in.Options) {
					checkKept(t, before, now)
				}
				before, options = now, in.Options
			}
		})
	}
}

// outcome is what a translation returns.
type outcome struct {
	snapshot *snapshot.Snapshot
	statuses *radix.Tree[Status]
	said
}

// said is an outcome in plain lists.
type said struct {
	Version   string
	Listeners []*snapshot.Listener
	Routes    []*snapshot.Route
	Clusters  []*snapshot.Cluster
	TLS       []*snapshot.TLSPolicy
	Secrets   []*snapshot.Secret
	Statuses  []*Status
}

func outcomeOf(s *snapshot.Snapshot, statuses *radix.Tree[Status]) outcome {
	return outcome{s, statuses, said{
		s.Version, s.Listeners, slices.Collect(s.Routes.Values()), slices.Collect(s.Clusters.Values()),
		slices.Collect(s.TLS.Values()), slices.Collect(s.Secrets.Values()), slices.Collect(statuses.Values()),
	}}
}

func diffOutcomes(want, got outcome) string {
	return cmp.Diff(want.said, got.said,
		cmp.AllowUnexported(snapshot.Route{}, snapshot.Cluster{}, snapshot.TLSPolicy{}, snapshot.Secret{}))
}

// checkKept fails if something is equal to what was there before and is not the same.
func checkKept(t *testing.T, before, now outcome) {
	t.Helper()
	if before.Version == now.Version && before.snapshot != now.snapshot {
		t.Fatal("the snapshot is equal and not the same")
	}
	for key, c := range before.snapshot.Routes.Diff(now.snapshot.Routes) {
		if c.Old != nil && c.New != nil && c.Old.Digest() == c.New.Digest() {
			t.Fatalf("route %s is equal and not the same", key)
		}
	}
	for key, c := range before.snapshot.Clusters.Diff(now.snapshot.Clusters) {
		if c.Old != nil && c.New != nil && c.Old.Digest() == c.New.Digest() {
			t.Fatalf("cluster %s is equal and not the same", key)
		}
	}
	for key, c := range before.snapshot.TLS.Diff(now.snapshot.TLS) {
		if c.Old != nil && c.New != nil && c.Old.Digest() == c.New.Digest() {
			t.Fatalf("policy of %s is equal and not the same", key)
		}
	}
	for key, c := range before.snapshot.Secrets.Diff(now.snapshot.Secrets) {
		if sameSecret(c.Old, c.New) {
			t.Fatalf("value %s is equal and not the same", key)
		}
	}
	for key, c := range before.statuses.Diff(now.statuses) {
		if reflect.DeepEqual(c.Old, c.New) {
			t.Fatalf("status of %s is equal and not the same", key)
		}
	}
}

func clone(in Input) Input {
	out := in
	out.Routes = cloneAll(in.Routes, (*v1alpha1.GatewayRoute).DeepCopy)
	out.Ingresses = cloneAll(in.Ingresses, (*networkingv1.Ingress).DeepCopy)
	out.IngressClasses = cloneAll(in.IngressClasses, (*networkingv1.IngressClass).DeepCopy)
	out.Policies = cloneAll(in.Policies, (*v1alpha1.RateLimitPolicy).DeepCopy)
	out.Services = cloneAll(in.Services, (*corev1.Service).DeepCopy)
	out.Secrets = cloneAll(in.Secrets, (*corev1.Secret).DeepCopy)
	out.ConfigMaps = cloneAll(in.ConfigMaps, (*corev1.ConfigMap).DeepCopy)
	out.Namespaces = cloneAll(in.Namespaces, (*corev1.Namespace).DeepCopy)
	out.Unreadable, out.UnreadableConfigMaps = slices.Clone(in.Unreadable), slices.Clone(in.UnreadableConfigMaps)
	out.Failing = maps.Clone(in.Failing)
	out.Grants = cloneAll(in.Grants, (*gatewayv1beta1.ReferenceGrant).DeepCopy)
	return out
}

func cloneAll[T any](list []*T, deepCopy func(*T) *T) []*T {
	var out []*T
	for _, o := range list {
		out = append(out, deepCopy(o))
	}
	return out
}
