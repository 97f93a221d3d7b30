// Package translate turns custom resources, and what they refer to, into a snapshot and a report for each object.
// It is pure: no client, clock, logger or map order shows in its result, and it never writes to its input.
//
// One bad object never takes another down, nor one bad rule its neighbours. What can't be resolved answers 500 for its
// own share of the requests and says why in its object's conditions:
//
//   - of several backends a bad one rejects its share by weight;
//   - a rule without a usable backend, or with a field that can't be used, rejects all of its requests;
//   - a match that can't be built is widened to one that covers it: its path expression to the literal prefix, its
//     predicates to the presence of the name. Its rule rejects, and gives way to equal matches of any other rule. So the
//     requests it was meant for don't fall through to a less specific rule, and equal and more specific ones serve on;
//   - what a filter fetches by itself, such as the keys of a token issuer, and can't get keeps no rule from serving either: the filter
//     knows what to do without;
//   - a certificate that can't be used keeps no rule from serving: its policy goes to the data plane, which has the last
//     good one. Nor does a route that asks for another policy than the one that holds for its host;
//   - a hostname that the route's namespace may not claim is as if the route did not have it. A route that has no other,
//     or has none and may not claim all hosts, is not served.
package translate

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Input is everything that a translation depends on. The order of its lists means nothing; the objects of one list
// differ in namespace or name. Neither the lists nor the objects may be written once they were handed over.
type Input struct {
	Routes    []*v1alpha1.GatewayRoute
	Ingresses []*networkingv1.Ingress
	// IngressClasses say, with the names of those that an Ingress has, which of them are served.
	IngressClasses []*networkingv1.IngressClass
	Policies       []*v1alpha1.RateLimitPolicy
	Services       []*corev1.Service
	Grants         []*gatewayv1beta1.ReferenceGrant
	// Secrets are at least those that Translator.Secrets names, as far as they exist and can be read.
	Secrets []*corev1.Secret
	// ConfigMaps are at least those that Translator.ConfigMaps names, likewise.
	ConfigMaps []*corev1.ConfigMap
	// Unreadable names Secrets that can't be read, so that it is not known whether they exist: one Secret, or without a
	// name those of a namespace, or with neither all. UnreadableConfigMaps names ConfigMaps in the same way.
	Unreadable, UnreadableConfigMaps []types.NamespacedName
	// Failing says, by the ID of a filter.Fetch, why something can't be fetched at present, in words that go on without a capital and
	// end without a full stop. Each replica has its own.
	Failing map[string]string
	// Namespaces are those whose labels are known. They matter only where Options.SelectsNamespaces.
	Namespaces []*corev1.Namespace
	Options    Options
}

// Options are the settings of an installation. Start from DefaultOptions: the zero Options serves nothing.
type Options struct {
	// ClassName selects the routes to serve by their spec.className, and the Ingresses by an IngressClass of that name or of the
	// controller that IngressController names.
	ClassName string
	// Namespaces are those whose objects the input holds; none: all.
	Namespaces []string
	// HostPermissions say which namespaces may claim which hostnames; none: all may claim all. One that is not valid permits
	// nothing more than its valid parts do.
	HostPermissions []HostPermission
	// Listeners serve the routes, in the order of their names.
	Listeners []*snapshot.Listener
	// AllowExternalBackends permits backends that name a host.
	AllowExternalBackends bool
	// AllowExternalName permits Services of type ExternalName.
	AllowExternalName bool
	// DefaultCertificate is the Secret with the certificate for connections to hosts that no route secures; the zero value
	// for none.
	DefaultCertificate types.NamespacedName
	// HTTPSRedirectPort is the port in the URLs that spec.tls.redirectHTTP leads to: where clients reach the listener for
	// HTTPS.
	HTTPSRedirectPort uint16
	// Balancer chooses endpoints in every cluster.
	Balancer snapshot.Balancer
	// ConnectTimeout bounds the set-up of one connection to an endpoint.
	ConnectTimeout snapshot.Duration
	// Timeouts hold for each one that a rule leaves out.
	Timeouts snapshot.Timeouts
}

// watches reports whether the input holds the objects of a namespace.
func (o *Options) watches(namespace string) bool {
	return len(o.Namespaces) == 0 || slices.Contains(o.Namespaces, namespace)
}

// DefaultOptions are the settings of an installation that sets nothing.
func DefaultOptions() Options {
	return Options{
		ClassName: "penstock",
		Listeners: []*snapshot.Listener{
			{Name: snapshot.ListenerHTTP, Port: 8080, Protocol: snapshot.HTTP},
			{Name: snapshot.ListenerHTTPS, Port: 8443, Protocol: snapshot.HTTPS},
		},
		HTTPSRedirectPort: 443,
		Balancer:          snapshot.LeastRequest,
		// An endpoint in reach answers in milliseconds; three lost SYN packets (1, 2 and 4 s) mean that it is not.
		ConnectTimeout: snapshot.Duration(5 * time.Second),
		Timeouts: snapshot.Timeouts{
			// No limit on the whole: downloads and upgraded connections may last as long as they move.
			Request: 0,
			Backend: snapshot.Duration(time.Minute),
			Idle:    snapshot.Duration(5 * time.Minute),
		},
	}
}

// Status is what there is to say about one object.
type Status = status.Report

// Translate returns what the input asks for: a snapshot, and a status for each route and Ingress of the class and for each
// policy on them. Statuses are by kind, namespace and name.
func Translate(in Input, filters filter.Registry) (*snapshot.Snapshot, *radix.Tree[Status]) {
	return NewTranslator(filters).Translate(in)
}
