package translate

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/snapshot"
)

// TestTranslatorEqualsTranslate edits a small world at random, so that objects meet, and holds the Translator that has
// seen it all to the outcome of one that sees only the present.
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
				in := w.input()
				untouched := clone(in)
				now := outcomeOf(translator.Translate(in))
				if !reflect.DeepEqual(untouched, in) {
					t.Fatalf("step %d: the input was written (-before +after):\n%s", step, cmp.Diff(untouched, in))
				}
				if anew := outcomeOf(Translate(in, w.filters)); !reflect.DeepEqual(anew, now) {
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
	Snapshot *snapshot.Snapshot
	Statuses []*Status
}

func outcomeOf(s *snapshot.Snapshot, statuses []*Status) outcome { return outcome{s, statuses} }

func diffOutcomes(want, got outcome) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(snapshot.Route{}, snapshot.Cluster{}, snapshot.TLSPolicy{}, snapshot.Secret{}))
}

// checkKept fails if something is equal to what was there before and is not the same.
func checkKept(t *testing.T, before, now outcome) {
	t.Helper()
	if before.Snapshot.Version == now.Snapshot.Version && before.Snapshot != now.Snapshot {
		t.Fatal("the snapshot is equal and not the same")
	}
	old := map[snapshot.Digest]*snapshot.Route{}
	for _, r := range before.Snapshot.Routes {
		old[r.Digest()] = r
	}
	for _, r := range now.Snapshot.Routes {
		if o := old[r.Digest()]; o != nil && o != r {
			t.Fatalf("route %s is equal and not the same", r.ID)
		}
	}
	policies := map[snapshot.Digest]*snapshot.TLSPolicy{}
	for _, p := range before.Snapshot.TLS {
		policies[p.Digest()] = p
	}
	for _, p := range now.Snapshot.TLS {
		if o := policies[p.Digest()]; o != nil && o != p {
			t.Fatalf("policy of %s is equal and not the same", p.Host)
		}
	}
	values := map[snapshot.Digest]*snapshot.Secret{}
	for _, s := range before.Snapshot.Secrets {
		values[s.Digest()] = s
	}
	for _, s := range now.Snapshot.Secrets {
		if o := values[s.Digest()]; o != nil && o != s {
			t.Fatalf("value %v is equal and not the same", s.Ref)
		}
	}
	said := map[status.Ref]*Status{}
	for _, s := range before.Statuses {
		said[s.Ref] = s
	}
	for _, s := range now.Statuses {
		if o := said[s.Ref]; o != nil && o != s && reflect.DeepEqual(o, s) {
			t.Fatalf("status of %s %s/%s is equal and not the same", s.Kind, s.Namespace, s.Name)
		}
	}
}

func clone(in Input) Input {
	out := in
	out.Routes = cloneAll(in.Routes, (*v1alpha1.GatewayRoute).DeepCopy)
	out.Policies = cloneAll(in.Policies, (*v1alpha1.RateLimitPolicy).DeepCopy)
	out.Services = cloneAll(in.Services, (*corev1.Service).DeepCopy)
	out.Secrets = cloneAll(in.Secrets, (*corev1.Secret).DeepCopy)
	out.Unreadable = slices.Clone(in.Unreadable)
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
