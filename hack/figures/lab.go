package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/penstock/penstock/api/v1alpha1"
)

const (
	namespace = "default"
	service   = "backend"
	httpPort  = 18080
	adminPort = 18081
	debugPort = 18082
)

// lab is an API server, a gateway and backends.
type lab struct {
	client.Client
	env      *envtest.Environment
	binary   string
	gateway  *exec.Cmd
	dir      string
	routes   int
	backends []net.Listener
}

func newLab(ctx context.Context, binary string, routes int) (*lab, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	l := &lab{binary: binary, routes: routes, env: &envtest.Environment{CRDDirectoryPaths: []string{"config/crd/bases"}, ErrorIfCRDPathMissing: true}}
	var err error
	if l.dir, err = os.MkdirTemp("", "penstock-figures-"); err != nil {
		return nil, err
	}
	if err := l.configure(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(l.dir))
	}
	cfg, err := l.env.Start()
	if err != nil {
		return nil, errors.Join(err, l.env.Stop(), os.RemoveAll(l.dir))
	}
	cfg.QPS, cfg.Burst = -1, -1
	if l.Client, err = client.New(cfg, client.Options{Scheme: scheme}); err == nil {
		err = errors.Join(l.startBackends(ctx), l.startGateway(ctx, l.apiAddress()))
	}
	if err != nil {
		err = errors.Join(err, l.lastWords())
		l.close()
		return nil, err
	}
	return l, nil
}

// lastWords are what the gateway logged, for the report of a failure.
func (l *lab) lastWords() error {
	b, err := os.ReadFile(l.log())
	return errors.Join(err, errors.New(string(b[max(0, len(b)-4096):])))
}

func (l *lab) log() string { return filepath.Join(l.dir, "log") }

func (l *lab) close() {
	l.stopGateway()
	for _, b := range l.backends {
		_ = b.Close()
	}
	_ = l.env.Stop()
	_ = os.RemoveAll(l.dir)
}

func (l *lab) stopGateway() {
	if l.gateway != nil && l.gateway.Process != nil {
		_ = l.gateway.Process.Signal(syscall.SIGTERM)
		_ = l.gateway.Wait()
	}
}

// startBackends starts three backends on one port of three addresses (see run.sh), as pods of one Service would be.
func (l *lab) startBackends(ctx context.Context) error {
	for _, ip := range []string{"192.0.2.2", "192.0.2.3", "192.0.2.4"} {
		ln, err := net.Listen("tcp", ip+":19001")
		if err != nil {
			return err
		}
		l.backends = append(l.backends, ln)
		go func() {
			_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }))
		}()
	}
	err := l.Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: service},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(19001)}}},
	})
	if err != nil {
		return err
	}
	return l.Create(ctx, slice("192.0.2.2", "192.0.2.3", "192.0.2.4"))
}

func slice(ips ...string) *discoveryv1.EndpointSlice {
	name, protocol := "", corev1.ProtocolTCP
	port := int32(19001)
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: service + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &protocol}},
	}
	for _, ip := range ips {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{ip}})
	}
	return s
}

func (l *lab) apiAddress() string {
	s := l.env.ControlPlane.GetAPIServer()
	return net.JoinHostPort(s.Address, s.Port)
}

// startGateway starts the gateway, for which the API server is at an address, and waits until it is ready.
func (l *lab) startGateway(ctx context.Context, api string) error {
	user, err := l.env.AddUser(envtest.User{Name: gatewayUser, Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return err
	}
	config, err := user.KubeConfig()
	if err != nil {
		return err
	}
	config = bytes.ReplaceAll(config, []byte(l.apiAddress()), []byte(api))
	kubeconfig := filepath.Join(l.dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, config, 0o600); err != nil {
		return err
	}
	log, err := os.Create(l.log())
	if err != nil {
		return err
	}
	defer log.Close()
	l.gateway = exec.Command(l.binary, "serve", "--kubeconfig", kubeconfig, "--bind-address=127.0.0.1",
		fmt.Sprintf("--http-port=%d", httpPort), "--https-port=0", fmt.Sprintf("--admin-address=127.0.0.1:%d", adminPort), fmt.Sprintf("--debug-address=127.0.0.1:%d", debugPort),
		"--state-dir", filepath.Join(l.dir, "state"), "--leader-election-namespace", namespace)
	l.gateway.Stdout, l.gateway.Stderr = log, log
	if err := l.gateway.Start(); err != nil {
		return err
	}
	return eventually(ctx, 30*time.Second, "the gateway to be ready", func() (bool, error) {
		r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", adminPort))
		if err != nil {
			return false, nil
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK, nil
	})
}

// route makes a route with a host of its own, or a path of its own on one host, whose answers carry its revision.
func route(i int, ownHost bool, revision string) *v1alpha1.GatewayRoute {
	host, path := "one.example.com", fmt.Sprintf("/r%05d", i)
	if ownHost {
		host, path = fmt.Sprintf("r%05d.example.com", i), "/"
	}
	port := intstr.FromInt32(80)
	return &v1alpha1.GatewayRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("r%05d", i)},
		Spec: v1alpha1.GatewayRouteSpec{
			Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(host)},
			Rules: []v1alpha1.Rule{{
				Matches:  []v1alpha1.Match{{Path: &v1alpha1.PathMatch{Type: v1alpha1.PathMatchPrefix, Value: path}}},
				Filters:  &v1alpha1.Filters{ResponseHeaders: &v1alpha1.HeaderFilter{Set: []v1alpha1.Header{{Name: "X-Revision", Value: revision}}}},
				Backends: []v1alpha1.Backend{{Service: service, Port: port}},
			}},
		},
	}
}

// probe is a client that never retries: one connection, one answer for each request.
type probe struct {
	net.Conn
	r *bufio.Reader
}

func newProbe() (*probe, error) {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", httpPort))
	if err != nil {
		return nil, err
	}
	return &probe{c, bufio.NewReader(c)}, nil
}

// get returns the status and the revision of the answer.
func (p *probe) get(host, path string) (int, string, error) {
	if err := p.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, "", err
	}
	if _, err := fmt.Fprintf(p, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host); err != nil {
		return 0, "", err
	}
	r, err := http.ReadResponse(p.r, nil)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return 0, "", err
	}
	return r.StatusCode, r.Header.Get("X-Revision"), nil
}

func eventually(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s", limit, what)
		case <-time.After(time.Millisecond):
		}
	}
}
