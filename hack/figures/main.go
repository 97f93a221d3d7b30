// Command figures measures Penstock with its controller on, against a real API server: the rows of docs/benchmarks.md that speak of
// Kubernetes. It starts kube-apiserver and etcd from KUBEBUILDER_ASSETS, the binary bin/penstock as it ships, and backends
// on loopback; it prints a line a figure and exits non-zero if a request failed or a change was not seen.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

var figures = []struct {
	name, about string
	parts       []func(context.Context, *lab) error
}{
	{"latency", "time from the create of a route to its first 200, added one by one to -routes", parts(latency)},
	{"churn", "failed requests during 100 route changes and 100 endpoint changes under load", parts(churn)},
	{"memory", "resident memory at -routes, and after as many changes again", parts(memory)},
	{"cost", "CPU and allocated bytes of one change, at 100, 1,000 and 10,000 routes, in both shapes", parts(costOfHosts, costOfPaths)},
	{"relist", "p99 of requests while every informer lists -routes and all else anew, beside the same without", parts(relist)},
}

func parts(all ...func(context.Context, *lab) error) []func(context.Context, *lab) error { return all }

func main() {
	binary := flag.String("binary", "bin/penstock", "the binary to measure")
	routes := flag.Int("routes", 0, "number of routes; 0 for the figure's own")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: figures [flags] figure...")
		for _, f := range figures {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-8s %s\n", f.name, f.about)
		}
		flag.PrintDefaults()
	}
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, name := range flag.Args() {
		if err := measure(ctx, name, *binary, *routes); err != nil {
			fmt.Fprintf(os.Stderr, "figures: %s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

func measure(ctx context.Context, name, binary string, routes int) error {
	for _, f := range figures {
		if f.name != name {
			continue
		}
		for _, part := range f.parts {
			if err := measurePart(ctx, part, binary, routes); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("no such figure")
}

// measurePart runs in a laboratory of its own, so that no part sees another's leftovers.
func measurePart(ctx context.Context, part func(context.Context, *lab) error, binary string, routes int) error {
	l, err := newLab(ctx, binary, routes)
	if err != nil {
		return err
	}
	defer l.close()
	return part(ctx, l)
}
