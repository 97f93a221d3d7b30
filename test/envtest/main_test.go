// Package envtest tests the controller against a real kube-apiserver and etcd.
package envtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"log/slog"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/api/v1alpha1"
)

// The API server that all tests share, an administrator's client, and the configuration of a user who may do only what
// config/rbac permits.
var (
	server *envtest.Environment
	admin  client.Client
	least  *rest.Config
)

// leaseNamespace is where config/rbac permits the Lease.
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
		return 0, errors.New("KUBEBUILDER_ASSETS must name the folder of kube-apiserver and etcd; make test builds them")
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
	// A folder of our own outlives a restart of the API server, so that clients can connect again.
	server.ControlPlane.GetAPIServer().CertDir = certificates
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
		rbacv1.AddToScheme(scheme), coordinationv1.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), gatewayv1beta1.Install(scheme),
	)
	if err != nil {
		return err
	}
	if admin, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	user, err := server.AddUser(envtest.User{Name: "penstock"}, config)
	if err != nil {
		return err
	}
	least = user.Config()
	return permit("penstock")
}

// permit gives a user what config/rbac permits.
func permit(user string) error {
	ctx := context.Background()
	file, err := os.ReadFile("../../config/rbac/role.yaml")
	if err != nil {
		return err
	}
	if err := admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: leaseNamespace}}); err != nil {
		return err
	}
	var clusterRole rbacv1.ClusterRole
	var role rbacv1.Role
	documents := splitYAML(file)
	if err := errors.Join(yaml.Unmarshal(documents[0], &clusterRole), yaml.Unmarshal(documents[1], &role)); err != nil {
		return err
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}
	return errors.Join(
		admin.Create(ctx, &clusterRole),
		admin.Create(ctx, &role),
		admin.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: user}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole.Name},
		}),
		admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: role.Namespace, Name: user}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		}),
	)
}
