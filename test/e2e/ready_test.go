//go:build e2e

package e2e

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
)

const (
	// many is how many routes there are while the time to Ready is taken.
	many = 1000
	// usualTries is how often Ready is put to the test, unless $E2E_TRIES says otherwise.
	usualTries = 200
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

// kept is a connection to a replica that never tries again.
type kept struct {
	net.Conn
	r *bufio.Reader
}

// ask returns the body of the answer.
func (k kept) ask(t *testing.T, host string) string {
	t.Helper()
	if err := k.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(k, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(k.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Who waits for Ready and then asks any replica gets the new answer.
func TestReadyIsTrueOfEveryReplica(t *testing.T) {
	tries, err := strconv.Atoi(cmp.Or(os.Getenv("E2E_TRIES"), strconv.Itoa(usualTries)))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range many {
		create(t, said(fmt.Sprintf("many-%d", i), "same"))
	}
	created := time.Now()
	await(t, "all routes are Ready", &v1alpha1.GatewayRouteList{}, []client.ListOption{client.InNamespace(apps)}, func(routes []*v1alpha1.GatewayRoute) bool {
		served := 0
		for _, r := range routes {
			if strings.HasPrefix(r.Name, "many-") && isServed(r) {
				served++
			}
		}
		return served == many
	})
	t.Logf("figure: %d routes were created in %.1f s, and all Ready %.1f s later", many, created.Sub(began).Seconds(), time.Since(created).Seconds())

	route := said("put-to-the-test", "first")
	create(t, route)
	events, err := admin.Watch(t.Context(), &v1alpha1.GatewayRouteList{}, named(apps, route.Name)...)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	var all []kept
	for _, p := range installed(t) {
		nc, err := net.Dial("tcp", direct(p))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		all = append(all, kept{nc, bufio.NewReader(nc)})
	}
	var waits []time.Duration
	for i := range tries {
		text := fmt.Sprintf("answer %d", i)
		began := time.Now()
		update(t, route, func(r *v1alpha1.GatewayRoute) { r.Spec.Rules[0].Filters.DirectResponse.Body = text })
		for e := range events.ResultChan() {
			if r, ok := e.Object.(*v1alpha1.GatewayRoute); !ok || !isServed(r) || r.Generation != route.Generation {
				continue
			}
			waits = append(waits, time.Since(began))
			break
		}
		for n, k := range all {
			if got := k.ask(t, "put-to-the-test.example.com"); got != text {
				t.Fatalf("try %d: Ready, and replica %d answers %q, want %q", i, n, got, text)
			}
		}
	}
	if len(waits) != tries {
		t.Fatalf("%d of %d changes were seen to be Ready", len(waits), tries)
	}
	slices.Sort(waits)
	t.Logf("figure: at %d routes, apply to Ready, %d times: p50 %d ms, p99 %d ms, max %d ms; 0 of %d answers of replicas were old",
		many, tries, waits[tries/2].Milliseconds(), waits[tries*99/100].Milliseconds(), waits[tries-1].Milliseconds(), tries*len(all))
}
