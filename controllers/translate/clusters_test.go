package translate

import (
	"slices"
	"testing"

	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

func TestClustersOf(t *testing.T) {
	var clusters radix.Builder[snapshot.Cluster]
	for _, name := range []string{
		"a-b/c:80", "a/b-c:80", "a/b:80", "a/b:8080", "a/bc:80", "b.example.com:80",
	} {
		clusters.Put(name, &snapshot.Cluster{Name: name})
	}
	s := snapshot.Snapshot{Clusters: clusters.Tree()}
	tests := []struct {
		name, namespace, service string
		want                     []string
	}{
		{"two ports", "a", "b", []string{"a/b:80", "a/b:8080"}},
		{"a name that starts with that of another", "a", "bc", []string{"a/bc:80"}},
		{"a dash sorts before the colon", "a", "b-c", []string{"a/b-c:80"}},
		{"the first", "a-b", "c", []string{"a-b/c:80"}},
		{"no such Service", "a", "a", nil},
		{"behind the last", "z", "z", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range ClustersOf(&s, tt.namespace, tt.service) {
				got = append(got, c.Name)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
