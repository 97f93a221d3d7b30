package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/file"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/test/testcert"
)

// An example is a whole object, the spec of a GatewayRoute (it begins with rules) or one rule; or a file of host permissions. What the documents leave out
// to stay short is added here: object, backends and their Services, certificates.
func TestExamplesAreValidAndAccepted(t *testing.T) {
	examples := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if b.language != "yaml" {
				continue
			}
			examples++
			t.Run(fmt.Sprintf("%s:%d", d.path, b.line), func(t *testing.T) {
				if decode(t, b.text)["permissions"] != nil {
					loadPermissions(t, b.text)
					return
				}
				if !isForeign(decode(t, b.text)) {
					accept(t, whole(t, b.text), shown(t, d))
				}
			})
		}
	}
	if examples == 0 {
		t.Error("no example was found")
	}
}

// isForeign says that an example is an Ingress of another controller, as migration_test.go has it.
func isForeign(object map[string]any) bool {
	spec, _ := object["spec"].(map[string]any)
	return object["kind"] == translate.KindIngress && spec["ingressClassName"] != translate.DefaultOptions().ClassName
}

func loadPermissions(t *testing.T, text string) []translate.HostPermission {
	t.Helper()
	list, err := file.LoadHostPermissions(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// write returns the path of a file with this text.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "example.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func whole(t *testing.T, example string) map[string]any {
	t.Helper()
	object := decode(t, example)
	if object["kind"] != nil {
		return object
	}
	if limits, ok := object["limits"].([]any); ok {
		target := map[string]any{"group": v1alpha1.GroupVersion.Group, "kind": "GatewayRoute", "name": "example"}
		return map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(), "kind": "RateLimitPolicy",
			"metadata": map[string]any{"name": "example"}, "spec": map[string]any{"targetRefs": []any{target}, "limits": limits},
		}
	}
	if object["rules"] == nil {
		object = map[string]any{"rules": []any{object}}
	}
	for _, rule := range object["rules"].([]any) {
		complete(rule.(map[string]any))
	}
	return map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "GatewayRoute",
		"metadata": map[string]any{"name": "example"}, "spec": object,
	}
}

func decode(t *testing.T, text string) (object map[string]any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// complete gives a rule a backend, unless it has some or answers itself.
func complete(rule map[string]any) {
	filters, _ := rule["filters"].(map[string]any)
	if rule["backends"] == nil && filters["redirect"] == nil && filters["directResponse"] == nil {
		rule["backends"] = []any{map[string]any{"service": "example", "port": 80}}
	}
}

// accept checks object as standalone mode does, and that nothing about it is False.
func accept(t *testing.T, object map[string]any, named file.Objects) {
	t.Helper()
	text, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	objects, problems := file.Load(write(t, string(text)))
	for _, p := range problems {
		t.Error(p)
	}
	targets := targetsOf(objects.Policies)
	objects.Routes = append(objects.Routes, targets...)
	objects.Secrets, objects.ConfigMaps = append(objects.Secrets, named.Secrets...), named.ConfigMaps
	_, statuses := translateExamples(objects)
	if statuses.Len() != 1+len(targets) {
		t.Fatalf("%d objects have a status, want the example's alone and those of %d targets", statuses.Len(), len(targets))
	}
	accepted := false
	for s := range statuses.Values() {
		for _, c := range s.Conditions {
			accepted = accepted || c.Type == v1alpha1.ConditionAccepted && c.Status == metav1.ConditionTrue
			if c.Status == metav1.ConditionFalse {
				t.Errorf("%s=False, %s: %s", c.Type, c.Reason, c.Message)
			}
		}
	}
	if !accepted {
		t.Error("the example is not accepted")
	}
}

// translateExamples adds what the examples refer to.
func translateExamples(objects file.Objects) (*snapshot.Snapshot, *radix.Tree[translate.Status]) {
	return translate.Translate(translate.Input{
		Routes: objects.Routes, Ingresses: objects.Ingresses, Policies: objects.Policies, Grants: objects.Grants,
		Services:   append(services(objects.Routes), servicesOfIngresses(objects.Ingresses)...),
		Secrets:    slices.Concat(certificates(objects.Routes), certificatesOfIngresses(objects.Ingresses), objects.Secrets),
		ConfigMaps: objects.ConfigMaps,
		Options:    translate.DefaultOptions(),
	}, builtin.Registry(builtin.Deps{}))
}

// targetsOf are routes that policies can hold for.
func targetsOf(policies []*v1alpha1.RateLimitPolicy) (all []*v1alpha1.GatewayRoute) {
	for _, p := range policies {
		for _, ref := range p.Spec.TargetRefs {
			all = append(all, &v1alpha1.GatewayRoute{
				ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: ref.Name},
				Spec: v1alpha1.GatewayRouteSpec{ClassName: "penstock", Rules: []v1alpha1.Rule{{
					Name: ref.SectionName, Filters: &v1alpha1.Filters{DirectResponse: &v1alpha1.DirectResponseFilter{StatusCode: 200}},
				}}},
			})
		}
	}
	return all
}

// shown are the Secrets and ConfigMaps that a document shows, in blocks of their own.
func shown(t *testing.T, d document) (all file.Objects) {
	t.Helper()
	for _, b := range d.blocks {
		if b.language == "yaml secret" || b.language == "yaml configmap" {
			objects, problems := file.Load(write(t, b.text))
			for _, p := range problems {
				t.Error(p)
			}
			all.Secrets, all.ConfigMaps = append(all.Secrets, objects.Secrets...), append(all.ConfigMaps, objects.ConfigMaps...)
		}
	}
	return all
}

// certificates are those that the routes name.
func certificates(routes []*v1alpha1.GatewayRoute) (all []*corev1.Secret) {
	for _, r := range routes {
		if r.Spec.TLS == nil {
			continue
		}
		var hosts []string
		for _, h := range r.Spec.Hostnames {
			hosts = append(hosts, string(h))
		}
		all = append(all, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Spec.TLS.SecretName},
			Data:       testcert.Data(r.Spec.TLS.SecretName, hosts...),
		})
	}
	return all
}

// services are those that the routes' backends and extAuth name, with the ports that they name.
func services(routes []*v1alpha1.GatewayRoute) (all []*corev1.Service) {
	for _, r := range routes {
		seen := map[string]*corev1.Service{}
		name := func(service string, port intstr.IntOrString) {
			s := seen[service]
			if s == nil {
				s = &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: service}}
				seen[service] = s
				all = append(all, s)
			}
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: port.StrVal, Port: max(port.IntVal, 1)})
		}
		if f := r.Spec.Filters; f != nil && f.ExtAuth != nil && f.ExtAuth.Backend != nil {
			name(f.ExtAuth.Backend.Service, f.ExtAuth.Backend.Port)
		}
		for _, rule := range r.Spec.Rules {
			if f := rule.Filters; f != nil && f.ExtAuth != nil && f.ExtAuth.Backend != nil {
				name(f.ExtAuth.Backend.Service, f.ExtAuth.Backend.Port)
			}
			for _, b := range rule.Backends {
				name(b.Service, b.Port)
			}
		}
	}
	return all
}
