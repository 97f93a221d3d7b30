package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
)

const (
	grantDefinition = "referencegrants." + gatewayv1beta1.GroupName
	// grantPatience is how long the first translation waits to learn which grants there are. Without it, routes that
	// need one would be refused for a moment after every start; with no end to it, a missing permission to read
	// grants would keep all routes from being served.
	grantPatience = 10 * time.Second
)

// grants knows the ReferenceGrants. Their kind is Gateway API's and may be missing: its CustomResourceDefinition is
// watched, and they are while it is there. It is safe for concurrent use.
type grants struct {
	// caches makes a cache of the given kinds whose objects are read through the stores.
	caches func(map[client.Object]cache.ByObject) (cache.Cache, *stores, error)
	// changed is called with the name of each grant that came, went or changed, and its resourceVersion then, empty if unknown.
	changed func(name types.NamespacedName, resourceVersion string)
	log     *slog.Logger
	// known is closed when it is known which grants there are.
	known chan struct{}
	learn func()

	mu          sync.Mutex
	definitions *stores    // that may have the kind's; nil before Run
	kind        *grantKind // nil while there is no such kind
}

// grantKind is the watch over the grants while there is such a kind.
type grantKind struct {
	stores *stores
	stop   context.CancelFunc
}

func newGrants(caches func(map[client.Object]cache.ByObject) (cache.Cache, *stores, error), changed func(types.NamespacedName, string), log *slog.Logger) *grants {
	known := make(chan struct{})
	return &grants{
		caches: caches, changed: changed, log: log,
		known: known, learn: sync.OnceFunc(func() { close(known) }),
	}
}

// await waits until it is known which grants there are, at most for a time.
func (g *grants) await(ctx context.Context) {
	t := time.NewTimer(grantPatience)
	defer t.Stop()
	select {
	case <-g.known:
	case <-ctx.Done():
	case <-t.C:
		g.log.Warn("serving without ReferenceGrants, which can't be read", "waited", grantPatience)
		g.learn()
	}
}

// list returns the grants there are.
func (g *grants) list() []*gatewayv1beta1.ReferenceGrant {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.kind == nil {
		return nil
	}
	return list[*gatewayv1beta1.ReferenceGrant](g.kind.stores)
}

// get returns one grant, or nil.
func (g *grants) get(name types.NamespacedName) *gatewayv1beta1.ReferenceGrant {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.kind == nil {
		return nil
	}
	return get[*gatewayv1beta1.ReferenceGrant](g.kind.stores, name)
}

// informers returns those whose position says up to where the grants are known. While there is no such kind, these are the informers that
// would tell of it: there have been no grants up to theirs.
func (g *grants) informers() []toolscache.SharedIndexInformer {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.kind != nil:
		return g.kind.stores.of(reflect.TypeFor[*gatewayv1beta1.ReferenceGrant]())
	case g.definitions != nil:
		return g.definitions.of(reflect.TypeFor[*apiextensionsv1.CustomResourceDefinition]())
	}
	return nil
}

// Run watches until ctx ends.
func (g *grants) Run(ctx context.Context) error {
	definition := &apiextensionsv1.CustomResourceDefinition{}
	c, stores, err := g.caches(map[client.Object]cache.ByObject{definition: {
		Transform: trim, Field: fields.OneTermEqualSelector("metadata.name", grantDefinition),
	}})
	if err != nil {
		return fmt.Errorf("watch %s: %w", grantDefinition, err)
	}
	g.mu.Lock()
	g.definitions = stores
	g.mu.Unlock()
	look := func(types.NamespacedName, string) {
		g.follow(ctx, list[*apiextensionsv1.CustomResourceDefinition](stores))
	}
	if err := g.watch(ctx, c, definition, look); err != nil {
		return fmt.Errorf("watch %s: %w", grantDefinition, err)
	}
	go func() {
		if c.WaitForCacheSync(ctx) && len(list[*apiextensionsv1.CustomResourceDefinition](stores)) == 0 {
			g.learn()
		}
	}()
	return c.Start(ctx)
}

// watch calls look with the name of every object of a kind that changes, and its resourceVersion then, empty if unknown.
func (g *grants) watch(ctx context.Context, c cache.Cache, kind client.Object, look func(types.NamespacedName, string)) error {
	i, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	_, err = i.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { look(nameOf(o), versionOf(o)) },
		UpdateFunc: func(_, o any) { look(nameOf(o), versionOf(o)) },
		DeleteFunc: func(o any) { look(nameOf(o), versionOf(o)) },
	})
	return err
}

// nameOf returns the name of an object that an informer speaks of; of one that it has lost sight of it has only the name.
func nameOf(o any) (name types.NamespacedName) {
	// The only error is that of a thing that is no object.
	key, _ := toolscache.DeletionHandlingObjectToName(o)
	return types.NamespacedName{Namespace: key.Namespace, Name: key.Name}
}

// versionOf returns the resourceVersion of such an object; of one that was lost sight of nobody can say at which it went.
func versionOf(o any) string {
	if o, ok := o.(client.Object); ok {
		return o.GetResourceVersion()
	}
	return ""
}

// follow begins or ends to watch the grants as their kind comes and goes.
func (g *grants) follow(ctx context.Context, definitions []*apiextensionsv1.CustomResourceDefinition) {
	served := slices.ContainsFunc(definitions, servesGrants)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case served && g.kind == nil:
		kind, err := g.begin(ctx)
		if err != nil {
			g.log.Error("ReferenceGrants not watched", "error", err)
			return
		}
		g.kind = kind
		g.log.Info("watching ReferenceGrants")
	case !served && g.kind != nil:
		gone := list[*gatewayv1beta1.ReferenceGrant](g.kind.stores)
		g.kind.stop()
		g.kind = nil
		g.log.Info("no ReferenceGrants any more: their kind is gone")
		for _, o := range gone {
			g.changed(client.ObjectKeyFromObject(o), "")
		}
	case !served:
		g.learn()
	}
}

func (g *grants) begin(ctx context.Context) (*grantKind, error) {
	c, stores, err := g.caches(byObject(&gatewayv1beta1.ReferenceGrant{}))
	if err != nil {
		return nil, err
	}
	if err := g.watch(ctx, c, &gatewayv1beta1.ReferenceGrant{}, g.changed); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	go func() {
		if c.WaitForCacheSync(ctx) {
			g.learn()
		}
	}()
	go func() {
		// A cache's Start only fails if it is started twice.
		_ = c.Start(ctx)
	}()
	return &grantKind{stores: stores, stop: stop}, nil
}

func servesGrants(d *apiextensionsv1.CustomResourceDefinition) bool {
	established := slices.ContainsFunc(d.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
	return established && slices.ContainsFunc(d.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Served && v.Name == gatewayv1beta1.GroupVersion.Version
	})
}
