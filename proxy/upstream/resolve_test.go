package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/snapshot"
)

// lookUp lets a function be a Resolver.
type lookUp func(ctx context.Context, host string) ([]netip.Addr, error)

func (f lookUp) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return f(ctx, host)
}

func external(host string, port uint16) *snapshot.Cluster {
	return &snapshot.Cluster{Name: clusterName, Host: host, Port: port}
}

func TestExternalClusters(t *testing.T) {
	addr := backend(t, answering(ok))
	for _, host := range []string{"127.0.0.1", "localhost"} {
		t.Run(host, func(t *testing.T) {
			// The system's resolver, which reads /etc/hosts.
			g := newGatewayOf(t, Options{}, external(host, addr.Port()))
			g.run()
			if body := g.exchange(request(http.MethodGet)); body != "ok" {
				t.Errorf("answered %q", body)
			}
		})
	}
}

func TestRequestsWaitForTheFirstLookUpOnly(t *testing.T) {
	addr := backend(t, answering(ok))
	asked, answer := make(chan string), make(chan struct{})
	g := newGatewayOf(t, Options{Resolver: lookUp(func(_ context.Context, host string) ([]netip.Addr, error) {
		asked <- host
		<-answer
		return []netip.Addr{addr.Addr()}, nil
	})}, external("users.test", addr.Port()))
	g.run()
	x, done := request(http.MethodGet), make(chan string)
	go func() { done <- g.exchange(x) }()
	if host := <-asked; host != "users.test" {
		t.Errorf("asked for %s", host)
	}
	gone := request(http.MethodGet)
	gone.Cancel(errClient)
	g.fails(gone, errClient)
	late := request(http.MethodGet)
	late.SetDeadline(past)
	g.fails(late, errNoEndpoint)
	close(answer)
	if body := <-done; body != "ok" {
		t.Errorf("answered %q", body)
	}
}

func TestANameThatResolvesToNothing(t *testing.T) {
	g := newGatewayOf(t, Options{Resolver: lookUp(func(context.Context, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "users.test", IsNotFound: true}
	})}, external("users.test", 80))
	g.run()
	g.fails(request(http.MethodGet), errNoEndpoint)
}

func TestWhatWasFoundLastStaysWhenALookUpFails(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	var answers []netip.Addr
	var failure error
	g := newGatewayOf(t, Options{Resolver: lookUp(func(context.Context, string) ([]netip.Addr, error) {
		return answers, failure
	})}, external("users.test", 80))
	for _, step := range []struct {
		answers []netip.Addr
		failure error
		want    int
	}{
		{answers: []netip.Addr{a}, want: 1},
		{failure: errors.New("server misbehaving"), want: 1},
		{answers: []netip.Addr{b, a}, want: 2},
		{answers: []netip.Addr{a, b}, want: 2},
		{failure: context.DeadlineExceeded, want: 2},
		{answers: []netip.Addr{b}, want: 1},
	} {
		answers, failure = step.answers, step.failure
		g.names.resolve(t.Context(), g.handler.resolved)
		if got := len(g.handler.live.Endpoints().Ready); got != step.want {
			t.Errorf("after %v, %v: %d endpoints, want %d", step.answers, step.failure, got, step.want)
		}
	}
}

func TestARetiredClusterIsNoLongerResolved(t *testing.T) {
	g := newGatewayOf(t, Options{Resolver: lookUp(func(context.Context, string) ([]netip.Addr, error) {
		return nil, errors.New("server misbehaving")
	})}, external("users.test", 80))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	none := func(string) bool { return false }
	g.store.Retain(slices.Values([]string{}), none)
	g.store.Retain(slices.Values([]string{}), none)
	g.names.keep(ctx, g.handler.resolved) // returns, though ctx goes on
	if len(g.names.known) != 0 || ctx.Err() != nil {
		t.Error("the name is still known")
	}
}

func TestHandlersOfAClusterShareItsResolution(t *testing.T) {
	g := newGatewayOf(t, Options{}, external("users.test", 80))
	again := g.Handler(external("users.test", 80)).(*Cluster)
	if again.resolved != g.handler.resolved {
		t.Error("each table resolves anew")
	}
}
