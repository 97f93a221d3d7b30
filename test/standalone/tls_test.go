package standalone

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certificate makes a self-signed certificate for these hosts and its key, as the data of a Secret.
func certificate(t *testing.T, serial int64, hosts ...string) map[string]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"tls.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"tls.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}
}

// secretManifest is a Secret as kubectl create secret tls makes it.
func secretManifest(name string, data map[string]string) string {
	b := "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata:\n  name: " + name + "\ndata:\n"
	for key, value := range data {
		b += fmt.Sprintf("  %s: %s\n", key, base64.StdEncoding.EncodeToString([]byte(value)))
	}
	return b
}

// securedRoute is a route of one host with settings of TLS.
func securedRoute(name, host, settings, backend string) string {
	return strings.Replace(route(name, host, "/", backend), "spec:\n", "spec:\n  tls: {"+settings+"}\n", 1)
}

// startTLS is start with a port for TLS, whose address it returns as well.
func startTLS(t *testing.T, manifests map[string]string, flags ...string) (g *gateway, address string) {
	t.Helper()
	port := freePorts(t, 1)[0]
	return start(t, manifests, append(flags, "--https-port="+port)...), "127.0.0.1:" + port
}

// secure opens a connection with TLS that lasts as long as the test.
func secure(t *testing.T, address string, config *tls.Config) (*client, error) {
	t.Helper()
	raw, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	if err := raw.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, config)
	return &client{c, t, bufio.NewReader(c)}, c.Handshake()
}

func mustSecure(t *testing.T, address, host string) *client {
	t.Helper()
	c, err := secure(t, address, unverified(host))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func unverified(host string) *tls.Config {
	return &tls.Config{ServerName: host, InsecureSkipVerify: true}
}

// serial is the number of the certificate that a new connection for the host gets; 0 if it gets none.
func serial(t *testing.T, address, host string) int64 {
	t.Helper()
	c, err := secure(t, address, unverified(host))
	if err != nil {
		return 0
	}
	defer c.Close()
	return c.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestTLSIsTerminatedByTheHostsCertificate(t *testing.T) {
	upstream := backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Host, r.Header.Get("X-Forwarded-Proto"))
	})
	_, address := startTLS(t, map[string]string{
		"a.yaml":        securedRoute("a", "a.example.com", "secretName: a", upstream),
		"wild.yaml":     securedRoute("wild", "'*.example.com'", "secretName: wild", upstream),
		"open.yaml":     route("open", "open.example.org", "/", upstream),
		"secret-a.yaml": secretManifest("a", certificate(t, 1, "a.example.com")),
		"secret-w.yaml": secretManifest("wild", certificate(t, 2, "*.example.com")),
		"secret-d.yaml": secretManifest("fallback", certificate(t, 3)),
	}, "--default-certificate=default/fallback")
	for host, want := range map[string]int64{"a.example.com": 1, "b.example.com": 2, "open.example.org": 3, "unknown.example.org": 3} {
		if got := serial(t, address, host); got != want {
			t.Errorf("%s gets certificate %d, want %d", host, got, want)
		}
	}
	for _, host := range []string{"a.example.com", "b.example.com", "open.example.org"} {
		c := mustSecure(t, address, host)
		c.send("GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		if r := c.receive(); r.StatusCode != http.StatusOK || r.body != host+" https" {
			t.Errorf("%s: got %d %q", host, r.StatusCode, r.body)
		}
	}
}

func TestCertificatesRotateWithoutALostConnection(t *testing.T) {
	g, address := startTLS(t, map[string]string{
		"a.yaml":      securedRoute("a", "a.example.com", "secretName: a", backend(t, echo("a"))),
		"secret.yaml": secretManifest("a", certificate(t, 1, "a.example.com")),
	})
	c := mustSecure(t, address, "a.example.com")
	ask := func() {
		t.Helper()
		c.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
		if r := c.receive(); r.StatusCode != http.StatusOK {
			t.Errorf("got %d", r.StatusCode)
		}
	}
	ask()
	g.write(t, "secret.yaml", secretManifest("a", certificate(t, 2, "a.example.com")))
	eventually(t, "the second certificate", func() bool { return serial(t, address, "a.example.com") == 2 })
	ask()
	// cert-manager first makes a Secret without certificate, and a hand that errs makes worse. The last one is none at all, as for the
	// API server, so that the one before it stays.
	for _, broken := range []struct {
		name string
		data map[string]string
	}{
		{"empty", map[string]string{"tls.crt": "", "tls.key": ""}},
		{"no certificate", map[string]string{"tls.crt": "certificate", "tls.key": "key"}},
		{"other keys", map[string]string{"cert": "x"}},
	} {
		g.write(t, "secret.yaml", secretManifest("a", broken.data))
		eventually(t, "the broken Secret to be seen", func() bool {
			return strings.Contains(g.getAdmin(t, "/metrics").body, `gateway_tls_certificates{state="stale"} 1`)
		})
		if got := serial(t, address, "a.example.com"); got != 2 {
			t.Errorf("%s: certificate %d serves, want the last good one", broken.name, got)
		}
		ask()
	}
	g.write(t, "secret.yaml", secretManifest("a", certificate(t, 3, "a.example.com")))
	eventually(t, "the third certificate", func() bool { return serial(t, address, "a.example.com") == 3 })
	ask()
}

func TestASecretThatComesLaterIsServed(t *testing.T) {
	g, address := startTLS(t, map[string]string{
		"a.yaml": securedRoute("a", "a.example.com", "secretName: a", backend(t, echo("a"))),
	})
	var op *net.OpError
	if _, err := secure(t, address, unverified("a.example.com")); !errors.As(err, &op) || op.Err.Error() != "tls: unrecognized name" {
		t.Errorf("without a Secret: %v, want the alert", err)
	}
	g.write(t, "secret.yaml", secretManifest("a", certificate(t, 1, "a.example.com")))
	eventually(t, "the certificate", func() bool { return serial(t, address, "a.example.com") == 1 })
}

func TestMinimumVersionAndRedirection(t *testing.T) {
	g, address := startTLS(t, map[string]string{
		"a.yaml":      securedRoute("a", "a.example.com", `secretName: a, minVersion: "1.3", redirectHTTP: true`, backend(t, echo("a"))),
		"secret.yaml": secretManifest("a", certificate(t, 1, "a.example.com")),
	}, "--https-redirect-port=8443")
	old := unverified("a.example.com")
	old.MaxVersion = tls.VersionTLS12
	if _, err := secure(t, address, old); err == nil {
		t.Error("TLS 1.2 was spoken")
	}
	r := g.get(t, "a.example.com", "/a%20b?c=d")
	if got, want := r.Header.Get("Location"), "https://a.example.com:8443/a%20b?c=d"; r.StatusCode != http.StatusPermanentRedirect || got != want {
		t.Errorf("got %d to %q, want %q", r.StatusCode, got, want)
	}
	c := mustSecure(t, address, "a.example.com")
	c.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
	if r := c.receive(); r.StatusCode != http.StatusOK {
		t.Errorf("with TLS: got %d", r.StatusCode)
	}
}

func TestDrainFinishesWhatHasTLS(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	g, address := startTLS(t, map[string]string{
		"a.yaml": securedRoute("a", "a.example.com", "secretName: a", backend(t, func(http.ResponseWriter, *http.Request) {
			close(arrived)
			<-release
		})),
		"secret.yaml": secretManifest("a", certificate(t, 1, "a.example.com")),
	})
	c := mustSecure(t, address, "a.example.com")
	c.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
	<-arrived
	if err := g.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the port to be closed", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(release)
	if r := c.receive(); r.StatusCode != http.StatusOK || !r.Close {
		t.Errorf("got %d, close %v", r.StatusCode, r.Close)
	}
	c.ended()
	if err := g.wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}

func theConnectionIsForAnotherHost(t *testing.T) (status int, code string) {
	t.Helper()
	b := backend(t, echo("b"))
	_, address := startTLS(t, map[string]string{
		"a.yaml":        securedRoute("a", "a.example.com", "secretName: a", b),
		"b.yaml":        securedRoute("b", "b.example.com", "secretName: b", b),
		"secret-a.yaml": secretManifest("a", certificate(t, 1, "a.example.com", "b.example.com")),
		"secret-b.yaml": secretManifest("b", certificate(t, 2, "b.example.com")),
	})
	c := mustSecure(t, address, "a.example.com")
	c.send("GET / HTTP/1.1\r\nHost: b.example.com\r\n\r\n")
	r := c.receive()
	return r.StatusCode, r.problem(t).Code
}
