package translate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/penstock/penstock/proxy/snapshot"
)

const kindService = "Service"

// clusterPrefix is what the names of the clusters of a Service start with, before the port number.
func clusterPrefix(namespace, service string) string { return namespace + "/" + service + ":" }

// ClustersOf returns the clusters of s that stand for ports of a Service. It takes a binary search: clusters are sorted
// by name, and those of one Service stand together.
func ClustersOf(s *snapshot.Snapshot, namespace, service string) []*snapshot.Cluster {
	prefix := clusterPrefix(namespace, service)
	first, _ := slices.BinarySearchFunc(s.Clusters, prefix, func(c *snapshot.Cluster, prefix string) int {
		return cmp.Compare(c.Name, prefix)
	})
	end := first
	for end < len(s.Clusters) && strings.HasPrefix(s.Clusters[end].Name, prefix) {
		end++
	}
	return s.Clusters[first:end:end]
}

// clusterSet counts who refers to a cluster and keeps those that someone refers to in order.
type clusterSet struct {
	uses map[string]*clusterUse
	// listed is never written: snapshots hold it.
	listed []*snapshot.Cluster
	// touched came into use or fell out of it since the last listing, maybe more than once.
	touched map[*clusterUse]struct{}
}

type clusterUse struct {
	cluster *snapshot.Cluster
	count   int
	listed  bool
}

func newClusterSet() *clusterSet {
	return &clusterSet{uses: map[string]*clusterUse{}, touched: map[*clusterUse]struct{}{}}
}

// retain counts a reference to each of clusters. The first of a name stays: clusters of one name are equal.
func (s *clusterSet) retain(clusters []*snapshot.Cluster) {
	for _, c := range clusters {
		u := s.uses[c.Name]
		if u == nil {
			u = &clusterUse{cluster: c}
			s.uses[c.Name] = u
			s.touched[u] = struct{}{}
		}
		u.count++
	}
}

// release takes back what retain counted.
func (s *clusterSet) release(clusters []*snapshot.Cluster) {
	for _, c := range clusters {
		u := s.uses[c.Name]
		u.count--
		if u.count == 0 {
			s.touched[u] = struct{}{}
		}
	}
}

// list returns the clusters in use by name, and whether they differ from those of the last time.
func (s *clusterSet) list() ([]*snapshot.Cluster, bool) {
	var added, removed []*snapshot.Cluster
	for u := range s.touched {
		switch {
		case u.count > 0 && !u.listed:
			added = append(added, u.cluster)
		case u.count == 0 && u.listed:
			removed = append(removed, u.cluster)
		}
		if u.listed = u.count > 0; !u.listed {
			delete(s.uses, u.cluster.Name)
		}
	}
	clear(s.touched)
	if len(added)+len(removed) == 0 {
		return s.listed, false
	}
	s.listed = splice(s.listed, removed, added, compareClusters)
	return s.listed, true
}

func compareClusters(a, b *snapshot.Cluster) int { return cmp.Compare(a.Name, b.Name) }
