package docs

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/controllers/file"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/test/testcert"
)

// TestTheExampleOfMigrationServesWhatItServedBefore translates both manifests of docs/migrate-from-ingress-nginx.md: the first as if
// its class were Penstock's, the second as it is. They have the same hosts, paths and certificates.
func TestTheExampleOfMigrationServesWhatItServedBefore(t *testing.T) {
	var examples []string
	for _, d := range documents(t) {
		if d.path != "docs/migrate-from-ingress-nginx.md" {
			continue
		}
		for _, b := range d.blocks {
			if b.language == "yaml" {
				examples = append(examples, b.text)
			}
		}
	}
	if len(examples) != 2 {
		t.Fatalf("%d examples, want 2", len(examples))
	}
	before, after := migrated(t, examples[0]), migrated(t, examples[1])
	if !slices.Equal(before.Hosts, after.Hosts) || before.Matches[0].Path != after.Matches[0].Path || before.Backends[0].Cluster != after.Backends[0].Cluster {
		t.Errorf("before: %+v\nafter: %+v", before, after)
	}
	var filters []string
	for _, f := range after.Filters {
		filters = append(filters, f.Name)
	}
	if want := []string{"rewrite", "redirectHTTP"}; !slices.Equal(filters, want) {
		t.Errorf("filters %v, want %v", filters, want)
	}
	if after.MaxRequestBody != 8<<20 || len(after.Backends) != 2 || after.Backends[1].Weight != 10 {
		t.Errorf("%+v", after)
	}
}

// migrated returns the one route that an example gives, secured by TLS.
func migrated(t *testing.T, example string) *snapshot.Route {
	t.Helper()
	objects, problems := file.Load(write(t, example))
	for _, p := range problems {
		t.Fatal(p)
	}
	own := translate.DefaultOptions().ClassName
	for i, o := range objects.Ingresses {
		objects.Ingresses[i] = o.DeepCopy()
		objects.Ingresses[i].Spec.IngressClassName = &own
	}
	s, _ := translateExamples(objects)
	if s.Routes.Len() != 1 || s.TLS.Len() != 1 {
		t.Fatalf("%d routes and %d policies of TLS, want one each", s.Routes.Len(), s.TLS.Len())
	}
	for r := range s.Routes.Values() {
		if r.Reject == 0 {
			return r
		}
	}
	t.Fatal("the rule rejects")
	return nil
}

// servicesOfIngresses are those that backends name, with the ports that they name.
func servicesOfIngresses(list []*networkingv1.Ingress) (all []*corev1.Service) {
	for _, o := range list {
		for _, rule := range o.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				port := p.Backend.Service.Port
				all = append(all, &corev1.Service{
					ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: p.Backend.Service.Name},
					Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: port.Name, Port: max(port.Number, 1)}}},
				})
			}
		}
	}
	return all
}

// certificatesOfIngresses are those that spec.tls names.
func certificatesOfIngresses(list []*networkingv1.Ingress) (all []*corev1.Secret) {
	for _, o := range list {
		for _, entry := range o.Spec.TLS {
			all = append(all, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: entry.SecretName}, Data: testcert.Data(entry.SecretName, entry.Hosts...),
			})
		}
	}
	return all
}
