//go:build e2e

// Package e2e tests Penstock as its users run it: the image, installed with the chart in a Kubernetes with a kubelet and
// kube-proxy, asked over the network while its Pods come, go and die. `make e2e` runs it, inside the network of
// hack/cluster.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/penstock/penstock/api/v1alpha1"
)

// What the chart installs, where, and how many of it.
const (
	system   = "penstock-system"
	penstock = "penstock"
	replicas = 3
)

// apps is the namespace of routes and backends.
const apps = "e2e"

// patience bounds every wait. A Pod may take half a minute to drain.
const patience = 3 * time.Minute

// admin is an administrator's client.
var admin client.WithWatch

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.DiscardHandler))
	config, err := ctrl.GetConfig()
	if err != nil {
		return 0, fmt.Errorf("no cluster (make e2e starts one): %w", err)
	}
	config.QPS, config.Burst = 500, 500 // many routes at once are one of the tests
	if err := errors.Join(
		v1alpha1.AddToScheme(scheme.Scheme), gatewayv1beta1.Install(scheme.Scheme), apiextensionsv1.AddToScheme(scheme.Scheme),
	); err != nil {
		return 0, err
	}
	if admin, err = client.NewWithWatch(config, client.Options{Scheme: scheme.Scheme}); err != nil {
		return 0, err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: apps}}
	if err := admin.Create(context.Background(), namespace); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, admin.Delete(context.Background(), namespace)) }()
	return m.Run(), nil
}
