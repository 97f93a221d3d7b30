package controllers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/proxy/radix"
)

// SecretAccess says which Secrets are read, and how. The permission for the first two is the same: to get, list and watch
// Secrets, in every namespace in which a route names one, since Kubernetes has none for metadata alone.
type SecretAccess string

const (
	// SecretsReferenced reads those that routes name, one by one. It watches the metadata of all, one watch for each
	// namespace in which a route names one, so that the values of others are never in memory.
	SecretsReferenced SecretAccess = "referenced"
	// SecretsAll watches whole Secrets: all of a cluster with one watch, or those of each namespace that is watched. It
	// asks less of the API server where there are thousands.
	SecretsAll SecretAccess = "all"
	// SecretsNone reads none.
	SecretsNone SecretAccess = "none"
)

// valuePatience is how long a translation waits for Secrets or ConfigMaps that no route named before, since the API server last
// answered for one. Without it, a replica would begin to serve without certificates; with no end to it, Secrets that
// can't be read would keep all routes from being served.
const valuePatience = 5 * time.Second

// holder is a pointer to an object that holds values.
type holder interface {
	comparable
	client.Object
}

// holderKind is a kind of such objects.
type holderKind[O holder] struct {
	name string
	// make returns an empty object.
	make func() O
	// trim keeps what translations need.
	trim func(O)
	// selector selects those that routes may have a use for; nil: all.
	selector fields.Selector
}

var (
	secretKind = holderKind[*corev1.Secret]{
		name: kindSecret, make: func() *corev1.Secret { return &corev1.Secret{} }, trim: trimSecret, selector: notForUs,
	}
	configMapKind = holderKind[*corev1.ConfigMap]{
		name: kindConfigMap, make: func() *corev1.ConfigMap { return &corev1.ConfigMap{} }, trim: trimConfigMap,
	}
)

// values keeps the Secrets, or the ConfigMaps, that routes name, and reads no others unless told to. What it could read once it
// keeps until it learns better: a permission that is withdrawn takes no certificate away. It is safe for concurrent use.
type values[O holder] struct {
	kind   holderKind[O]
	access SecretAccess
	// clusterWide makes one watch of all.
	clusterWide bool
	client      client.Reader
	caches      cacheMaker
	metrics     *metrics
	// noted is called with the name of each object of which there is something else to say, changed after that.
	noted   func(types.NamespacedName)
	changed func()
	log     *slog.Logger
	// rewanted says that scopes may have to begin or end.
	rewanted chan struct{}

	mu sync.Mutex
	// names are those of wanted.
	names  *radix.Tree[types.NamespacedName]
	wanted map[types.NamespacedName]*wantedValue[O]
	// open is how many of wanted are not known.
	open int
	// answered is closed and replaced when open falls.
	answered chan struct{}
	// scopes are the watches, by namespace; they and the queue are those of one Run.
	scopes map[string]*valueScope
	queue  workqueue.TypedRateLimitingInterface[types.NamespacedName]
}

// wantedValue is an object that a route names.
type wantedValue[O holder] struct {
	// known says that the API server has answered for it: with the object, or that there is none, or, refused, with a
	// refusal.
	known, refused bool
	// object is nil if there is none. version is the one that was read last, there or not.
	object  O
	version string
}

func (w *wantedValue[O]) isThere() bool { var none O; return w.object != none }

// newValues returns values of a kind. Nobody needs to have more than those that are named of any kind but Secrets.
func newValues[O holder](kind holderKind[O], access SecretAccess, o Options, m *metrics, reader client.Reader, caches cacheMaker) *values[O] {
	return &values[O]{
		kind: kind, access: access, clusterWide: access == SecretsAll && len(o.Translate.Namespaces) == 0,
		client: reader, caches: caches, metrics: m, log: o.Log,
		noted: func(types.NamespacedName) {}, changed: func() {},
		wanted:   map[types.NamespacedName]*wantedValue[O]{},
		rewanted: make(chan struct{}, 1), answered: make(chan struct{}),
	}
}

// follow makes names those that are kept. It waits until those that were not before are known, or for as long as
// the API server lets it wait, and reports whether there were any.
func (s *values[O]) follow(ctx context.Context, names *radix.Tree[types.NamespacedName]) bool {
	if s.access == SecretsNone || !s.want(names) {
		return false
	}
	patience := time.NewTimer(valuePatience)
	defer patience.Stop()
	for {
		s.mu.Lock()
		open, answered := s.open, s.answered
		s.mu.Unlock()
		if open == 0 {
			return true
		}
		select {
		case <-answered:
			patience.Reset(valuePatience)
		case <-patience.C:
			s.log.Warn("serving without objects that can't be read so far", "kind", s.kind.name, "objects", open)
			s.giveUp()
			return true
		case <-ctx.Done():
			return true
		}
	}
}

// want makes names the wanted ones. It reports whether one of them was not before.
func (s *values[O]) want(names *radix.Tree[types.NamespacedName]) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := false
	for _, c := range s.names.Diff(names) {
		switch {
		case c.Old == nil:
			s.wanted[*c.New] = &wantedValue[O]{}
			s.open++
			news, changed = true, true
		case c.New == nil:
			if !s.wanted[*c.Old].known {
				s.open--
			}
			delete(s.wanted, *c.Old)
			s.noted(*c.Old)
			changed = true
		}
	}
	s.names = names
	if changed {
		select {
		case s.rewanted <- struct{}{}:
		default: // it will be looked at already
		}
	}
	return news
}

// giveUp has nobody wait again for what is not known. What comes later counts all the same.
func (s *values[O]) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, w := range s.wanted {
		if !w.known {
			s.learn(n, w, wantedValue[O]{refused: true})
		}
	}
}

// list returns those that there are of the wanted ones.
func (s *values[O]) list() (out []O) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wanted {
		if w.isThere() {
			out = append(out, w.object)
		}
	}
	return out
}

// get returns one of them, or nil.
func (s *values[O]) get(n types.NamespacedName) (found O) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.wanted[n]; w != nil {
		found = w.object
	}
	return found
}

// unreadable returns those of which nobody says whether they exist, as translate.Input has it.
func (s *values[O]) unreadable() (out []types.NamespacedName) {
	if s.access == SecretsNone {
		return []types.NamespacedName{{}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, w := range s.wanted {
		if w.isUnreadable() {
			out = append(out, n)
		}
	}
	return out
}

// isUnreadable reports whether nobody says of one whether it exists.
func (s *values[O]) isUnreadable(n types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.wanted[n]
	return w != nil && w.isUnreadable()
}

func (w *wantedValue[O]) isUnreadable() bool { return !w.isThere() && (w.refused || !w.known) }

// learn replaces what is known of one. The lock is held.
func (s *values[O]) learn(n types.NamespacedName, w *wantedValue[O], now wantedValue[O]) {
	if !w.known {
		s.open--
		close(s.answered)
		s.answered = make(chan struct{})
	}
	now.known = true
	*w = now
	s.noted(n)
}
