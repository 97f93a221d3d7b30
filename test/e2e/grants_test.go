//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
)

// granting is the namespace of the Services that routes need a grant for.
const granting = "e2e-granting"

// concession is a route to a Service of another namespace, and the grant that it needs, which comes and goes.
type concession struct {
	host   string
	grant  *gatewayv1beta1.ReferenceGrant
	latest chan *v1alpha1.GatewayRoute
	lines  map[string]*line
}

// A grant that is removed changes what a route does, but not the route. Who sees that the route says so, and is Ready, gets the new
// answer from every replica.
func TestReadyIsTrueWhenAGrantComesAndGoes(t *testing.T) {
	installGrants(t)
	create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: granting}})
	pods, all := installed(t), map[string]*concession{}
	for i := range lanes {
		c := newConcession(t, fmt.Sprintf("conceded-%d", i))
		all[c.grant.Name] = c
	}
	go observe(t.Context(), &v1alpha1.GatewayRouteList{}, []client.ListOption{client.InNamespace(apps)}, func(_ watch.EventType, r *v1alpha1.GatewayRoute) {
		if c := all[r.Name]; c != nil {
			select {
			case <-c.latest:
			default:
			}
			c.latest <- r
		}
	})
	want, done := int64(tries(t)), atomic.Int64{}
	var work sync.WaitGroup
	for _, c := range all {
		work.Go(func() {
			for granted := true; done.Load() < want && !t.Failed(); granted = !granted {
				c.turn(t, granted)
				c.ask(t, pods, granted)
				done.Add(1)
			}
		})
	}
	work.Wait()
	t.Logf("figure: Ready, a grant comes or goes: %d tries, %d answers, failed: %v", done.Load(), done.Load()*int64(len(pods)), t.Failed())
}

func newConcession(t *testing.T, name string) *concession {
	t.Helper()
	c := &concession{host: name + ".example.com", latest: make(chan *v1alpha1.GatewayRoute, 1), lines: map[string]*line{}}
	c.grant = &gatewayv1beta1.ReferenceGrant{
		ObjectMeta: metav1.ObjectMeta{Namespace: granting, Name: name},
		Spec: gatewayv1beta1.ReferenceGrantSpec{
			From: []gatewayv1beta1.ReferenceGrantFrom{{
				Group: gatewayv1beta1.Group(v1alpha1.GroupVersion.Group), Kind: v1alpha1.KindGatewayRoute, Namespace: apps,
			}},
			To: []gatewayv1beta1.ReferenceGrantTo{{Kind: "Service", Name: (*gatewayv1beta1.ObjectName)(&name)}},
		},
	}
	create(t,
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: granting, Name: name},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
		},
		&v1alpha1.GatewayRoute{
			ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: name},
			Spec: v1alpha1.GatewayRouteSpec{
				Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(c.host)},
				Rules:     []v1alpha1.Rule{{Backends: []v1alpha1.Backend{{Namespace: granting, Service: name, Port: intstr.FromInt32(80)}}}},
			},
		})
	return c
}

// turn makes the grant or removes it, and waits until the route says so and is Ready.
func (c *concession) turn(t *testing.T, granted bool) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	if granted {
		err = admin.Create(t.Context(), c.grant.DeepCopy())
	} else {
		err = admin.Delete(t.Context(), c.grant)
	}
	if err != nil {
		t.Error(err)
		return
	}
	for {
		select {
		case <-ctx.Done():
			t.Errorf("waited in vain until %s is Ready, granted %v", c.host, granted)
			return
		case r := <-c.latest:
			if isServed(r) && meta.IsStatusConditionTrue(r.Status.Conditions, v1alpha1.ConditionResolvedRefs) == granted {
				return
			}
		}
	}
}

// ask asks every replica. A Service without endpoints is another error than one that may not be named.
func (c *concession) ask(t *testing.T, pods []*corev1.Pod, granted bool) {
	for _, p := range pods {
		if c.lines[p.Name] == nil {
			c.lines[p.Name] = &line{}
		}
		got, err := c.lines[p.Name].ask(t.Context(), direct(p), c.host)
		if err != nil || strings.Contains(got, rejected) == granted {
			t.Errorf("%s: asked %s, granted %v, got %q, %v", p.Name, c.host, granted, got, err)
		}
	}
}

// installGrants installs the kind ReferenceGrant, as far as its schema matters here.
func installGrants(t *testing.T) {
	t.Helper()
	keep := true
	create(t, &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "referencegrants." + gatewayv1beta1.GroupName,
			Annotations: map[string]string{"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api"},
		},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: gatewayv1beta1.GroupName,
			Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{
				Kind: "ReferenceGrant", ListKind: "ReferenceGrantList", Plural: "referencegrants", Singular: "referencegrant",
			},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1beta1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{
					OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &keep},
				},
			}},
		},
	})
	if err := wait.PollUntilContextTimeout(t.Context(), pace, patience, true, func(ctx context.Context) (bool, error) {
		return admin.List(ctx, &gatewayv1beta1.ReferenceGrantList{}) == nil, nil
	}); err != nil {
		t.Fatalf("ReferenceGrants can't be listed: %v", err)
	}
}
