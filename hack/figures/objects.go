package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/live"
)

// writers is how many requests to the API server are under way at once.
const writers = 16

func each(ctx context.Context, from, to int, do func(context.Context, int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for i := from; i < to; i++ {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

// fill has kubectl create the routes from..to, and waits until each serves.
func (l *lab) fill(ctx context.Context, from, to int, ownHost bool) error {
	file := filepath.Join(l.dir, "routes.json")
	if err := writeRoutes(file, from, to, ownHost); err != nil {
		return err
	}
	if _, err := l.kubectl("create", "-f", file, "-o", "name"); err != nil {
		return err
	}
	return l.allSeen(ctx, from, to, ownHost, "1")
}

func writeRoutes(name string, from, to int, ownHost bool) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := json.NewEncoder(f)
	for i := from; i < to && err == nil; i++ {
		r := route(i, ownHost, "1")
		r.APIVersion, r.Kind = v1alpha1.GroupVersion.String(), "GatewayRoute"
		err = w.Encode(r)
	}
	return errors.Join(err, f.Close())
}

// rewrite gives n routes another revision.
func (l *lab) rewrite(ctx context.Context, n int, revision string) error {
	err := each(ctx, 0, n, func(ctx context.Context, i int) error { return l.change(ctx, i, true, revision) })
	if err != nil {
		return err
	}
	return l.allSeen(ctx, 0, n, true, revision)
}

func (l *lab) allSeen(ctx context.Context, from, to int, ownHost bool, revision string) error {
	p, err := newProbe()
	if err != nil {
		return err
	}
	defer p.Close()
	for i := from; i < to; i++ {
		r := route(i, ownHost, "")
		if err := seen(ctx, p, string(r.Spec.Hostnames[0]), r.Spec.Rules[0].Matches[0].Path.Value, revision); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) change(ctx context.Context, i int, ownHost bool, revision string) error {
	return l.Patch(ctx, route(i, ownHost, revision), client.Merge)
}

// serves reports whether the gateway's endpoints of the one cluster are ips.
func (l *lab) serves(ips []string) (bool, error) {
	r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/debug/endpoints", debugPort))
	if err != nil {
		return false, err
	}
	defer r.Body.Close()
	var clusters map[string][]live.Statistics
	if err := json.NewDecoder(r.Body).Decode(&clusters); err != nil {
		return false, err
	}
	var got []string
	for _, endpoints := range clusters {
		for _, e := range endpoints {
			got = append(got, e.Address.Addr().String())
		}
	}
	slices.Sort(got)
	return slices.Equal(got, ips), nil
}

// settle waits until every status is written, and then a little for what has no metric, such as the state on disk. The latter is part of
// the cost.
func (l *lab) settle(ctx context.Context) error {
	err := eventually(ctx, 5*time.Minute, "the statuses to be written", func() (bool, error) {
		n, err := l.metric("gateway_status_pending")
		return n == 0, err
	})
	if err != nil {
		return err
	}
	return l.rest(ctx)
}

// rest waits a little.
func (l *lab) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(3 * time.Second):
		return nil
	}
}

// reported waits until the status of a route speaks of its present generation.
func (l *lab) reported(ctx context.Context, i int) error {
	r := route(i, false, "")
	return eventually(ctx, time.Minute, "the status of "+r.Name, func() (bool, error) {
		err := l.Get(ctx, client.ObjectKeyFromObject(r), r)
		return len(r.Status.Conditions) > 0 && r.Status.Conditions[0].ObservedGeneration == r.Generation, err
	})
}
