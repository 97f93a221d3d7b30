package envtest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/proxy"
	"github.com/penstock/penstock/proxy/filter/basicauth"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/proxy/filter/jwt"
	"github.com/penstock/penstock/proxy/filter/jwt/jwks"
	"github.com/penstock/penstock/proxy/filter/ratelimit"
	"github.com/penstock/penstock/proxy/i18n"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/snapshot"
)

// dataPlane is the gateway that users get, as the controller sees it.
type dataPlane struct{ *proxy.Gateway }

func (d dataPlane) Apply(s *snapshot.Snapshot) (out []controllers.Problem) {
	for _, p := range d.Gateway.Apply(s) {
		out = append(out, controllers.Problem(p))
	}
	return out
}

func newDataPlane(t *testing.T, o *controllers.Options) dataPlane {
	t.Helper()
	catalogue, err := i18n.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	log := observe.NewAccessLog(io.Discard)
	t.Cleanup(func() { log.Close() })
	local := limit.NewLocal(1000, time.Now)
	tokens := jwt.NewStore(slog.New(slog.DiscardHandler), jwks.Reach{Everywhere: true})
	o.Fetching = tokens
	o.Filters = builtin.Registry(builtin.Deps{
		AccessLog: log, Requests: observe.NewRequests(0), Catalogue: catalogue, Decisions: observe.NewDecisions(),
		Tokens: tokens, Passwords: basicauth.NewStore(),
		RateLimits: ratelimit.Deps{Local: local, Cluster: limit.Alone{Local: local}, Meters: observe.NewLimits()},
	})
	g := proxy.New(proxy.Options{Filters: o.Filters, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err := g.Listen(o.Translate.Listeners); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		g.Drain(ended)
	})
	return dataPlane{g}
}

// TestNoRequestFailsWhileTheAPIServerIsGone goes all the way: from an object in the API server to an answer of a backend.
func TestNoRequestFailsWhileTheAPIServerIsGone(t *testing.T) {
	const class = "traffic"
	ns := newNamespace(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer backend.Close()
	var plane dataPlane
	r := start(t, class, func(o *controllers.Options) {
		o.Translate.AllowExternalBackends = true
		o.Translate.Listeners = []*snapshot.Listener{{Name: snapshot.ListenerHTTP, Protocol: snapshot.HTTP}} // any free port
		plane = newDataPlane(t, o)
		o.Gateway = plane
	})
	route := newExternalRoute(t, class, ns, "old", backend.URL)
	create(t, route)
	address := "http://" + plane.Addr(snapshot.ListenerHTTP).String()
	awaitEcho(t, address, route)

	stop := stream(t, address, route)
	r.awaitValue(t, "gateway_leader", 1)
	end := outage(t)
	r.awaitValue(t, "gateway_leader", 0)
	end()
	late := newExternalRoute(t, class, ns, "late", backend.URL)
	create(t, late)
	awaitEcho(t, address, late)
	if sent, failed := stop(); sent == 0 || failed > 0 {
		t.Errorf("%d of %d requests failed", failed, sent)
	}
}

func newExternalRoute(t *testing.T, class, namespace, name, backend string) *v1alpha1.GatewayRoute {
	t.Helper()
	u, err := url.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	r := newRoute(class, namespace, name, "")
	r.Spec.Rules[0].Backends = []v1alpha1.Backend{{Host: u.Hostname(), Port: intstr.FromInt(port)}}
	return r
}

func awaitEcho(t *testing.T, address string, route *v1alpha1.GatewayRoute) {
	t.Helper()
	await(t, "a request reaches the backend of "+route.Name, func(ctx context.Context) (bool, error) {
		return echo(ctx, address, route), nil
	})
}

// stream sends one request after another until the returned function is called, which tells how many were sent and
// how many failed.
func stream(t *testing.T, address string, route *v1alpha1.GatewayRoute) (stop func() (sent, failed int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	var sent, failed int
	sending.Go(func() {
		for ctx.Err() == nil {
			sent++
			if !echo(context.WithoutCancel(ctx), address, route) {
				failed++
			}
		}
	})
	return func() (int, int) {
		cancel()
		sending.Wait()
		return sent, failed
	}
}

// echo reports whether a request for a route comes back from its backend. Its body can't be sent twice, so that the
// client never retries.
func echo(ctx context.Context, address string, route *v1alpha1.GatewayRoute) bool {
	const text = "is anybody there?"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, io.NopCloser(strings.NewReader(text)))
	if err != nil {
		return false
	}
	r.Host = string(route.Spec.Hostnames[0])
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return err == nil && answer.StatusCode == http.StatusOK && string(body) == text
}
