//go:build !quickstart

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/controllers/replicas"
	"github.com/penstock/penstock/proxy/limit/sharing/mesh"
	"github.com/penstock/penstock/proxy/snapshot"
)

// controlPlane are the flags of serve alone.
type controlPlane struct {
	kubeconfig     string
	namespaces     []string
	ingress        bool
	secrets        string
	leaseNamespace string
	leaseName      string
	identity       string
	service        string
	podUID         string
	podIPs         []string
	stateDir       string
	staleAfter     time.Duration
}

func (c *controlPlane) add(f *pflag.FlagSet) {
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "kubeconfig file; by default the Pod's service account, or else $KUBECONFIG or ~/.kube/config")
	f.StringSliceVar(&c.namespaces, "namespaces", nil, "namespaces to watch, and so to serve routes of; by default all")
	f.BoolVar(&c.ingress, "ingress", true, "serve Ingresses (networking.k8s.io/v1) too: those of an IngressClass of this installation, see docs/ingress.md")
	f.StringVar(&c.secrets, "secrets", string(controllers.SecretsReferenced), "which Secrets to read: referenced (those that routes name), all (of the namespaces that are watched) or none")
	f.StringVar(&c.leaseNamespace, "leader-election-namespace", "", "namespace of the Lease by which replicas choose who writes status; by default the Pod's")
	f.StringVar(&c.leaseName, "leader-election-name", "", "name of that Lease; by default the class name")
	f.StringVar(&c.identity, "leader-election-identity", "", "name of this replica in the Lease; by default the host name, which in a Pod is the Pod's")
	f.StringVar(&c.service, "service", "", "name of the Service, in the namespace of that Lease, through which requests reach the replicas: its addresses are shown in the status of routes, and its ready endpoints are awaited before a route is Ready")
	f.StringVar(&c.podUID, "pod-uid", os.Getenv("POD_UID"), "UID of this Pod, with which this replica's Lease goes; by default $POD_UID")
	f.StringSliceVar(&c.podIPs, "pod-ips", addresses(os.Getenv("POD_IPS")), "addresses of this Pod, separated by commas; by default $POD_IPS")
	f.StringVar(&c.stateDir, "state-dir", "", "folder, best in memory, for the last good state, which is served if the API server is away when this process starts; empty for none")
	f.DurationVar(&c.staleAfter, "stale-after", controllers.DefaultStaleAfter, "how long the API server must be away before the last good state is served")
}

// addresses splits a list as the downward API writes it.
func addresses(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

func (c *controlPlane) config() (*rest.Config, error) {
	if c.kubeconfig == "" {
		return ctrl.GetConfig()
	}
	return clientcmd.BuildConfigFromFlags("", c.kubeconfig)
}

// watched are the namespaces to watch. An empty name, as a trailing comma makes one, would mean all of them.
func (c *controlPlane) watched() ([]string, error) {
	for _, namespace := range c.namespaces {
		if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
			return nil, fmt.Errorf("--namespaces: %q is no name of a namespace: %s", namespace, problems[0])
		}
	}
	return c.namespaces, nil
}

func (c *controlPlane) secretAccess() (controllers.SecretAccess, error) {
	a := controllers.SecretAccess(c.secrets)
	if !slices.Contains([]controllers.SecretAccess{controllers.SecretsReferenced, controllers.SecretsAll, controllers.SecretsNone}, a) {
		return "", fmt.Errorf("--secrets: %q is none of referenced, all and none", c.secrets)
	}
	return a, nil
}

// podNamespace is where a Pod finds the name of its namespace.
const podNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func (c *controlPlane) election(class string) (controllers.Election, error) {
	e := controllers.Election{Namespace: c.leaseNamespace, Name: c.leaseName, Identity: c.identity}
	if e.Namespace == "" {
		b, err := os.ReadFile(podNamespace)
		if err != nil {
			return e, errors.New("--leader-election-namespace is needed outside of a Pod")
		}
		e.Namespace = strings.TrimSpace(string(b))
	}
	if e.Name == "" {
		e.Name = class
	}
	if e.Identity == "" {
		host, err := os.Hostname()
		if err != nil {
			return e, fmt.Errorf("--leader-election-identity: %w", err)
		}
		e.Identity = host
	}
	return e, nil
}

func serveCommand() *cobra.Command {
	var flags dataPlane
	var meaning translation
	var control controlPlane
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the GatewayRoutes and Ingresses of a cluster",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return serve(c.Context(), flags, meaning, control) },
	}
	flags.add(c.Flags())
	meaning.add(c.Flags())
	control.add(c.Flags())
	return c
}

func serve(ctx context.Context, flags dataPlane, meaning translation, control controlPlane) error {
	options, err := meaning.options()
	if err != nil {
		return err
	}
	if options.Namespaces, err = control.watched(); err != nil {
		return err
	}
	if len(flags.rateLimits.peers.addresses) > 0 || flags.rateLimits.peers.secretFile != "" {
		return errors.New("--rate-limit-peers and --rate-limit-peers-secret-file are for penstock standalone: replicas in a cluster find and know each other by their Leases")
	}
	config, err := control.config()
	if err != nil {
		return err
	}
	election, err := control.election(options.ClassName)
	if err != nil {
		return err
	}
	secrets, err := control.secretAccess()
	if err != nil {
		return err
	}
	p, err := newProcess(flags, options.AllowExternalBackends)
	if err != nil {
		return err
	}
	// What client-go and controller-runtime say belongs into the same log.
	logger := logr.FromSlogHandler(p.log.Handler())
	klog.SetLogger(logger)
	ctrl.SetLogger(logger)
	o := controllers.Options{
		Config: config, Ingress: control.ingress, Secrets: secrets, Election: election, Service: control.service,
		Replica:   controllers.Replica{PodUID: types.UID(control.podUID), Addresses: control.podIPs, Release: version},
		Translate: options, Filters: p.filters, Fetching: p.tokens, Gateway: withFaults(served{p}, p.log),
		Log: p.log, Metrics: p.metrics, StateDir: control.stateDir, StaleAfter: control.staleAfter, Now: time.Now,
	}
	if peers := p.limiter.peers; peers != nil {
		o.Sharing = &replicas.Sharing{Port: peers.port, Key: peers.key[:]}
		o.SetPeers = func(all []controllers.Peer) { peers.SetPeers(trusted(all)) }
	}
	c, err := controllers.New(o)
	if err != nil {
		return err
	}
	feed := func(ctx context.Context) error { c.Run(ctx); return nil }
	return p.run(ctx, options.Listeners, feed, c.Ready)
}

// trusted are replicas as the mesh knows them; those whose key is none are left out.
func trusted(all []controllers.Peer) (out []mesh.Peer) {
	for _, p := range all {
		if len(p.Key) == len(mesh.Key{}) {
			out = append(out, mesh.Peer{Address: p.Address, Key: mesh.Key(p.Key)})
		}
	}
	return out
}

// served is the gateway as the controller sees it.
type served struct{ *process }

func (s served) Apply(next *snapshot.Snapshot) []controllers.Problem {
	problems := s.apply(next)
	out := make([]controllers.Problem, len(problems))
	for i, p := range problems {
		out[i] = controllers.Problem(p)
	}
	return out
}

func (s served) SetEndpoints(cluster string, endpoints []snapshot.Endpoint) {
	s.gateway.SetEndpoints(cluster, endpoints)
}
func (s served) Snapshot() *snapshot.Snapshot { return s.gateway.Snapshot() }
