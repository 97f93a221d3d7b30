package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// routes is the resource that there are many objects of.
const routes = "gatewayroutes"

// relist has every informer list anew, several times, and looks at requests meanwhile.
//
// The gateway is cut off from the API server, which restarts meanwhile. The new one can't go on with watches of the old one's time, so
// all that the gateway can do once it gets through again is to list. That the API server has started before keeps its start out of
// the figure.
func relist(ctx context.Context, l *lab) error {
	const rounds = 3
	n := cmp.Or(l.routes, 10000)
	g, err := l.gatewayBehindGate(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(l.fill(ctx, 0, n, true), l.settle(ctx)); err != nil {
		return err
	}
	asking := startLoad(hosts(n))
	var quiet, listing []span
	var watched []string
	for i := range rounds {
		if err = l.rest(ctx); err != nil { // from the round before
			break
		}
		begin := time.Now()
		if err = l.rest(ctx); err != nil {
			break
		}
		quiet = append(quiet, span{begin, time.Now()})
		var s span
		if s, watched, err = l.relistOnce(ctx, g, n, n+i); err != nil {
			break
		}
		listing = append(listing, s)
	}
	if err := errors.Join(err, asking.stop()); err != nil {
		return err
	}
	fmt.Printf("relist: %d times all of %s, with %d routes that took %s; %d requests sent at %d/s, 0 failed\n",
		rounds, strings.Join(watched, ", "), n, lengths(listing), asking.sent, loadRate)
	fmt.Printf("relist: requests meanwhile: %s\nrelist: requests without:   %s\n",
		summary(asking.within(listing)), summary(asking.within(quiet)))
	return nil
}

// gatewayBehindGate starts the gateway again, with a gate between it and the API server.
func (l *lab) gatewayBehindGate(ctx context.Context) (*gate, error) {
	l.stopGateway()
	g, err := newGate(ctx, l.apiAddress())
	if err != nil {
		return nil, err
	}
	return g, l.startGateway(ctx, g.address)
}

func hosts(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = string(route(i, true, "").Spec.Hostnames[0])
	}
	return all
}

// relistOnce makes the gateway list n routes, and all else that it watches. It returns the time that the routes took, from the request to
// the first answer of a route that was created after the list had begun: its event comes after the whole list. The other lists are of
// an object or two, each when its informer tries again.
func (l *lab) relistOnce(ctx context.Context, g *gate, n, marker int) (listing span, watched []string, err error) {
	g.shut()
	if err := errors.Join(l.restartAPIServer(), l.rest(ctx)); err != nil {
		return listing, nil, err
	}
	events, end, err := l.audited(0) // the ends of the old watches are in it, and nothing new while the gate is shut
	if err != nil {
		return listing, nil, err
	}
	watched = resources(events)
	before, err := l.sent(routes)
	if err != nil {
		return listing, nil, err
	}
	if err := g.open(ctx); err != nil {
		return listing, nil, err
	}
	lists, err := l.listed(ctx, end, []string{routes})
	if err != nil {
		return listing, nil, err
	}
	listing.from = first(lists, routes)
	if err := errors.Join(l.Create(ctx, route(marker, true, "1")), l.served(ctx, marker)); err != nil {
		return listing, nil, err
	}
	listing.to = time.Now()
	if _, err := l.listed(ctx, end, watched); err != nil {
		return listing, nil, err
	}
	after, err := l.sent(routes)
	if err == nil && after-before < n {
		err = fmt.Errorf("the API server sent %d routes, not %d", after-before, n)
	}
	return listing, watched, err
}

// listed waits until the log has, after a place, that the API server has begun to answer a list of each resource. It returns the requests.
func (l *lab) listed(ctx context.Context, after int, all []string) (lists []auditv1.Event, err error) {
	// An informer that was refused a few times comes back a minute later.
	err = eventually(ctx, 3*time.Minute, "lists of "+strings.Join(all, ", "), func() (bool, error) {
		events, _, err := l.audited(after)
		lists = slices.DeleteFunc(events, func(e auditv1.Event) bool { return !anew(e) })
		have := resources(lists)
		return !slices.ContainsFunc(all, func(r string) bool { return !slices.Contains(have, r) }), err
	})
	return lists, err
}

// first returns when a resource was first asked for.
func first(lists []auditv1.Event, resource string) time.Time {
	var at []time.Time
	for _, e := range lists {
		if e.ObjectRef.Resource == resource {
			at = append(at, e.RequestReceivedTimestamp.Time)
		}
	}
	return slices.MinFunc(at, time.Time.Compare)
}

// anew reports whether a request is an informer's for all objects, and is answered. That of today's client is a watch (KEP-3157).
func anew(e auditv1.Event) bool {
	return e.Verb == "watch" && strings.Contains(e.RequestURI, "sendInitialEvents=true") && e.ResponseStatus != nil && e.ResponseStatus.Code == 200
}

// resources returns the resources that requests are of, sorted.
func resources(events []auditv1.Event) []string {
	names := map[string]bool{}
	for _, e := range events {
		names[e.ObjectRef.Resource] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// served waits for the first 200 of a route.
func (l *lab) served(ctx context.Context, i int) error {
	p, err := newProbe()
	if err != nil {
		return err
	}
	defer p.Close()
	r := route(i, true, "1")
	return seen(ctx, p, string(r.Spec.Hostnames[0]), "/", "1")
}

func lengths(spans []span) string {
	var all []string
	for _, s := range spans {
		all = append(all, s.to.Sub(s.from).Round(time.Millisecond).String())
	}
	return strings.Join(all, ", ")
}

func summary(took []time.Duration) string {
	n := len(took)
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%d: p50 %s, p99 %s, max %s", n, took[n/2], took[n*99/100], took[n-1])
}
