package chart

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func everything(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// apply applies objects as Helm 4 does: on the server, which refuses fields that a kind has not.
func apply(t *testing.T, o *unstructured.Unstructured, options ...client.ApplyOption) error {
	t.Helper()
	options = append(options, client.ForceOwnership, client.FieldOwner("helm"))
	// The answer is written into what is applied.
	return admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o.DeepCopy()), options...)
}

// ensureNamespaces makes namespaces in which the Pod Security Standard "restricted" is enforced.
func ensureNamespaces(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		n := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace",
			"metadata": map[string]any{"name": name, "labels": map[string]any{"pod-security.kubernetes.io/enforce": "restricted"}},
		}}
		if err := apply(t, n); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheAPIServerAcceptsWhatIsRendered(t *testing.T) {
	ensureNamespaces(t, namespace, "shop", "blog")
	for _, c := range []struct {
		name, values string
		foreign      int // objects of kinds that the API server has not
	}{
		{"by default", "", 0},
		{"with everything", everything(t), 2},
		{"in some namespaces", "watchNamespaces: [shop, blog]\nsecrets: {namespaces: [shop]}\nconfigMaps: {namespaces: [blog]}", 0},
		{"with all Secrets", "secrets: {access: all, clusterWide: true}\nservice: {type: NodePort}", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			foreign := 0
			for _, o := range render(t, c.values) {
				if o.GroupVersionKind().Group == "monitoring.coreos.com" {
					foreign++
					continue
				}
				if err := apply(t, o, client.DryRunAll); err != nil {
					t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
				}
			}
			if foreign != c.foreign {
				t.Errorf("%d objects of unknown kinds, want %d", foreign, c.foreign)
			}
		})
	}
}

func TestPodsKeepToTheRestrictedStandard(t *testing.T) {
	ensureNamespaces(t, namespace)
	for _, values := range []string{"", everything(t)} {
		all := render(t, values)
		pods := []*unstructured.Unstructured{podOf(t, all), all.find(testPod)}
		for _, p := range pods {
			if err := apply(t, p, client.DryRunAll); err != nil {
				t.Errorf("%s: %v", p.GetName(), err)
			}
			unstructured.RemoveNestedField(p.Object, "spec", "securityContext", "runAsNonRoot")
			if err := apply(t, p, client.DryRunAll); !apierrors.IsForbidden(err) {
				t.Errorf("%s without runAsNonRoot: %v, want a refusal", p.GetName(), err)
			}
		}
	}
}

// podOf is a Pod of the Deployment.
func podOf(t *testing.T, m manifests) *unstructured.Unstructured {
	t.Helper()
	template, ok := at(m.find(deployment), "spec.template").(map[string]any)
	if !ok {
		t.Fatal("the Deployment has no template")
	}
	p := (&unstructured.Unstructured{Object: template}).DeepCopy()
	p.SetAPIVersion("v1")
	p.SetKind("Pod")
	p.SetNamespace(namespace)
	p.SetName("penstock-replica")
	return p
}

// What a Role grants for a kind that has no namespaces it does not grant.
func TestRolesInNamespacesAreAboutWhatIsInNamespaces(t *testing.T) {
	lists, err := discovery.NewDiscoveryClientForConfigOrDie(config).ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	namespaced := map[string]bool{"referencegrants": true} // of Gateway API, which is not installed here
	for _, list := range lists {
		for _, r := range list.APIResources {
			namespaced[r.Name] = r.Namespaced
		}
	}
	checked := 0
	for _, o := range render(t, "watchNamespaces: [shop]\nsecrets: {namespaces: [shop]}") {
		if o.GetKind() != "Role" {
			continue
		}
		granted, _, err := unstructured.NestedSlice(o.Object, "rules")
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range granted {
			for _, resource := range rule.(map[string]any)["resources"].([]any) {
				checked++
				name, _, _ := strings.Cut(resource.(string), "/")
				if !namespaced[name] {
					t.Errorf("%s/%s grants %s, which is in no namespace", o.GetNamespace(), o.GetName(), name)
				}
			}
		}
	}
	if checked < 8 {
		t.Errorf("%d resources were checked: too few", checked)
	}
}

func TestWatchNamespacesPermitsNothingElsewhere(t *testing.T) {
	ensureNamespaces(t, namespace, "shop", "blog", "other")
	for _, o := range render(t, "fullnameOverride: watching\nwatchNamespaces: [shop, blog]\nsecrets: {namespaces: [shop]}\nconfigMaps: {namespaces: [blog]}") {
		if o.GroupVersionKind().Group == "rbac.authorization.k8s.io" {
			if err := apply(t, o); err != nil {
				t.Fatal(err)
			}
		}
	}
	reviews := kubernetes.NewForConfigOrDie(config).AuthorizationV1().SubjectAccessReviews()
	for _, c := range []struct {
		verb, group, resource, namespace string
		want                             bool
	}{
		{"watch", "gateway.penstock.io", "gatewayroutes", "shop", true},
		{"list", "discovery.k8s.io", "endpointslices", "blog", true},
		{"watch", "gateway.penstock.io", "gatewayroutes", "other", false},
		{"list", "", "services", "", false},
		{"get", "", "secrets", "shop", true},
		{"get", "", "secrets", "blog", false},
		{"watch", "", "configmaps", "blog", true},
		{"get", "", "configmaps", "shop", false},
		{"create", "coordination.k8s.io", "leases", namespace, true},
		{"create", "coordination.k8s.io", "leases", "shop", false},
	} {
		r, err := reviews.Create(t.Context(), &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + namespace + ":watching",
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: c.verb, Group: c.group, Resource: c.resource, Namespace: c.namespace,
			},
		}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Status.Allowed != c.want {
			t.Errorf("%s %s in %q: allowed is %t, want %t", c.verb, c.resource, c.namespace, r.Status.Allowed, c.want)
		}
	}
}

// The labels and annotations by which Helm knows what is its own, and nothing else, differ.
func TestTheChartInstallsWhatKustomizeInstalls(t *testing.T) {
	out, err := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "kustomize", root+"/config/default").Output()
	if err != nil {
		t.Fatal(err)
	}
	byKustomize, byHelm := named(decode(t, string(out))), named(render(t, ""))
	delete(byKustomize, "Namespace//"+namespace)
	delete(byHelm, "Pod/"+namespace+"/penstock-test-ready")
	for name, want := range byKustomize {
		got := byHelm[name]
		if got == nil {
			t.Errorf("the chart has no %s", name)
			continue
		}
		for _, d := range differences("", plain(t, want.Object), plain(t, got.Object)) {
			t.Errorf("%s: by kustomize and by Helm %s", name, d)
		}
	}
	for name := range byHelm {
		if byKustomize[name] == nil {
			t.Errorf("config/default has no %s", name)
		}
	}
}

// differences are the least parts of two values that differ.
func differences(path string, a, b any) (all []string) {
	inA, ok := a.(map[string]any)
	inB, ok2 := b.(map[string]any)
	if !ok || !ok2 {
		if reflect.DeepEqual(a, b) {
			return nil
		}
		return []string{fmt.Sprintf("%s is %v and %v", path, a, b)}
	}
	names := maps.Clone(inA)
	maps.Copy(names, inB)
	for name := range names {
		all = append(all, differences(path+"."+name, inA[name], inB[name])...)
	}
	return all
}

func named(m manifests) map[string]*unstructured.Unstructured {
	all := map[string]*unstructured.Unstructured{}
	for _, o := range m {
		labels, annotations := o.GetLabels(), o.GetAnnotations()
		for _, l := range []string{"name", "instance", "version", "managed-by"} {
			delete(labels, "app.kubernetes.io/"+l)
		}
		delete(labels, "helm.sh/chart")
		delete(annotations, "helm.sh/resource-policy")
		if len(labels) == 0 {
			labels = nil
		}
		o.SetLabels(labels)
		o.SetAnnotations(annotations)
		all[o.GetKind()+"/"+o.GetNamespace()+"/"+o.GetName()] = o
	}
	return all
}

func dump(t *testing.T, o *unstructured.Unstructured) string {
	t.Helper()
	b, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestValuesOfEarlierVersionsRender(t *testing.T) {
	files, err := filepath.Glob("testdata/values-*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no frozen values: %v", err)
	}
	for _, file := range files {
		out, err := helm("template", "penstock", path, "--namespace", namespace, "--values", file)
		if err != nil {
			t.Error(err)
			continue
		}
		if decode(t, out).find(deployment) == nil {
			t.Errorf("%s renders no Deployment", file)
		}
	}
}

func TestHelmFindsNothingToComplainAbout(t *testing.T) {
	if _, err := helm("lint", "--strict", path); err != nil {
		t.Error(err)
	}
}

// Pods, and what selects them, agree: a Service that finds the Pod of helm test would send it requests.
func TestSelectorsFindReplicasAlone(t *testing.T) {
	all := render(t, everything(t))
	replica, probe := podOf(t, all).GetLabels(), all.find(testPod).GetLabels()
	for _, s := range []struct{ object, path string }{
		{deployment, "spec.selector.matchLabels"},
		{service, "spec.selector"},
		{metrics, "spec.selector"},
		{budget, "spec.selector.matchLabels"},
		{policy, "spec.podSelector.matchLabels"},
	} {
		selector, ok := at(all.find(s.object), s.path).(map[string]any)
		if !ok || len(selector) == 0 {
			t.Errorf("%s selects everything", s.object)
		}
		if !selects(selector, replica) || selects(selector, probe) {
			t.Errorf("%s must select replicas, and nothing else", s.object)
		}
	}
}

func selects(selector map[string]any, labels map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return true
}

// Every flag that the chart passes is one of serve.
func TestArgumentsAreFlagsOfServe(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "penstock")
	if out, err := exec.Command("go", "build", "-o", binary, root+"/cmd/penstock").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	help, err := exec.Command(binary, "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(help))
	arguments, _ := at(render(t, everything(t)).find(deployment), container+".args").([]any)
	if len(arguments) < 12 {
		t.Errorf("everything gives %d arguments: too few", len(arguments))
	}
	for _, a := range arguments[1:] {
		if flag, _, _ := strings.Cut(a.(string), "="); !slices.Contains(words, flag) {
			t.Errorf("serve has no flag %s", flag)
		}
	}
}

func TestNotesSayWhatToDoNext(t *testing.T) {
	for _, c := range []struct{ name, values, want string }{
		{"how to test", "", "helm --namespace penstock-system test penstock"},
		{"the address", "", "get service penstock --output"},
		{"no address", "service: {type: ClusterIP}", "port-forward service/penstock 8080:80"},
		{"no Secrets", "", "--clusterrole=penstock-secrets --serviceaccount=penstock-system:penstock"},
		{"Secrets are not read", "secrets: {access: none}", "no route can serve TLS"},
		{"no roles", "rbac: {create: false}", "bind the permissions"},
		{"CRDs of others", "crds: {enabled: false}", "must come from another release"},
		{"alerts without metrics", ruled, `job="penstock-metrics"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "values.yaml")
			if err := os.WriteFile(file, []byte(c.values), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := helm("install", "penstock", path, "--namespace", namespace, "--values", file, "--dry-run=client")
			if err != nil {
				t.Fatal(err)
			}
			_, notes, ok := strings.Cut(out, "NOTES:")
			if !ok || !strings.Contains(notes, c.want) {
				t.Errorf("%q is not in the notes:\n%s", c.want, notes)
			}
		})
	}
}
