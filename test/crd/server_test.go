// Package crd holds the custom resources' validation to its promise: what the API server accepts and refuses, and why, is
// what manifests from files are accepted and refused for.
package crd

import (
	"fmt"
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// server is a client of a real API server that has the generated CRDs. It refuses unknown fields, as kubectl does.
var server client.Client

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS is not set: it names the directory of kube-apiserver and etcd; make test builds them")
		return 1
	}
	environment := envtest.Environment{
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{"../../config/crd/bases"},
		ErrorIfCRDPathMissing: true,
	}
	// Start waits until the CRDs are established, so an illegal CEL cost ends here.
	config, err := environment.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the API server:", err)
		return 1
	}
	defer func() {
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the API server:", err)
		}
	}()
	plain, err := client.New(config, client.Options{Scheme: runtime.NewScheme()})
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		return 1
	}
	server = client.WithFieldValidation(plain, metav1.FieldValidationStrict)
	return m.Run()
}
