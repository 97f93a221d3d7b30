package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/publish"
	"github.com/penstock/penstock/controllers/replicas"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// +kubebuilder:rbac:groups=gateway.penstock.io,resources=gatewayroutes;ratelimitpolicies,verbs=list;watch
// +kubebuilder:rbac:groups=gateway.penstock.io,resources=gatewayroutes/status;ratelimitpolicies/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces;services,verbs=list;watch
// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=list;watch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses;ingressclasses,verbs=list;watch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses/status,verbs=patch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=referencegrants,verbs=list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=referencegrants.gateway.networking.k8s.io,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=penstock-system,resources=leases,verbs=get;list;watch;create;update;patch;delete

const (
	// statusRate and statusBurst bound the requests a second that write statuses, so that a first start among many
	// objects, or a change to all of them, leaves the API server to others.
	statusRate  = 200
	statusBurst = 200
	// syncPatience is how long caches may take to sync before all is started anew, which helps no API server that is
	// merely away.
	syncPatience = 24 * time.Hour
	// maxRest bounds the rest after a translation. A lone change never waits; under a stream of them, each translation
	// is followed by a rest as long as itself, so that it takes at most half of a processor.
	maxRest = 20 * time.Millisecond
	// checkEvery is the time between two full walks, which find what events have not told.
	checkEvery = 5 * time.Minute
)

// session is the work with one manager of controller-runtime. A manager that fails has ended for good; what is served,
// and what is known of it, outlives it.
type session struct {
	*Controller
	stores   *stores
	manager  manager.Manager
	writer   *publish.Writer
	queue    work
	pending  pending
	progress progress
	// at is what the translation takes into account that is served, and changes where the latest changes among that were. Urgent says that
	// others may be waiting to hear of it.
	at, changes replicas.Positions
	urgent      bool
	// checkDue says that the next translation has to be checked by a full walk.
	checkDue atomic.Bool
	// fault is that of the default certificate, as it was last logged.
	fault string
}

// The kinds, besides our own, that translations depend on.
const (
	kindService      = "Service"
	kindGrant        = "ReferenceGrant"
	kindSecret       = "Secret"
	kindConfigMap    = "ConfigMap"
	kindNamespace    = "Namespace"
	kindIngressClass = "IngressClass"
)

// everything is the only key of the work queue: each translation is of all that has changed, so that a burst of events is
// one.
type everything struct{}

// runSession works until ctx ends or the manager fails.
func (c *Controller) runSession(ctx context.Context) error {
	// While caches are filled, endpoints stay as they are.
	c.endpoints.detach()
	s, err := c.newSession(ctx)
	if err != nil {
		return err
	}
	return s.manager.Start(ctx)
}

func (c *Controller) newSession(ctx context.Context) (s *session, err error) {
	s = &session{
		Controller: c, stores: newStores(c.metrics),
		pending: pending{all: true}, progress: progress{namespaces: c.options.Translate.Namespaces, stirred: true},
	}
	if s.manager, err = s.newManager(ctx); err != nil {
		return nil, fmt.Errorf("make manager: %w", err)
	}
	if err := s.addController(); err != nil {
		return nil, fmt.Errorf("make controller: %w", err)
	}
	if s.writer, err = s.newWriter(); err != nil {
		return nil, fmt.Errorf("make status writer: %w", err)
	}
	leader, err := newCandidate(c.options.Config, c.options.Election, s.writer.Run, s.progress.busyFor, c.metrics)
	if err != nil {
		return nil, err
	}
	// An election that fails costs statuses, not routes.
	return s, errors.Join(s.run(func(ctx context.Context) { s.persevere(ctx, "election", leader.run) }), s.run(s.checkNowAndThen))
}

// run has the manager run f beside the controller.
func (s *session) run(f func(context.Context)) error {
	return s.manager.Add(manager.RunnableFunc(func(ctx context.Context) error { f(ctx); return nil }))
}

// newManager makes a manager without what this process has elsewhere: an election, metrics, probes and webhooks.
func (s *session) newManager(ctx context.Context) (manager.Manager, error) {
	return ctrl.NewManager(s.options.Config, manager.Options{
		Scheme:                 s.scheme,
		MapperProvider:         func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return newMapper(), nil },
		Logger:                 logr.FromContextOrDiscard(ctx),
		BaseContext:            func() context.Context { return context.WithoutCancel(ctx) },
		Metrics:                server.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		Cache: cacheOptions(s.options.Translate.Namespaces, s.stores, byObject(
			&v1alpha1.GatewayRoute{}, &v1alpha1.RateLimitPolicy{}, &corev1.Service{}, &discoveryv1.EndpointSlice{}, &corev1.Namespace{},
			&networkingv1.Ingress{}, &networkingv1.IngressClass{},
		)),
	})
}

func (s *session) addController() error {
	again := true // a process makes a controller of this name with every session
	c, err := controller.NewTyped("penstock", s.manager, controller.TypedOptions[everything]{
		Reconciler: s, SkipNameValidation: &again, CacheSyncTimeout: syncPatience,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[everything](firstRestart, lastRestart),
	})
	if err != nil {
		return err
	}
	events := s.manager.GetCache()
	sources := []source.TypedSource[everything]{
		source.TypedFunc[everything](s.begin),
		kind(events, &v1alpha1.GatewayRoute{}, onSpec[*v1alpha1.GatewayRoute](s, v1alpha1.KindGatewayRoute)),
		kind(events, &v1alpha1.RateLimitPolicy{}, onSpec[*v1alpha1.RateLimitPolicy](s, v1alpha1.KindRateLimitPolicy)),
		kind(events, &corev1.Service{}, onService(s)),
		kind(events, &discoveryv1.EndpointSlice{}, onSlice(s)),
	}
	if s.options.Translate.SelectsNamespaces() {
		sources = append(sources, kind(events, &corev1.Namespace{}, onMeaning[*corev1.Namespace](s, kindNamespace)))
	}
	if s.options.Ingress {
		sources = append(sources,
			kind(events, &networkingv1.Ingress{}, onSpec[*networkingv1.Ingress](s, translate.KindIngress)),
			kind(events, &networkingv1.IngressClass{}, onMeaning[*networkingv1.IngressClass](s, kindIngressClass)))
	}
	for _, watched := range sources {
		if err := c.Watch(watched); err != nil {
			return err
		}
	}
	return nil
}

func kind[O client.Object](from cache.Cache, o O, h handlers[O]) source.TypedSource[everything] {
	return source.TypedKind[O, everything](from, o, h)
}

// begin asks for the first translation, which must be even if there is not one object, and opens the queue to others.
func (s *session) begin(_ context.Context, queue work) error {
	s.queue = queue
	s.session.Store(s)
	s.enqueue()
	return nil
}

func (s *session) enqueue() { s.queue.Add(everything{}) }

// newWriter makes a writer with a client of its own, whose limit of requests is not shared with watches.
func (s *session) newWriter() (*publish.Writer, error) {
	config := rest.CopyConfig(s.options.Config)
	config.QPS, config.Burst = statusRate, statusBurst
	c, err := client.New(config, client.Options{Scheme: s.scheme, Mapper: newMapper()})
	if err != nil {
		return nil, err
	}
	owner := "penstock-" + s.options.Translate.ClassName
	return publish.NewWriter(publish.Options{
		Client: c.Status(), Cached: s.cached, Events: s.manager.GetEventRecorder(owner), Owner: client.FieldOwner(owner),
		Replicas: s.peers.view, Place: s.progress.place, Addresses: s.peers.addresses,
		Log: s.options.Log, Metrics: s.written, Now: s.options.Now,
	}), nil
}

// cached returns an object that has a status as it was last seen; nil if there is none.
func (s *session) cached(o status.Object) client.Object {
	switch o.Kind {
	case v1alpha1.KindGatewayRoute:
		if r := get[*v1alpha1.GatewayRoute](s.stores, o.NamespacedName); r != nil {
			return r
		}
	case v1alpha1.KindRateLimitPolicy:
		if p := get[*v1alpha1.RateLimitPolicy](s.stores, o.NamespacedName); p != nil {
			return p
		}
	case translate.KindIngress:
		if i := get[*networkingv1.Ingress](s.stores, o.NamespacedName); i != nil {
			return i
		}
	}
	return nil
}

// Reconcile brings what is served, and what is said about it, up to date. Controller-runtime calls it once at a time, and
// only when the caches are synced. What was served stays if it panics, and controller-runtime calls it again.
func (s *session) Reconcile(ctx context.Context, _ everything) (reconcile.Result, error) {
	defer func() {
		if p := recover(); p != nil {
			// What a translator remembers after a panic is not to be trusted.
			s.translator = translate.NewTranslator(s.options.Filters)
			s.pending.addAll()
			s.metrics.restarts.Inc()
			panic(p)
		}
	}()
	s.grants.await(ctx)
	s.peers.await(ctx)
	if ctx.Err() != nil {
		return reconcile.Result{}, nil
	}
	start := time.Now()
	s.writer.Submit(s.renew(ctx))
	s.peers.level.compare(s.at)
	s.reporter.Serve(s.options.Gateway.Snapshot().Version, s.at, s.changes, s.urgent)
	s.urgent = false
	s.progress.settle()
	took := time.Since(start)
	s.metrics.translations.Observe(took.Seconds())
	s.options.Log.Debug("snapshot renewed", "version", s.options.Gateway.Snapshot().Version, "took", took)
	pause(ctx, min(took, maxRest))
	return reconcile.Result{}, nil
}

// renew makes the gateway serve what the caches hold, and returns what there is to say about it.
func (s *session) renew(ctx context.Context) publish.Submission {
	next, reports := s.translate()
	news := s.secrets.follow(ctx, s.translator.Secrets())
	if s.configMaps.follow(ctx, s.translator.ConfigMaps()) || news {
		next, reports = s.translate()
	}
	if s.checkDue.Swap(false) {
		next, reports = s.check(next, reports)
	}
	s.explainDefaultCertificate()
	// Endpoints first, so that the first request of a new route finds them.
	s.endpoints.follow(s.stores, next)
	return publish.Submission{Reports: reports, Faults: s.serving.apply(next), Seen: s.progress.now()}
}

// translate brings the translation up to date with what events told to have changed. That takes time in proportion to the
// change, where a walk over all objects would take it in proportion to them.
func (s *session) translate() (*snapshot.Snapshot, *radix.Tree[status.Report]) {
	noted, stirred := s.progress.take()
	s.at, s.changes, s.urgent = replicas.Furthest(s.at, noted), noted, s.urgent || stirred
	names, all := s.pending.take()
	if all {
		s.at = replicas.Furthest(s.at, s.progress.held(s.stores, s.grants.informers()))
		return s.translator.Translate(s.input())
	}
	return s.translator.Update(translate.Changes{
		Routes:               read(names, v1alpha1.KindGatewayRoute, from[*v1alpha1.GatewayRoute](s.stores)),
		Ingresses:            read(names, translate.KindIngress, from[*networkingv1.Ingress](s.stores)),
		IngressClasses:       read(names, kindIngressClass, from[*networkingv1.IngressClass](s.stores)),
		Policies:             read(names, v1alpha1.KindRateLimitPolicy, from[*v1alpha1.RateLimitPolicy](s.stores)),
		Services:             read(names, kindService, from[*corev1.Service](s.stores)),
		Grants:               read(names, kindGrant, s.grants.get),
		Secrets:              read(names, kindSecret, s.secrets.get),
		Unreadable:           read(names, kindSecret, s.secrets.isUnreadable),
		ConfigMaps:           read(names, kindConfigMap, s.configMaps.get),
		Failing:              s.failing(),
		UnreadableConfigMaps: read(names, kindConfigMap, s.configMaps.isUnreadable),
		Namespaces:           read(names, kindNamespace, from[*corev1.Namespace](s.stores)),
	})
}

// input is all that the caches hold.
func (s *session) input() translate.Input {
	return translate.Input{
		Routes:               list[*v1alpha1.GatewayRoute](s.stores),
		Ingresses:            list[*networkingv1.Ingress](s.stores),
		IngressClasses:       list[*networkingv1.IngressClass](s.stores),
		Policies:             list[*v1alpha1.RateLimitPolicy](s.stores),
		Services:             list[*corev1.Service](s.stores),
		Grants:               s.grants.list(),
		Secrets:              s.secrets.list(),
		Unreadable:           s.secrets.unreadable(),
		ConfigMaps:           s.configMaps.list(),
		Failing:              s.failing(),
		UnreadableConfigMaps: s.configMaps.unreadable(),
		Namespaces:           list[*corev1.Namespace](s.stores),
		Options:              s.options.Translate,
	}
}

// checkNowAndThen has a translation checked from time to time until ctx ends.
func (s *session) checkNowAndThen(ctx context.Context) {
	for pause(ctx, checkEvery); ctx.Err() == nil; pause(ctx, checkEvery) {
		s.checkDue.Store(true)
		s.Controller.enqueue()
	}
}

// check holds a translation of changes to what a walk over all objects gives, which is what it returns. They differ if an
// event was missed, or, in rare cases, is about to be handled.
func (s *session) check(next *snapshot.Snapshot, reports *radix.Tree[status.Report]) (*snapshot.Snapshot, *radix.Tree[status.Report]) {
	walked, walkedReports := s.translator.Translate(s.input())
	if walked != next || walkedReports != reports {
		s.metrics.corrections.Inc()
		s.options.Log.Warn("a change was found of which no event has told", "version", walked.Version)
	}
	return walked, walkedReports
}

// explainDefaultCertificate logs what is wrong with the default certificate, which no object's status can say.
func (s *session) explainDefaultCertificate() {
	fault := s.translator.DefaultCertificateFault()
	if fault != "" && fault != s.fault {
		s.options.Log.Warn("the default certificate can't be used", "fault", fault)
	}
	s.fault = fault
}
