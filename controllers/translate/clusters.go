package translate

import (
	"iter"

	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

const kindService = "Service"

// clusterPrefix is what the names of the clusters of a Service start with, before the port number.
func clusterPrefix(namespace, service string) string { return namespace + "/" + service + ":" }

// ClustersOf yields the clusters of s that stand for ports of a Service.
func ClustersOf(s *snapshot.Snapshot, namespace, service string) iter.Seq2[string, *snapshot.Cluster] {
	return s.Clusters.Under(clusterPrefix(namespace, service))
}

// clusterSet counts who refers to a cluster and keeps those that someone refers to.
type clusterSet struct {
	uses map[string]int
	list radix.Builder[snapshot.Cluster]
	// touched came into use or fell out of it since the set was settled, maybe more than once.
	touched map[string]*snapshot.Cluster
}

func newClusterSet() *clusterSet {
	return &clusterSet{uses: map[string]int{}, touched: map[string]*snapshot.Cluster{}}
}

// retain counts a reference to each of clusters. The first of a name stays: clusters of one name are equal.
func (s *clusterSet) retain(clusters []*snapshot.Cluster) {
	for _, c := range clusters {
		if s.uses[c.Name] == 0 {
			s.touched[c.Name] = c
		}
		s.uses[c.Name]++
	}
}

// release takes back what retain counted.
func (s *clusterSet) release(clusters []*snapshot.Cluster) {
	for _, c := range clusters {
		s.uses[c.Name]--
		if s.uses[c.Name] == 0 {
			s.touched[c.Name] = c
		}
	}
}

// settle brings the list up to date.
func (s *clusterSet) settle() {
	for name, c := range taken(&s.touched) {
		switch {
		case s.uses[name] == 0:
			delete(s.uses, name)
			s.list.Put(name, nil)
		case s.list.Get(name) == nil:
			s.list.Put(name, c)
		}
	}
}
