package translate

import (
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Translator translates again and again and does only the work that the changes since the last time ask for. What has not
// changed is the same pointer in both results: routes, clusters, statuses, all that their trees share, and the snapshot
// itself. It is used by one goroutine at a time.
//
// An object that has a generation counts as unchanged while UID, age and generation are the same; the spec of one that
// has none is compared.
type Translator struct {
	filters filter.Registry
	memory
}

// memory is what a Translator knows from the last time. It holds for one set of options.
type memory struct {
	options    Options
	listeners  []*snapshot.Listener
	catalog    *catalog
	services   tracker[*corev1.Service]
	grants     tracker[*gatewayv1beta1.ReferenceGrant]
	namespaces tracker[*corev1.Namespace]
	routes     *routeSet
	own        *gatewayRoutes
	ingresses  *ingresses
	policies   *policySet
	reports    *reports

	snapshot *snapshot.Snapshot
}

// Changes are the objects that may have changed since the last translation, by name; nil for one that is gone. Those that
// have not may be among them.
type Changes struct {
	Routes    map[types.NamespacedName]*v1alpha1.GatewayRoute
	Ingresses map[types.NamespacedName]*networkingv1.Ingress
	// IngressClasses have a name and no namespace.
	IngressClasses map[types.NamespacedName]*networkingv1.IngressClass
	Policies       map[types.NamespacedName]*v1alpha1.RateLimitPolicy
	Services       map[types.NamespacedName]*corev1.Service
	Grants         map[types.NamespacedName]*gatewayv1beta1.ReferenceGrant
	Secrets        map[types.NamespacedName]*corev1.Secret
	// Namespaces have a name and no namespace.
	Namespaces map[types.NamespacedName]*corev1.Namespace
	ConfigMaps map[types.NamespacedName]*corev1.ConfigMap
	// Unreadable and UnreadableConfigMaps say of names, as the Input has them, whether they are among those.
	Unreadable, UnreadableConfigMaps map[types.NamespacedName]bool
	// Failing is all of Input.Failing, as it is now.
	Failing map[string]string
}

// NewTranslator returns a Translator that has seen nothing yet.
func NewTranslator(filters filter.Registry) *Translator { return &Translator{filters: filters} }

// Translate returns what the function of the same name returns for this input. It compares every object with what it knows.
func (t *Translator) Translate(in Input) (*snapshot.Snapshot, *radix.Tree[Status]) {
	if t.snapshot == nil || !reflect.DeepEqual(t.options, in.Options) {
		t.memory = newMemory(in.Options, t.filters)
	}
	return t.Update(Changes{
		Routes:    t.own.objects.changed(in.Routes),
		Ingresses: t.ingresses.objects.changed(in.Ingresses), IngressClasses: t.ingresses.classes.changed(in.IngressClasses),
		Policies:   t.policies.objects.changed(in.Policies),
		Services:   t.services.changed(in.Services),
		Grants:     t.grants.changed(in.Grants),
		Namespaces: t.namespaces.changed(in.Namespaces),
		Secrets:    t.routes.secrets.objects.changed(in.Secrets),
		Unreadable: t.routes.secrets.changedReadability(in.Unreadable),
		ConfigMaps: t.routes.configMaps.objects.changed(in.ConfigMaps), UnreadableConfigMaps: t.routes.configMaps.changedReadability(in.UnreadableConfigMaps),
		Failing: in.Failing,
	})
}

// Update returns what Translate would for the last input with these changes, and takes time in proportion to them and to
// what depends on them. It follows a Translate.
func (t *Translator) Update(c Changes) (*snapshot.Snapshot, *radix.Tree[Status]) {
	t.updateCatalog(c)
	t.routes.secrets.update(c.Secrets, c.Unreadable, t.routes.touchRoute)
	t.routes.configMaps.update(c.ConfigMaps, c.UnreadableConfigMaps, t.routes.touchRoute)
	t.routes.fetches.update(c.Failing, t.routes.touchRoute)
	for name, r := range c.Routes {
		if t.own.put(name, r) {
			t.policies.touch(name)
		}
	}
	t.ingresses.update(c.Ingresses, c.IngressClasses)
	for name, p := range c.Policies {
		t.policies.put(name, p)
	}
	t.routes.settle()
	t.policies.settle()
	return t.renew(), t.reports.Tree()
}

// updateCatalog takes over what routes look at, and marks those that looked at what is something else now.
func (t *Translator) updateCatalog(c Changes) {
	for name, s := range c.Services {
		if t.services.put(name, s) && t.catalog.putService(name, s) {
			t.routes.touch(dependency(name))
		}
	}
	for name, g := range c.Grants {
		if t.grants.put(name, g) {
			t.catalog.putGrant(name, g)
			t.routes.touch(dependency{Namespace: name.Namespace})
		}
	}
	for name, n := range c.Namespaces {
		if t.namespaces.put(name, n) && t.catalog.putNamespace(name.Name, n) {
			t.routes.touch(dependency(name))
		}
	}
}

// Secrets are the names of the Secrets that the last translation looked at, whether they were there or not.
func (t *Translator) Secrets() *radix.Tree[types.NamespacedName] {
	return t.routes.secrets.looked.Tree()
}

// ConfigMaps are the names of those that the last translation looked at, whether they were there or not.
func (t *Translator) ConfigMaps() *radix.Tree[types.NamespacedName] {
	return t.routes.configMaps.looked.Tree()
}

// DefaultCertificateFault is a sentence that says what keeps the default certificate from being used, as the last
// translation had it; empty if nothing does, or there is none.
func (t *Translator) DefaultCertificateFault() string {
	d := t.options.DefaultCertificate
	if t.snapshot == nil || d == (types.NamespacedName{}) {
		return ""
	}
	found, why := t.routes.secrets.find(d)
	if found == nil {
		return why
	}
	if _, err := found.certificate(); err != nil {
		return unusableCertificate(d, err).Message
	}
	return ""
}

func newMemory(o Options, filters filter.Registry) memory {
	m := memory{
		options:    o,
		listeners:  slices.SortedFunc(slices.Values(o.Listeners), compareListeners),
		catalog:    newCatalog(),
		services:   tracker[*corev1.Service]{},
		grants:     tracker[*gatewayv1beta1.ReferenceGrant]{},
		namespaces: tracker[*corev1.Namespace]{},
		reports:    &reports{},
	}
	values := newValueSet()
	e := &environment{
		options: o, listeners: listenerNames(m.listeners), permissions: newHostPermissions(o.HostPermissions),
		filters: filters, catalog: m.catalog, fetches: newFetches(),
		secrets:    newHolderSet(kindSecret, dataOfSecret, values, o.DefaultCertificate),
		configMaps: newHolderSet(kindConfigMap, dataOfConfigMap, values, types.NamespacedName{}),
	}
	values.find = func(ref snapshot.Ref) *holder { found, _ := e.find(ref); return found }
	m.routes = newRouteSet(e, values, m.reports)
	m.own, m.ingresses = newGatewayRoutes(m.routes), newIngresses(m.routes)
	m.policies = newPolicySet(e, m.own, m.reports)
	e.policies = m.policies.on
	return m
}

func compareListeners(a, b *snapshot.Listener) int { return strings.Compare(a.Name, b.Name) }

// renew returns the snapshot: the last one, unless it says something else.
func (t *Translator) renew() *snapshot.Snapshot {
	next := snapshot.Snapshot{
		Listeners: t.listeners, Routes: t.routes.rules.Tree(), Clusters: t.routes.clusters.list.Tree(),
		TLS: t.routes.tls.list.Tree(), Secrets: t.routes.values.list.Tree(),
	}
	last := t.snapshot
	if last != nil && last.Routes == next.Routes && last.Clusters == next.Clusters && last.TLS == next.TLS && last.Secrets == next.Secrets {
		return last
	}
	if fresh := snapshot.New(next); t.snapshot == nil || t.snapshot.Version != fresh.Version {
		t.snapshot = fresh
	}
	return t.snapshot
}
