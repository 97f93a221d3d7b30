//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/penstock/penstock/api/v1alpha1"
)

// demoImage is hack/demo as hack/cluster loads it.
const demoImage = "localhost/demo:dev"

// app is a backend of three Pods, and the host that is routed to it.
type app struct {
	name, host string
	pods       []*corev1.Pod
}

// newApp makes a backend and its route, waits until all of it is Ready, and takes it away with the test.
func newApp(t *testing.T, name string) app {
	t.Helper()
	a := app{name: name, host: name + ".example.com"}
	route := &v1alpha1.GatewayRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: name},
		Spec: v1alpha1.GatewayRouteSpec{
			Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(a.host)},
			Rules:     []v1alpha1.Rule{{Backends: []v1alpha1.Backend{{Service: name, Port: intstr.FromInt32(80)}}}},
		},
	}
	create(t, a.service(), a.deployment("v1"), route)
	a.pods = awaitPods(t, "the backends are Ready", apps, name, replicas, anyPod)
	await(t, "the route is Programmed", &v1alpha1.GatewayRouteList{}, named(apps, name), func(routes []*v1alpha1.GatewayRoute) bool {
		return len(routes) == 1 && meta.IsStatusConditionTrue(routes[0].Status.Conditions, v1alpha1.ConditionProgrammed)
	})
	// That is so of the leader; the others are asked.
	for _, p := range installed(t) {
		awaitAnswer(t, direct(p), a.host)
	}
	awaitAnswer(t, balancer(t), a.host)
	return a
}

func (a app) labels() map[string]string { return map[string]string{"app.kubernetes.io/name": a.name} }

func (a app) service() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: a.name},
		Spec: corev1.ServiceSpec{
			Selector: a.labels(),
			Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}},
		},
	}
}

// deployment runs the backend as it should be run: it serves on for a moment after it was told to end, since that takes a
// moment to get about.
func (a app) deployment(version string) *appsv1.Deployment {
	count, one, none, grace := int32(replicas), intstr.FromInt32(1), intstr.FromInt32(0), int64(10)
	d := deployment(apps, a.name)
	d.Spec = appsv1.DeploymentSpec{
		Replicas: &count,
		Selector: &metav1.LabelSelector{MatchLabels: a.labels()},
		Strategy: appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &one, MaxUnavailable: &none}},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: a.labels()},
			Spec: corev1.PodSpec{
				TerminationGracePeriodSeconds: &grace,
				Containers: []corev1.Container{{
					Name: "demo", Image: demoImage, ImagePullPolicy: corev1.PullIfNotPresent,
					Args:  []string{"-name", fmt.Sprintf("%s-%s", a.name, version), "-addr", ":8080"},
					Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
					ReadinessProbe: &corev1.Probe{
						ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http")}},
						PeriodSeconds: 1,
					},
					Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 3}}},
					Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}},
				}},
			},
		},
	}
	return d
}
