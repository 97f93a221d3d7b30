package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/controllers/file"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/snapshot"
)

// translation are the flags that change what objects mean. Every command that translates has them.
type translation struct {
	class            string
	httpPort         uint16
	httpsPort        uint16
	redirectPort     uint16
	certificate      string
	hostPermissions  string
	balancing        string
	externalBackends bool
	externalNames    bool
}

func (t *translation) add(f *pflag.FlagSet) {
	f.StringVar(&t.class, "class", "penstock", "serve the GatewayRoutes with this className, and the Ingresses of the class of this name")
	f.Uint16Var(&t.httpPort, "http-port", 8080, "port for cleartext HTTP; 0 takes any free one")
	f.Uint16Var(&t.httpsPort, "https-port", 8443, "port for HTTP over TLS; 0 takes any free one")
	f.Uint16Var(&t.redirectPort, "https-redirect-port", 443, "port in the URLs that spec.tls.redirectHTTP redirects to: the one at which clients reach --https-port")
	f.StringVar(&t.certificate, "default-certificate", "", "Secret, as NAMESPACE/NAME, with the certificate for hosts that no route secures and for clients that name no host; by default their handshakes fail")
	f.StringVar(&t.hostPermissions, "host-permissions", "", "file that says which namespaces may claim which hostnames; by default all may claim all")
	f.StringVar(&t.balancing, "load-balancing", string(snapshot.LeastRequest), "how an endpoint is chosen: LeastRequest or RoundRobin")
	f.BoolVar(&t.externalBackends, "allow-external-backends", t.externalBackends, "allow backends with host and port, which can reach anything that this process can")
	f.BoolVar(&t.externalNames, "allow-external-name", t.externalNames, "allow backends that are Services of type ExternalName")
}

func (t *translation) options() (o translate.Options, err error) {
	balancer := snapshot.Balancer(t.balancing)
	if !slices.Contains([]snapshot.Balancer{snapshot.LeastRequest, snapshot.RoundRobin}, balancer) {
		return translate.Options{}, fmt.Errorf("--load-balancing: %q is neither LeastRequest nor RoundRobin", t.balancing)
	}
	o = translate.DefaultOptions()
	o.ClassName = t.class
	o.Listeners = []*snapshot.Listener{
		{Name: snapshot.ListenerHTTP, Port: t.httpPort, Protocol: snapshot.HTTP},
		{Name: snapshot.ListenerHTTPS, Port: t.httpsPort, Protocol: snapshot.HTTPS},
	}
	if t.redirectPort == 0 {
		return translate.Options{}, errors.New("--https-redirect-port: 0 is no port that a URL can name")
	}
	o.HTTPSRedirectPort = t.redirectPort
	if o.DefaultCertificate, err = parseName(t.certificate); err != nil {
		return translate.Options{}, fmt.Errorf("--default-certificate: %w", err)
	}
	if t.hostPermissions != "" {
		if o.HostPermissions, err = file.LoadHostPermissions(t.hostPermissions); err != nil {
			return translate.Options{}, fmt.Errorf("--host-permissions: %w", err)
		}
	}
	o.Balancer = balancer
	o.AllowExternalBackends = t.externalBackends
	o.AllowExternalName = t.externalNames
	return o, nil
}

// parseName reads NAMESPACE/NAME; empty text is the zero value.
func parseName(text string) (types.NamespacedName, error) {
	if text == "" {
		return types.NamespacedName{}, nil
	}
	namespace, name, _ := strings.Cut(text, "/")
	if namespace == "" || name == "" || strings.Contains(name, "/") {
		return types.NamespacedName{}, fmt.Errorf("%q is not of the form NAMESPACE/NAME", text)
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, nil
}
