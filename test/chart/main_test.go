// Package chart tests charts/penstock: with the pinned Helm, against a real kube-apiserver, and beside config/default.
package chart

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	root = "../.."
	path = root + "/charts/penstock"
	// namespace is where the tests install, as the documents do.
	namespace = "penstock-system"
)

// The API server that all tests share, and an administrator's client.
var (
	admin  client.Client
	config *rest.Config
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	for _, name := range []string{"KUBEBUILDER_ASSETS", "HELM", "HELM3"} {
		if os.Getenv(name) == "" {
			return 0, fmt.Errorf("%s is not set: KUBEBUILDER_ASSETS names the folder of kube-apiserver, etcd and kubectl, HELM and HELM3 binaries; make test builds them", name)
		}
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.DiscardHandler))
	server := &envtest.Environment{
		CRDDirectoryPaths: []string{root + "/config/crd/bases"}, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: time.Minute, ControlPlaneStopTimeout: time.Minute,
	}
	if config, err = server.Start(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if admin, err = client.New(config, client.Options{}); err != nil {
		return 0, err
	}
	return m.Run(), nil
}
