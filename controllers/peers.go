package controllers

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/replicas"
)

// +kubebuilder:rbac:groups="",namespace=penstock-system,resources=services,verbs=list;watch
// +kubebuilder:rbac:groups=discovery.k8s.io,namespace=penstock-system,resources=endpointslices,verbs=list;watch

// Replica says who this replica is to the others.
type Replica struct {
	// PodUID is that of the Pod named as Election.Identity; empty outside of Pods.
	PodUID types.UID
	// Addresses are those at which it serves, IP addresses.
	Addresses []string
	// Release is the version of the program.
	Release string
}

// peers knows the other replicas and the Service in front of all, in the namespace of the Leases. It is safe for concurrent use.
type peers struct {
	*Controller
	view  *replicas.View
	level level
	// known is closed when the replicas there are have been read.
	known chan struct{}
	learn func()

	mu    sync.Mutex
	front []v1alpha1.Address
}

func newPeers(c *Controller) *peers {
	known := make(chan struct{})
	p := &peers{
		Controller: c, view: replicas.NewView(c.options.Log, c.options.Now),
		known: known, learn: sync.OnceFunc(func() { close(known) }),
	}
	c.options.Metrics.MustRegister(p.view)
	return p
}

// Run watches until ctx ends.
func (p *peers) Run(ctx context.Context) error {
	s := newStores(p.metrics)
	namespace := p.options.Election.Namespace
	c, err := p.newCacheIn([]string{namespace}, s, p.kinds())
	if err != nil {
		return fmt.Errorf("watch replicas: %w", err)
	}
	look := func(any) { p.look(s) }
	for kind := range p.kinds() {
		i, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watch replicas: %w", err)
		}
		if _, err := i.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: look, UpdateFunc: func(_, o any) { look(o) }, DeleteFunc: look,
		}); err != nil {
			return fmt.Errorf("watch replicas: %w", err)
		}
	}
	go func() {
		if c.WaitForCacheSync(ctx) {
			p.look(s)
			p.learn()
		}
	}()
	return c.Start(ctx)
}

// kinds are what is watched. They are few, so nothing is dropped from them.
func (p *peers) kinds() map[client.Object]cache.ByObject {
	out := map[client.Object]cache.ByObject{&coordinationv1.Lease{}: {
		Label: p.leasesOfClass(),
	}}
	if p.options.Service != "" {
		out[&corev1.Service{}] = cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", p.options.Service)}
		out[&discoveryv1.EndpointSlice{}] = cache.ByObject{
			Label: labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: p.options.Service}),
		}
	}
	return out
}

// look takes notice of all there is.
func (p *peers) look(s *stores) {
	p.mu.Lock()
	p.front = addressesOf(list[*corev1.Service](s))
	p.mu.Unlock()
	if p.options.Service != "" {
		p.view.SetFront(ready(list[*discoveryv1.EndpointSlice](s)))
	}
	leases := list[*coordinationv1.Lease](s)
	p.view.Replace(leases)
	if p.options.SetPeers != nil {
		p.options.SetPeers(sharers(leases, p.options.Election.Identity))
	}
}

// Peer is another replica, with which rate limits are shared.
type Peer struct {
	Address netip.AddrPort
	// Key is its public key, of Ed25519.
	Key []byte
}

// sharers are the replicas that share rate limits, but this one. Those that have ended but whose Leases are there are among them.
func sharers(leases []*coordinationv1.Lease, self string) (out []Peer) {
	for _, l := range leases {
		r, err := replicas.Parse(l)
		if err != nil || r.Name == self || r.Sharing == nil || len(r.Addresses) == 0 {
			continue // the View complains of what is not understood
		}
		if a, err := netip.ParseAddr(r.Addresses[0]); err == nil {
			out = append(out, Peer{Address: netip.AddrPortFrom(a, r.Sharing.Port), Key: r.Sharing.Key})
		}
	}
	return out
}

// ready returns the addresses that get requests.
func ready(all []*discoveryv1.EndpointSlice) map[string]bool {
	out := map[string]bool{}
	for _, slice := range all {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			for _, a := range e.Addresses {
				out[a] = true
			}
		}
	}
	return out
}

// addressesOf returns where Services can be reached from outside.
func addressesOf(services []*corev1.Service) (out []v1alpha1.Address) {
	for _, s := range services {
		for _, at := range s.Status.LoadBalancer.Ingress {
			if at.IP != "" {
				out = append(out, v1alpha1.Address{Type: v1alpha1.AddressIP, Value: at.IP})
			}
			if at.Hostname != "" {
				out = append(out, v1alpha1.Address{Type: v1alpha1.AddressHostname, Value: at.Hostname})
			}
		}
	}
	return out[:min(len(out), maxAddresses)]
}

// maxAddresses is the bound of the API.
const maxAddresses = 16

// addresses are where this installation can be reached.
func (p *peers) addresses() []v1alpha1.Address {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.front
}

// await waits until it is known what the others have reached, at most for a time.
func (p *peers) await(ctx context.Context) {
	t := time.NewTimer(peerPatience)
	defer t.Stop()
	select {
	case <-p.known:
	case <-ctx.Done():
		return
	case <-t.C:
		p.options.Log.Warn("serving without knowing the other replicas, whose Leases can't be read", "waited", peerPatience)
		p.learn()
	}
	if since, ok := p.level.asks(starting); ok {
		p.level.aim(since, p.view.Furthest(p.options.Election.Identity).Where(p.options.watches), p.options.Now())
	}
}

// newReporter makes what tells the others what this replica serves.
func newReporter(o Options, due func()) (*replicas.Reporter, error) {
	c, err := coordinationv1client.NewForConfig(rest.CopyConfig(o.Config))
	if err != nil {
		return nil, fmt.Errorf("leases of %s: %w", o.Election.Namespace, err)
	}
	r := &replicas.Reporter{
		Identity: replicas.Identity{
			Class: o.Translate.ClassName, Namespace: o.Election.Namespace, Name: o.Election.Identity, Pod: o.Replica.PodUID,
		},
		Leases: c.Leases(o.Election.Namespace), Due: due, Log: o.Log, Now: o.Now,
	}
	r.Begin(replicas.Report{
		Incarnation: o.Now().UTC().Format(time.RFC3339Nano), Release: o.Replica.Release, Addresses: o.Replica.Addresses,
		Sharing: o.Sharing,
	})
	return r, nil
}
