package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// valueTimeout bounds one request for a Secret or ConfigMap.
	valueTimeout = 10 * time.Second
	// valueReaders is how many of each kind are read at a time, and valueRate how many of all a second.
	valueReaders = 8
	valueRate    = 200
)

// notForUs are types of Secrets that no route has a use for: they are not even watched.
var notForUs = fields.AndSelectors(
	fields.OneTermNotEqualSelector("type", "helm.sh/release.v1"),
	fields.OneTermNotEqualSelector("type", string(corev1.SecretTypeServiceAccountToken)),
	fields.OneTermNotEqualSelector("type", string(corev1.SecretTypeDockerConfigJson)),
	fields.OneTermNotEqualSelector("type", string(corev1.SecretTypeDockercfg)),
)

// valueScope is the watch over the objects of one namespace, or of all.
type valueScope struct {
	stores *stores
	stop   context.CancelFunc
	// synced stays once it is true; refused is how the last list or watch ended.
	synced, refused bool
}

// Run watches and reads until ctx ends.
func (s *values[O]) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	queue := workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](firstRestart, lastRestart))
	s.mu.Lock()
	s.scopes, s.queue = map[string]*valueScope{}, queue
	s.mu.Unlock()
	var running sync.WaitGroup
	defer running.Wait()
	defer queue.ShutDown()
	for range valueReaders {
		running.Go(func() { s.read(ctx, queue) })
	}
	for {
		if err := s.settle(ctx); err != nil {
			return fmt.Errorf("watch %ss: %w", s.kind.name, err)
		}
		select {
		case <-s.rewanted:
		case <-ctx.Done():
			return nil
		}
	}
}

// settle begins the watches that are needed, ends those that are not, and looks at what is new.
func (s *values[O]) settle(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	needed := map[string]bool{}
	for n := range s.wanted {
		needed[s.scopeOf(n)] = true
	}
	for namespace, scope := range s.scopes {
		if !needed[namespace] {
			scope.stop()
			delete(s.scopes, namespace)
		}
	}
	for namespace := range needed {
		if s.scopes[namespace] != nil {
			continue
		}
		scope, err := s.begin(ctx, namespace)
		if err != nil {
			return err
		}
		s.scopes[namespace] = scope
	}
	for n, w := range s.wanted {
		if !w.known {
			s.look(n, w)
		}
	}
	return nil
}

// scopeOf is the namespace of the watch that one is in; empty for that of all.
func (s *values[O]) scopeOf(n types.NamespacedName) string {
	if s.clusterWide {
		return ""
	}
	return n.Namespace
}

func (s *values[O]) begin(ctx context.Context, namespace string) (*valueScope, error) {
	scope := &valueScope{stores: newStores(s.metrics)}
	scope.stores.told = func(err error) { s.told(scope, err) }
	var namespaces []string
	if namespace != "" {
		namespaces = []string{namespace}
	}
	kind := s.watched()
	c, err := s.caches(namespaces, scope.stores, map[client.Object]cache.ByObject{kind: {Transform: trim, Field: s.kind.selector}})
	if err != nil {
		return nil, err
	}
	if err := onEvent(ctx, c, kind, s.refresh); err != nil {
		return nil, err
	}
	ctx, scope.stop = context.WithCancel(ctx)
	go func() {
		if c.WaitForCacheSync(ctx) {
			s.update(scope, func() { scope.synced = true })
		}
	}()
	go func() {
		// A cache's Start only fails if it is started twice.
		_ = c.Start(ctx)
	}()
	return scope, nil
}

// watched is the kind that is watched.
func (s *values[O]) watched() client.Object {
	if s.access == SecretsAll {
		return s.kind.make()
	}
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(s.kind.name))
	return o
}

// onEvent calls f with the name of an object after every change of a kind.
func onEvent(ctx context.Context, c cache.Cache, kind client.Object, f func(types.NamespacedName)) error {
	i, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	changed := func(o any) {
		// The only error is that of something that is no object.
		if name, err := toolscache.DeletionHandlingObjectToName(o); err == nil {
			f(types.NamespacedName{Namespace: name.Namespace, Name: name.Name})
		}
	}
	_, err = i.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    changed,
		UpdateFunc: func(_, o any) { changed(o) },
		DeleteFunc: changed,
	})
	return err
}

// told takes the answer of the API server to a list or watch of a scope.
func (s *values[O]) told(scope *valueScope, err error) {
	refused := apierrors.IsForbidden(err)
	s.mu.Lock()
	same := refused == scope.refused
	s.mu.Unlock()
	if same {
		return
	}
	if refused {
		s.log.Warn("not permitted to watch", "kind", s.kind.name, "error", err)
	}
	s.update(scope, func() { scope.refused = refused })
}

// update changes what is known of a scope, and looks at all that is wanted of it.
func (s *values[O]) update(scope *valueScope, change func()) {
	s.mu.Lock()
	change()
	for n, w := range s.wanted {
		if s.scopes[s.scopeOf(n)] == scope {
			s.look(n, w)
		}
	}
	s.mu.Unlock()
	s.changed()
}

// refresh looks at one after an event, if it is wanted.
func (s *values[O]) refresh(n types.NamespacedName) {
	s.mu.Lock()
	w := s.wanted[n]
	if w != nil {
		s.look(n, w)
	}
	s.mu.Unlock()
	if w != nil {
		s.changed()
	}
}

// look takes what the watch has to say about one. The lock is held.
func (s *values[O]) look(n types.NamespacedName, w *wantedValue[O]) {
	scope := s.scopes[s.scopeOf(n)]
	switch {
	case scope == nil:
	case !scope.synced:
		if scope.refused {
			s.learn(n, w, wantedValue[O]{refused: true, object: w.object, version: w.version})
		}
	case s.access == SecretsAll:
		s.learn(n, w, wantedValue[O]{refused: scope.refused, object: get[O](scope.stores, n)})
	default:
		switch seen := get[*metav1.PartialObjectMetadata](scope.stores, n); {
		case seen == nil:
			s.learn(n, w, wantedValue[O]{refused: scope.refused})
		case seen.ResourceVersion != w.version:
			s.queue.Add(n)
		}
	}
}

// read reads objects from the queue until that is shut down.
func (s *values[O]) read(ctx context.Context, queue workqueue.TypedRateLimitingInterface[types.NamespacedName]) {
	for {
		n, shutdown := queue.Get()
		if shutdown {
			return
		}
		if s.fetch(ctx, n) {
			queue.Forget(n)
		} else {
			queue.AddRateLimited(n)
		}
		queue.Done(n)
	}
}

// fetch reads one, if it is wanted still. It reports whether that need not be tried again.
func (s *values[O]) fetch(ctx context.Context, n types.NamespacedName) bool {
	version, ok := s.outdated(n)
	if !ok {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, valueTimeout)
	defer cancel()
	object := s.kind.make()
	err := s.client.Get(ctx, n, object)
	now := wantedValue[O]{version: version}
	switch {
	case errors.Is(ctx.Err(), context.Canceled): // the end of Run
		return true
	case err == nil:
		s.kind.trim(object)
		now.object, now.version = object, object.GetResourceVersion()
	case apierrors.IsForbidden(err):
		now = wantedValue[O]{refused: true}
	case !apierrors.IsNotFound(err):
		s.log.Warn("object not read", "kind", s.kind.name, "namespace", n.Namespace, "name", n.Name, "error", err)
		return false
	}
	s.mu.Lock()
	if w := s.wanted[n]; w != nil {
		if now.refused {
			now.object, now.version = w.object, w.version
		}
		s.learn(n, w, now)
	}
	s.mu.Unlock()
	s.changed()
	return !now.refused
}

// outdated returns the version of one that the watch has seen, and whether another one was read last.
func (s *values[O]) outdated(n types.NamespacedName) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, scope := s.wanted[n], s.scopes[s.scopeOf(n)]
	if w == nil || scope == nil {
		return "", false
	}
	seen := get[*metav1.PartialObjectMetadata](scope.stores, n)
	if seen == nil || seen.ResourceVersion == w.version {
		return "", false
	}
	return seen.ResourceVersion, true
}
