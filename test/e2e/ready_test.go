//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
)

const (
	// many is how many routes there are while times are taken.
	many = 1000
	// rejected is in the answer of a rule that can't be resolved.
	rejected = `"route.rejected"`
)

// said is a route that answers by itself.
func said(name, text string) *v1alpha1.GatewayRoute {
	return &v1alpha1.GatewayRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: name},
		Spec: v1alpha1.GatewayRouteSpec{
			Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(name + ".example.com")},
			Rules:     []v1alpha1.Rule{{Filters: &v1alpha1.Filters{DirectResponse: &v1alpha1.DirectResponseFilter{StatusCode: 200, Body: text}}}},
		},
	}
}

func isServed(r *v1alpha1.GatewayRoute) bool {
	c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionReady)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == r.Generation
}

// writers is how many requests of a test are under way at a time.
const writers = 50

// atOnce does something for each of the many routes, as fast as the API server takes it.
func atOnce(t *testing.T, do func(i int) error) {
	t.Helper()
	var work errgroup.Group
	work.SetLimit(writers)
	for i := range many {
		work.Go(func() error { return do(i) })
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
}

// manyRoutes makes the routes and takes them away with the test. One of them can't be served: its Service is missing.
func manyRoutes(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if err := admin.DeleteAllOf(context.Background(), &v1alpha1.GatewayRoute{}, client.InNamespace(apps), client.MatchingLabels{"many": "true"}); err != nil {
			t.Error(err)
		}
	})
	atOnce(t, func(i int) error {
		r := said(manyName(i), "first")
		r.Labels = map[string]string{"many": "true"}
		if i == broken {
			r.Spec.Rules = []v1alpha1.Rule{{Backends: []v1alpha1.Backend{{Service: "missing", Port: intstr.FromInt32(80)}}}}
		}
		return admin.Create(t.Context(), r)
	})
}

// broken is the one of many that can't be served.
const broken = 500

func manyName(i int) string { return fmt.Sprintf("many-%d", i) }

// awaitMany waits until all of the many are Ready in a generation.
func awaitMany(t *testing.T, generation int64) {
	t.Helper()
	of := []client.ListOption{client.InNamespace(apps), client.MatchingLabels{"many": "true"}}
	await(t, "all routes are Ready", &v1alpha1.GatewayRouteList{}, of, func(routes []*v1alpha1.GatewayRoute) bool {
		served := 0
		for _, r := range routes {
			if isServed(r) && (r.Generation == generation || r.Name == manyName(broken)) {
				served++
			}
		}
		return served == many
	})
}

// answersOfMany asks every replica for all of the many.
func answersOfMany(t *testing.T, text string) {
	t.Helper()
	for _, p := range installed(t) {
		var l line
		for i := range many {
			got, err := l.ask(t.Context(), direct(p), manyName(i)+".example.com")
			if err != nil {
				t.Fatalf("%s: %v", p.Name, err)
			}
			if i == broken != strings.Contains(got, rejected) || i != broken && got != text {
				t.Fatalf("%s answers %q for %s, want %q", p.Name, got, manyName(i), text)
			}
		}
	}
}

// Of a thousand routes that are applied at once one is broken. The others are Ready soon, and the API server is not swamped.
func TestAThousandAtOnce(t *testing.T) {
	installed(t)
	for generation, text := range []string{"first", "second"} {
		log, began := readAudit(t), time.Now()
		if generation == 0 {
			manyRoutes(t)
		} else {
			atOnce(t, func(i int) error {
				if i == broken {
					return nil
				}
				r := said(manyName(i), text)
				return admin.Patch(t.Context(), r, client.RawPatch(types.JSONPatchType,
					fmt.Appendf(nil, `[{"op":"replace","path":"/spec/rules/0/filters/directResponse/body","value":%q}]`, text)))
			})
		}
		applied := time.Now()
		awaitMany(t, int64(generation+1))
		ready := time.Now()
		writes := readAudit(t).since(log)
		answersOfMany(t, text)
		t.Logf("figure: %d routes, one of them broken, applied at once (%s) in %.1f s: all Ready %.1f s after the first and %.1f s after the last; writes of Penstock: %s",
			many, text, applied.Sub(began).Seconds(), ready.Sub(began).Seconds(), ready.Sub(applied).Seconds(), writes)
		if n := writes["gatewayroutes/status"]; n > 2*many {
			t.Errorf("%d statuses were written, want at most two for each route", n)
		}
	}
}

// TestTimeToReady takes the time of one change after the other among many routes: until each replica gives the new answer, and until
// the change is Ready.
func TestTimeToReady(t *testing.T) {
	n := tries(t)
	manyRoutes(t)
	awaitMany(t, 1)
	route := said("timed", "first")
	create(t, route)
	events, err := admin.Watch(t.Context(), &v1alpha1.GatewayRouteList{}, named(apps, route.Name)...)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	pods := installed(t)
	lines := make([]line, len(pods))
	var untilServed, untilReady []time.Duration
	for i := range n {
		text, began := numbered(i), time.Now()
		update(t, route, func(r *v1alpha1.GatewayRoute) { r.Spec.Rules[0].Filters.DirectResponse.Body = text })
		var asking errgroup.Group
		for at, p := range pods {
			asking.Go(func() error { return lines[at].awaitText(t.Context(), direct(p), "timed.example.com", text) })
		}
		served := make(chan error, 1)
		go func() { served <- asking.Wait(); untilServed = append(untilServed, time.Since(began)) }()
		for e := range events.ResultChan() {
			if r, ok := e.Object.(*v1alpha1.GatewayRoute); ok && isServed(r) && r.Generation == route.Generation {
				break
			}
		}
		untilReady = append(untilReady, time.Since(began))
		if err := <-served; err != nil {
			t.Fatal(err)
		}
	}
	if len(untilReady) != n {
		t.Fatalf("%d of %d changes were seen to be Ready", len(untilReady), n)
	}
	t.Logf("figure: at %d routes, %d changes one by one: until all replicas answer so %s; until Ready %s", many, n, percentiles(untilServed), percentiles(untilReady))
}

// awaitText asks until the answer is as wanted.
func (l *line) awaitText(ctx context.Context, address, host, want string) error {
	for {
		got, err := l.ask(ctx, address, host)
		if err != nil || got == want {
			return err
		}
		time.Sleep(time.Millisecond) // it is a question of milliseconds, and the processors have other things to do
	}
}

// percentiles shows durations; it sorts them.
func percentiles(d []time.Duration) string {
	slices.Sort(d)
	at := func(percent int) int64 { return d[(len(d)-1)*percent/100].Milliseconds() }
	return fmt.Sprintf("p50 %d ms, p99 %d, max %d", at(50), at(99), at(100))
}
