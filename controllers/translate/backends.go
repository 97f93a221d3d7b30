package translate

import (
	"net"
	"strconv"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/snapshot"
)

// backends translates the backends of a rule, and returns with them the clusters that they name. It reports whether the
// rule can serve any request with them; a bad one among good ones rejects its share.
func (j *job) backends(list []v1alpha1.Backend, at *field.Path) ([]snapshot.Backend, []*snapshot.Cluster, bool) {
	if len(list) == 0 {
		return nil, nil, true // a filter answers
	}
	var out []snapshot.Backend
	var clusters []*snapshot.Cluster
	var sum uint32
	for i := range list {
		b, cluster := j.backend(&list[i], at.Index(i))
		if cluster != nil {
			clusters = append(clusters, cluster)
		}
		sum += b.Weight
		out = append(out, b)
	}
	if sum == 0 {
		j.notAccepted(weightless(j.rule, at))
	}
	return out, clusters, sum > 0 && len(clusters) > 0
}

// backend translates one backend. Without a cluster it rejects.
func (j *job) backend(b *v1alpha1.Backend, at *field.Path) (snapshot.Backend, *snapshot.Cluster) {
	out := snapshot.Backend{Origin: j.origin(at), Weight: 1}
	if b.Weight != nil {
		out.Weight = uint32(*b.Weight)
	}
	filters, ok := j.backendFilters("Backend "+at.String(), b.Filters, at.Child("filters"))
	cluster := j.cluster(b)
	if cluster == nil || !ok {
		out.Reject = unresolved
		return out, nil
	}
	out.Cluster, out.Filters = cluster.Name, filters
	return out, cluster
}

// cluster finds what a backend refers to; nil if it can't be used.
func (j *job) cluster(b *v1alpha1.Backend) *snapshot.Cluster {
	if b.Host != "" {
		return j.host(b.Host, b.Port.IntVal)
	}
	name := types.NamespacedName{Namespace: b.Namespace, Name: b.Service}
	if name.Namespace == "" {
		name.Namespace = j.route.Namespace
	}
	if !j.options.watches(name.Namespace) {
		j.notResolved(namespaceNotWatched(name))
		return nil
	}
	// Permission comes first: without it, not even what exists is told.
	if !j.permitted(name) {
		j.notResolved(refNotPermitted(name, j.route.Namespace))
		return nil
	}
	s, ok := j.service(name)
	switch {
	case !ok:
		j.notResolved(serviceNotFound(name))
		return nil
	case s.external != "":
		return j.externalName(name, s, b.Port)
	}
	port, ok := s.port(b.Port)
	if !ok {
		j.notResolved(portNotFound(name, b.Port))
		return nil
	}
	return j.options.serviceCluster(name, port)
}

func (j *job) host(host string, port int32) *snapshot.Cluster {
	c := j.options.externalCluster(host, port)
	if !j.options.AllowExternalBackends {
		j.notResolved(externalBackendNotPermitted(c.Name))
		return nil
	}
	return c
}

// externalName resolves a Service that is another name of a host. Its ports are optional: a backend's number stands for
// itself.
func (j *job) externalName(name types.NamespacedName, s *service, want intstr.IntOrString) *snapshot.Cluster {
	if !j.options.AllowExternalName {
		j.notResolved(externalNameNotPermitted(name))
		return nil
	}
	port, ok := s.port(want)
	if !ok && want.Type == intstr.String {
		j.notResolved(portNotFound(name, want))
		return nil
	}
	if !ok {
		port = want.IntVal
	}
	return j.options.externalCluster(s.external, port)
}

// port returns the number of the TCP port with that number or name.
func (s *service) port(want intstr.IntOrString) (int32, bool) {
	for _, p := range s.ports {
		if want.Type == intstr.Int && p.number == want.IntVal || want.Type == intstr.String && p.name == want.StrVal {
			return p.number, true
		}
	}
	return 0, false
}

// serviceCluster describes the endpoints of a port of a Service. Like every cluster it is a function of its name and of
// the options, so that any two routes that refer to it agree.
func (o *Options) serviceCluster(name types.NamespacedName, port int32) *snapshot.Cluster {
	return o.seal(&snapshot.Cluster{
		Name:   clusterPrefix(name.Namespace, name.Name) + strconv.Itoa(int(port)),
		Origin: snapshot.Origin{Kind: kindService, Namespace: name.Namespace, Name: name.Name},
	})
}

// externalCluster describes a host outside the cluster. Several objects may refer to it; none is its origin.
func (o *Options) externalCluster(host string, port int32) *snapshot.Cluster {
	return o.seal(&snapshot.Cluster{
		Name: net.JoinHostPort(host, strconv.Itoa(int(port))),
		Host: host, Port: uint16(port),
	})
}

func (o *Options) seal(c *snapshot.Cluster) *snapshot.Cluster {
	c.Protocol, c.Balancer, c.ConnectTimeout = snapshot.HTTP, o.Balancer, o.ConnectTimeout
	return c.Seal()
}
