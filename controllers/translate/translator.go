package translate

import (
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Translator translates again and again and does only the work that the changes since the last time ask for. What has not
// changed is the same pointer in both results: routes, clusters, statuses, and the snapshot itself. It is used by one
// goroutine at a time.
//
// An object that has a generation counts as unchanged while UID, age and generation are the same; the spec of one that
// has none is compared.
type Translator struct {
	filters filter.Registry
	memory
}

// memory is what a Translator knows from the last time. It holds for one set of options.
type memory struct {
	options   Options
	listeners []*snapshot.Listener
	catalog   *catalog
	services  *tracker[*corev1.Service]
	grants    *tracker[*gatewayv1beta1.ReferenceGrant]
	routes    *routeSet
	policies  *policySet

	snapshot *snapshot.Snapshot
	statuses []*Status
}

// NewTranslator returns a Translator that has seen nothing yet.
func NewTranslator(filters filter.Registry) *Translator { return &Translator{filters: filters} }

// Translate returns what the function of the same name returns for this input.
func (t *Translator) Translate(in Input) (*snapshot.Snapshot, []*Status) {
	if t.snapshot == nil || !reflect.DeepEqual(t.options, in.Options) {
		t.memory = newMemory(in.Options, t.filters)
	}
	for _, c := range t.services.update(in.Services) {
		if t.catalog.putService(c.name, c.new) {
			t.routes.touch(dependency(c.name))
		}
	}
	for _, c := range t.grants.update(in.Grants) {
		t.catalog.putGrant(c.name, c.new)
		t.routes.touch(dependency{Namespace: c.name.Namespace})
	}
	for _, name := range t.routes.secrets.update(in.Secrets, in.Unreadable) {
		t.routes.touchSecret(name)
	}
	for _, c := range t.routes.update(in.Routes) {
		t.policies.touch(c.name)
	}
	t.policies.update(in.Policies)
	t.routes.settle()
	t.policies.settle()
	return t.result()
}

// Secrets names, in order, the Secrets that the last translation looked at, whether they were there or not.
func (t *Translator) Secrets() []types.NamespacedName {
	if t.snapshot == nil {
		return nil
	}
	names := t.routes.secrets.looked()
	if d := t.options.DefaultCertificate; d != (types.NamespacedName{}) {
		if i, found := slices.BinarySearchFunc(names, d, compareNames); !found {
			names = slices.Insert(names, i, d)
		}
	}
	return names
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
		options:   o,
		listeners: slices.SortedFunc(slices.Values(o.Listeners), compareListeners),
		catalog:   newCatalog(),
		services:  newTracker[*corev1.Service](),
		grants:    newTracker[*gatewayv1beta1.ReferenceGrant](),
	}
	m.routes = newRouteSet(&environment{
		options: o, listeners: listenerNames(m.listeners), filters: filters, catalog: m.catalog, secrets: newSecretSet(),
	})
	m.policies = newPolicySet(o.ClassName, m.routes.objects)
	return m
}

func compareListeners(a, b *snapshot.Listener) int { return strings.Compare(a.Name, b.Name) }

// result renews what has changed of the last result.
func (t *Translator) result() (*snapshot.Snapshot, []*Status) {
	rules, rulesChanged := t.routes.rules()
	clusters, clustersChanged := t.routes.clusters.list()
	policies, policiesChanged := t.routes.tls.list()
	secrets, secretsChanged := t.routes.secrets.list()
	if t.snapshot == nil || rulesChanged || clustersChanged || policiesChanged || secretsChanged {
		t.snapshot = snapshot.New(snapshot.Snapshot{
			Listeners: t.listeners, Routes: rules, Clusters: clusters, TLS: policies, Secrets: secrets,
		})
	}
	if t.routes.reported || t.policies.reported {
		t.statuses = t.policies.appendStatuses(t.routes.statuses())
		t.routes.reported, t.policies.reported = false, false
	}
	return t.snapshot, t.statuses
}
