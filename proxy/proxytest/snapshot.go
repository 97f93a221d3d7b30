package proxytest

import (
	"fmt"

	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Parts are the parts of a snapshot, sealed.
type Parts struct {
	Listeners []*snapshot.Listener
	Routes    []*snapshot.Route
	Clusters  []*snapshot.Cluster
	TLS       []*snapshot.TLSPolicy
	Secrets   []*snapshot.Secret
}

// Snapshot makes a snapshot whose routes stand in the order of the list.
func Snapshot(p Parts) *snapshot.Snapshot {
	return snapshot.New(snapshot.Snapshot{
		Listeners: p.Listeners,
		Routes:    tree(p.Routes, func(i int) string { return fmt.Sprintf("%06d", i) }),
		Clusters:  tree(p.Clusters, func(i int) string { return p.Clusters[i].Name }),
		TLS:       tree(p.TLS, func(i int) string { return p.TLS[i].Host }),
		Secrets:   tree(p.Secrets, func(i int) string { return p.Secrets[i].Ref.String() }),
	})
}

func tree[T any](parts []*T, key func(int) string) *radix.Tree[T] {
	return radix.Collect(func(yield func(string, *T) bool) {
		for i, p := range parts {
			if !yield(key(i), p) {
				return
			}
		}
	})
}
