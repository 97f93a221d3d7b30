// Package envtest tests the controller against a real kube-apiserver and etcd.
package envtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
)

// The API server that all tests share, an administrator's client, and the configuration of Penstock's service account,
// which may do only what config/default permits.
var (
	server *envtest.Environment
	admin  client.WithWatch
	least  *rest.Config
)

// leaseNamespace is where config/default installs Penstock and permits its Lease.
const leaseNamespace = "penstock-system"

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "envtest:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return 0, errors.New("KUBEBUILDER_ASSETS must name the folder of kube-apiserver, etcd and kubectl; make test builds them")
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.DiscardHandler))
	certificates, err := os.MkdirTemp("", "penstock-envtest-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(certificates)
	server = &envtest.Environment{
		CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: time.Minute, ControlPlaneStopTimeout: time.Minute,
	}
	api := server.ControlPlane.GetAPIServer()
	// A folder of our own outlives a restart of the API server, so that clients can connect again.
	api.CertDir = certificates
	// When it is stopped while there are watches, the API server takes as long as a request may.
	api.Configure().Set("request-timeout", "10s")
	config, err := server.Start()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := prepare(config); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func prepare(config *rest.Config) error {
	scheme := runtime.NewScheme()
	err := errors.Join(
		v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme), discoveryv1.AddToScheme(scheme), eventsv1.AddToScheme(scheme),
		networkingv1.AddToScheme(scheme), coordinationv1.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), gatewayv1beta1.Install(scheme),
	)
	if err != nil {
		return err
	}
	if admin, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if err := install("../../config/default"); err != nil {
		return err
	}
	user, err := server.AddUser(envtest.User{Name: "system:serviceaccount:" + leaseNamespace + ":penstock"}, config)
	if err != nil {
		return err
	}
	least = user.Config()
	return nil
}

// install creates what a kustomization holds, save the CustomResourceDefinitions, which are there already.
func install(kustomization string) error {
	kubectl := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "kustomize", kustomization)
	kubectl.Stderr = os.Stderr
	manifests, err := kubectl.Output()
	if err != nil {
		return fmt.Errorf("kubectl kustomize %s: %w", kustomization, err)
	}
	for d := yaml.NewYAMLToJSONDecoder(bytes.NewReader(manifests)); ; {
		var o unstructured.Unstructured
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if o.GetKind() == "CustomResourceDefinition" {
			continue
		}
		if err := admin.Create(context.Background(), &o); err != nil {
			return fmt.Errorf("create %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
}
