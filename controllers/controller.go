// Package controllers turns what a cluster wants into what the data plane serves: it watches, translates, applies and
// reports. Nothing that fails here ends the process, or takes away what is served.
package controllers

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/controllers/lastgood"
	"github.com/penstock/penstock/controllers/publish"
	"github.com/penstock/penstock/controllers/replicas"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/filter"
)

// Options are what a Controller needs.
type Options struct {
	// Config says where the API server is.
	Config *rest.Config
	// Secrets says which Secrets are read; empty: SecretsReferenced. Of ConfigMaps those are that routes name.
	Secrets SecretAccess
	// Election chooses the replica that writes statuses. In its namespace each replica reports what it serves.
	Election Election
	// Replica says who this one is.
	Replica Replica
	// Sharing is how others reach this replica to share rate limits, and SetPeers is told which others there are; nil: none are shared.
	Sharing  *replicas.Sharing
	SetPeers func([]Peer)
	// Service is the one through which requests reach the replicas, in the namespace of the Election: routes have its addresses, and
	// its ready endpoints are awaited before a route is Ready. Empty: none is known.
	Service string
	// Ingress says that Ingresses are watched and served, as well as GatewayRoutes.
	Ingress bool
	// Translate has the settings of the installation. Its Namespaces are those that are watched.
	Translate translate.Options
	Filters   filter.Registry
	// Fetching knows what the filters of the Gateway can't fetch at present; nil: there is nothing.
	Fetching Fetching
	Gateway  Gateway
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	// StateDir is the folder for the last good state; empty: none is kept.
	StateDir string
	// StaleAfter is how long the API server must have been unreachable before the last good state is served; 0 means
	// DefaultStaleAfter.
	StaleAfter time.Duration
	Now        func() time.Time
}

// DefaultStaleAfter is the StaleAfter unless told otherwise. The container before served that state until moments ago, and clients of
// this one wait.
const DefaultStaleAfter = 2 * time.Second

// Controller keeps a Gateway at what the cluster wants, and the statuses at what the Gateway does. It is safe for
// concurrent use, and Run is called once.
type Controller struct {
	options Options
	metrics *metrics
	written *publish.Metrics
	scheme  *runtime.Scheme

	translator *translate.Translator // used by one session at a time
	endpoints  *endpoints
	serving    *serving
	grants     *grants
	secrets    *values[*corev1.Secret]
	configMaps *values[*corev1.ConfigMap]
	peers      *peers
	reporter   *replicas.Reporter
	keeper     *lastgood.Keeper // nil without StateDir
	prober     prober
	session    atomic.Pointer[session]
}

// New makes a Controller. It connects to nothing yet.
func New(o Options) (*Controller, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	p, err := newProber(o.Config, scheme)
	if err != nil {
		return nil, err
	}
	m := newMetrics(o.Metrics)
	c := &Controller{
		options: o, metrics: m, written: publish.NewMetrics(o.Metrics), scheme: scheme,
		translator: translate.NewTranslator(o.Filters), prober: p,
		endpoints: &endpoints{gateway: o.Gateway, metrics: m, changed: func() {}},
		serving:   &serving{gateway: o.Gateway, metrics: m, changed: func() {}},
	}
	c.peers = newPeers(c)
	if c.reporter, err = newReporter(o, c.reportReached); err != nil {
		return nil, err
	}
	c.grants = newGrants(c.newCache, c.grantChanged, o.Log)
	reader, err := c.newReader()
	if err != nil {
		return nil, err
	}
	c.secrets = newValues(secretKind, cmp.Or(o.Secrets, SecretsReferenced), o, m, reader, c.newCacheIn)
	c.configMaps = newValues(configMapKind, SecretsReferenced, o, m, reader, c.newCacheIn)
	c.secrets.noted, c.secrets.changed = c.noteOf(kindSecret), c.enqueue
	c.configMaps.noted, c.configMaps.changed = c.noteOf(kindConfigMap), c.enqueue
	if o.Fetching != nil {
		o.Fetching.OnChange(c.enqueue)
	}
	if o.StateDir != "" {
		state := func() lastgood.State {
			return lastgood.State{Snapshot: o.Gateway.Snapshot(), Endpoints: c.endpoints.all()}
		}
		c.keeper = lastgood.NewKeeper(o.StateDir, state, o.Log, o.Metrics)
		c.serving.changed, c.endpoints.changed = c.keeper.Changed, c.keeper.Changed
	}
	return c, nil
}

// Ready reports whether this replica should get traffic, and why or why not.
func (c *Controller) Ready() (bool, string) {
	ok, why := c.serving.ready()
	if ok && c.serving.from.Load() == cluster && !c.peers.caughtUp() {
		return false, "catching up with the other replicas"
	}
	return ok, why
}

// Run works until ctx ends. Whatever fails meanwhile is logged, counted and tried again.
func (c *Controller) Run(ctx context.Context) {
	ctx = logr.NewContext(ctx, logr.FromSlogHandler(c.options.Log.Handler())) // what client-go logs with
	var running sync.WaitGroup
	running.Go(func() { c.persevere(ctx, "controller", c.runSession) })
	running.Go(func() { c.persevere(ctx, "grants", c.grants.Run) })
	running.Go(func() { c.persevere(ctx, "secrets", c.secrets.Run) })
	running.Go(func() { c.persevere(ctx, "configMaps", c.configMaps.Run) })
	running.Go(func() { c.persevere(ctx, "replicas", c.peers.Run) })
	running.Go(func() { c.peers.keepLevel(ctx) })
	running.Go(func() { c.reporter.Run(ctx) })
	if c.keeper != nil {
		running.Go(func() { c.keeper.Run(ctx) })
		running.Go(func() { c.restoreUnlessReachable(ctx) })
	}
	running.Wait()
}

const (
	firstRestart = 500 * time.Millisecond
	lastRestart  = 30 * time.Second
)

// persevere runs f again and again until ctx ends, after ever longer rests while it fails at once.
func (c *Controller) persevere(ctx context.Context, what string, f func(context.Context) error) {
	rest := firstRestart
	for {
		began := time.Now()
		err := f(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > lastRestart {
			rest = firstRestart
		}
		c.options.Log.Error("failed, will be started again", "part", what, "error", err, "rest", rest)
		c.metrics.restarts.Inc()
		pause(ctx, rest)
		rest = min(2*rest, lastRestart)
	}
}

// restoreUnlessReachable serves the last good state if the API server can't be reached for a time after the start.
func (c *Controller) restoreUnlessReachable(ctx context.Context) {
	if !c.prober.unreachable(ctx, cmp.Or(c.options.StaleAfter, DefaultStaleAfter), c.served) {
		return
	}
	state, err := lastgood.Load(c.options.StateDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.options.Log.Warn("no API server, and no last good state to serve")
	case err != nil:
		c.options.Log.Error("no API server, and the last good state is refused", "error", err)
	case c.serving.restore(state):
		c.options.Log.Warn("no API server: serving the last good state", "version", state.Snapshot.Version, "routes", state.Snapshot.Routes.Len())
	}
}

// served reports whether anything is served.
func (c *Controller) served() bool {
	ok, _ := c.serving.ready()
	return ok
}

// enqueue asks for another translation.
func (c *Controller) enqueue() {
	if s := c.session.Load(); s != nil {
		s.enqueue()
	}
}

// grantChanged asks for a translation that looks at a grant.
func (c *Controller) grantChanged(name types.NamespacedName, resourceVersion string) {
	s := c.session.Load()
	if s == nil { // the first translation of a session looks at all of them
		return
	}
	if resourceVersion == "" {
		s.pending.addAll()
	}
	s.pending.add(kindGrant, name)
	s.progress.note(kindGrant, name, resourceVersion, true)
	s.enqueue()
}

// noteOf returns a function that has the next translation look at an object of a kind.
func (c *Controller) noteOf(kind string) func(types.NamespacedName) {
	return func(name types.NamespacedName) {
		if s := c.session.Load(); s != nil {
			s.pending.add(kind, name)
		}
	}
}

// failing is translate.Input.Failing.
func (c *Controller) failing() map[string]string {
	if c.options.Fetching == nil {
		return nil
	}
	return c.options.Fetching.Failing()
}

// cacheMaker makes a cache of some kinds in some namespaces, none for all, whose objects are read through the stores.
type cacheMaker func(namespaces []string, s *stores, kinds map[client.Object]cache.ByObject) (cache.Cache, error)

// newCache makes a cache of the given kinds, in the namespaces that are watched.
func (c *Controller) newCache(kinds map[client.Object]cache.ByObject) (cache.Cache, *stores, error) {
	s := newStores(c.metrics)
	made, err := c.newCacheIn(c.options.Translate.Namespaces, s, kinds)
	return made, s, err
}

func (c *Controller) newCacheIn(namespaces []string, s *stores, kinds map[client.Object]cache.ByObject) (cache.Cache, error) {
	o := cacheOptions(namespaces, s, kinds)
	o.Scheme = c.scheme
	o.Mapper = newMapper()
	return cache.New(c.options.Config, o)
}

func cacheOptions(namespaces []string, s *stores, kinds map[client.Object]cache.ByObject) cache.Options {
	o := cache.Options{NewInformer: s.newInformer, ByObject: kinds, ReaderFailOnMissingInformer: true}
	if len(namespaces) > 0 {
		o.DefaultNamespaces = make(map[string]cache.Config, len(namespaces))
		for _, n := range namespaces {
			o.DefaultNamespaces[n] = cache.Config{}
		}
	}
	return o
}

// newReader makes a reader that asks the API server, with a limit of requests of its own.
func (c *Controller) newReader() (client.Reader, error) {
	config := rest.CopyConfig(c.options.Config)
	config.QPS, config.Burst = valueRate, valueRate
	return client.New(config, client.Options{Scheme: c.scheme, Mapper: newMapper()})
}
