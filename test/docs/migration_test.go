package docs

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/api/v1alpha1"
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

// row is one of the table of annotations: their names, and what is said of them.
type row struct {
	annotations []string
	says        string
}

var quoted = regexp.MustCompile("`([^`]+)`")

func annotationRows(t *testing.T) (all []row) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/migrate-from-ingress-nginx.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| Annotation | Field |\n| --- | --- |\n")
	for line := range strings.Lines(table) {
		cells := strings.SplitN(strings.Trim(line, "| \n"), " | ", 2)
		if len(cells) != 2 {
			break
		}
		r := row{says: cells[1]}
		for _, name := range quoted.FindAllStringSubmatch(cells[0], -1) {
			r.annotations = append(r.annotations, name[1])
		}
		all = append(all, r)
	}
	if len(all) < 40 {
		t.Fatalf("the table has %d rows", len(all))
	}
	return all
}

// The table says of an annotation that it closes an Ingress if, and only if, it does.
func TestTheAnnotationsThatCloseAnIngressAreThoseOfTheTable(t *testing.T) {
	guards, seen := translate.Guards(), map[string]bool{}
	for _, r := range annotationRows(t) {
		for _, name := range r.annotations {
			name = "nginx.ingress.kubernetes.io/" + name
			if seen[name] {
				t.Errorf("%s has two rows", name)
			}
			seen[name] = true
			if says, closes := strings.Contains(r.says, "**closed**"), slices.Contains(guards, name); says != closes {
				t.Errorf("%s: closed is %t in the table, and %t in package translate", name, says, closes)
			}
		}
	}
	for _, name := range guards {
		if !seen[name] {
			t.Errorf("the table has no row for %s", name)
		}
	}
}

// The fields that the table names are there: those of a rule, and, with spec before them, of a GatewayRoute or RateLimitPolicy.
func TestTheFieldsOfTheTableExist(t *testing.T) {
	fields := 0
	for _, r := range annotationRows(t) {
		for _, m := range quoted.FindAllStringSubmatch(r.says, -1) {
			path, _, _ := strings.Cut(m[1], ":")
			head, _, isPath := strings.Cut(path, ".")
			if !isPath || strings.HasPrefix(path, ".") {
				continue
			}
			fields++
			objects := []any{v1alpha1.Rule{}}
			if head == "spec" {
				objects = []any{v1alpha1.GatewayRoute{}, v1alpha1.RateLimitPolicy{}}
			}
			if !slices.ContainsFunc(objects, func(o any) bool { return hasField(reflect.TypeOf(o), strings.Split(path, ".")) }) {
				t.Errorf("%s of %v is no field", path, r.annotations)
			}
		}
	}
	if fields < 30 {
		t.Errorf("the table names %d fields", fields)
	}
}

// hasField reports whether JSON of a type has a member of a name, and so on.
func hasField(typ reflect.Type, path []string) bool {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if len(path) == 0 {
		return true
	}
	if typ.Kind() != reflect.Struct {
		return false
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == strings.TrimSuffix(path[0], "[]") && hasField(f.Type, path[1:]) || options == "inline" && hasField(f.Type, path) {
			return true
		}
	}
	return false
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
