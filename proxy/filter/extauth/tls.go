package extauth

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/field"
	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

// TLS says how the service proves that it is the one that is to be asked.
type TLS struct {
	// CASecretName or CAConfigMapName, of which at most one is set, names what has at the key ca.crt the roots that its certificate
	// leads to; both empty: those of the system.
	CASecretName    string `json:"caSecretName,omitempty"`
	CAConfigMapName string `json:"caConfigMapName,omitempty"`
	// ServerName is the name that its certificate is for; empty: the host, or "service.namespace.svc" of a Service.
	ServerName string `json:"serverName,omitempty"`
}

// caKey is where a Secret or ConfigMap has roots.
const caKey = "ca.crt"

func (t *TLS) validate() error {
	if t == nil {
		return nil
	}
	if t.CASecretName != "" && t.CAConfigMapName != "" {
		return errors.New("tls: caSecretName and caConfigMapName must not both be set")
	}
	if t.ServerName == "" {
		return nil
	}
	if _, err := netip.ParseAddr(t.ServerName); err == nil {
		return nil
	}
	if err := field.Hostname(t.ServerName); err != nil {
		return fmt.Errorf("tls.serverName: %w", err)
	}
	return nil
}

// caRef names the value that the roots are in, if they are not those of the system.
func (c *Config) caRef() (ref snapshot.Ref, ok bool) {
	switch {
	case c.Disabled || c.TLS == nil:
	case c.TLS.CASecretName != "":
		return snapshot.Ref{Name: c.TLS.CASecretName, Key: caKey}, true
	case c.TLS.CAConfigMapName != "":
		return snapshot.Ref{Kind: snapshot.InConfigMap, Name: c.TLS.CAConfigMapName, Key: caKey}, true
	}
	return ref, false
}

func refs(c Config) []snapshot.Ref {
	if ref, ok := c.caRef(); ok {
		return []snapshot.Ref{ref}
	}
	return nil
}

// inspect says whether the roots can be used.
func inspect(c Config, values filter.Values) error {
	ref, ok := c.caRef()
	if !ok {
		return nil
	}
	value, err := values(ref)
	if err != nil {
		return err
	}
	if _, err := roots(value); err != nil {
		return &filter.Unusable{Ref: ref, Err: err}
	}
	return nil
}

func roots(ca []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("it has no certificate in PEM")
	}
	return pool, nil
}

// peer is a service, and how it proves that it is the one.
type peer struct {
	cluster *live.Cluster
	// name is that of its certificate; empty: it is asked without TLS.
	name string
	// ca has the roots that it leads to, in PEM, if they are private ones and not those of the system.
	ca      string
	private bool
}

func (c *Config) peer(cluster *live.Cluster, values filter.Values) (peer, error) {
	p := peer{cluster: cluster}
	if c.TLS == nil {
		return p, nil
	}
	p.name = cmp.Or(c.TLS.ServerName, c.Backend.Host, serviceHost(cluster.Name))
	ref, ok := c.caRef()
	if !ok {
		return p, nil
	}
	ca, err := values(ref)
	p.ca, p.private = string(ca), true
	return p, err
}

// serviceHost is the name within its cluster of a Service, whose cluster of endpoints is called "namespace/name:port".
func serviceHost(cluster string) string {
	namespace, service, _ := strings.Cut(cluster, "/")
	name, _, _ := strings.Cut(service, ":")
	return name + "." + namespace + ".svc"
}

// config is nil without TLS.
func (p peer) config() (*tls.Config, error) {
	if p.name == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: p.name}
	if !p.private {
		return c, nil
	}
	var err error
	c.RootCAs, err = roots([]byte(p.ca))
	return c, err
}
