package proxy_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

// secrets makes the two values of a Secret with a new certificate.
func secrets(tb testing.TB, name string) []*snapshot.Secret {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(1, 0, 0)}
	certificate, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	value := func(key, kind string, b []byte) *snapshot.Secret {
		ref := snapshot.Ref{Namespace: "test", Name: name, Key: key}
		return (&snapshot.Secret{Ref: ref, Value: pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})}).Seal()
	}
	return []*snapshot.Secret{value("tls.crt", "CERTIFICATE", certificate), value("tls.key", "PRIVATE KEY", der)}
}

func policy(host, secret string, least snapshot.TLSVersion) *snapshot.TLSPolicy {
	ref := func(key string) snapshot.Ref { return snapshot.Ref{Namespace: "test", Name: secret, Key: key} }
	return (&snapshot.TLSPolicy{Host: host, Certificate: ref("tls.crt"), Key: ref("tls.key"), MinVersion: least}).Seal()
}

// secured is wish, served with and without TLS.
func secured(revision string, policies []*snapshot.TLSPolicy, secrets ...[]*snapshot.Secret) *snapshot.Snapshot {
	s := *wish(revision, "/")
	for r := range s.Routes.Values() {
		r.Listeners = []string{snapshot.ListenerHTTP, snapshot.ListenerHTTPS}
		r.Seal()
	}
	parts := proxytest.Snapshot(proxytest.Parts{TLS: policies, Secrets: slices.Concat(secrets...)})
	s.TLS, s.Secrets = parts.TLS, parts.Secrets
	return snapshot.New(s)
}

func dialTLS(tb testing.TB, g *proxy.Gateway, host string, versions ...uint16) *client {
	tb.Helper()
	config := &tls.Config{ServerName: host, InsecureSkipVerify: true}
	if len(versions) > 0 {
		config.MaxVersion = versions[0]
	}
	raw, err := net.Dial("tcp", g.Addr(snapshot.ListenerHTTPS).String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { raw.Close() })
	if err := raw.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		tb.Fatal(err)
	}
	c := tls.Client(raw, config)
	if err := c.Handshake(); err != nil {
		tb.Fatal(err)
	}
	return &client{c, bufio.NewReader(c)}
}

// ask gets "/" of a host and returns status, code and body.
func (c *client) ask(tb testing.TB, host string) (status int, body string) {
	tb.Helper()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		tb.Fatal(err)
	}
	return c.answer(tb)
}

func (c *client) answer(tb testing.TB) (status int, body string) {
	tb.Helper()
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestRequestsOverTLSAreServedThroughRotation(t *testing.T) {
	g := gateway(t)
	g.SetEndpoints("backend", []snapshot.Endpoint{backend(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("b", 100<<10))
	})})
	policies := []*snapshot.TLSPolicy{policy("a.org", "a", snapshot.TLS12)}
	g.Apply(secured("1", policies, secrets(t, "a")))
	c := dialTLS(t, g, "a.org")
	for range 10 {
		if status, body := c.ask(t, "a.org"); status != http.StatusOK || len(body) != 100<<10 {
			t.Fatalf("got %d, %d bytes", status, len(body))
		}
		g.Apply(secured("2", policies, secrets(t, "a")))
	}
	g.Apply(secured("3", nil))
	if status, _ := c.ask(t, "a.org"); status != http.StatusOK {
		t.Errorf("got %d after the policy had gone", status)
	}
}

func TestMisdirectedRequestsAreRefusedAndTheConnectionStays(t *testing.T) {
	g := gateway(t)
	g.SetEndpoints("backend", []snapshot.Endpoint{backend(t, func(http.ResponseWriter, *http.Request) {})})
	g.Apply(secured("1", []*snapshot.TLSPolicy{
		policy("a.org", "a", snapshot.TLS12), policy("also-a.org", "a", snapshot.TLS12), policy("b.org", "b", snapshot.TLS12),
		policy("strict.org", "a", snapshot.TLS13),
	}, secrets(t, "a"), secrets(t, "b")))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := dialTLS(t, g, "a.org", version)
		for _, tt := range []struct {
			host string
			want int
		}{{"a.org", 200}, {"b.org", 421}, {"A.ORG:8443", 200}, {"also-a.org", 200}, {"strict.org", 421}, {"other.org", 421}, {"a.org", 200}} {
			status, body := c.ask(t, tt.host)
			if status != tt.want || status == 421 && !strings.Contains(body, `"route.misdirected"`) {
				t.Errorf("%s for %s: got %d, want %d; %s", tls.VersionName(version), tt.host, status, tt.want, body)
			}
		}
	}
}

func TestDrainEndsConnectionsWithTLS(t *testing.T) {
	g := gateway(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	g.SetEndpoints("backend", []snapshot.Endpoint{backend(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Wait") != "" {
			close(arrived)
			<-release
		}
	})})
	g.Apply(secured("1", []*snapshot.TLSPolicy{policy("a.org", "a", snapshot.TLS12)}, secrets(t, "a")))
	idle, busy := dialTLS(t, g, "a.org"), dialTLS(t, g, "a.org")
	idle.ask(t, "a.org")
	if _, err := io.WriteString(busy, "GET / HTTP/1.1\r\nHost: a.org\r\nWait: 1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-arrived
	shaking := half(t, g)
	drained := make(chan int64)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		drained <- g.Drain(ctx)
	}()
	if _, err := idle.r.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection got %v, want its end", err)
	}
	for g.Addr(snapshot.ListenerHTTPS) != nil {
		if t.Context().Err() != nil {
			t.Fatal("the listener stays open")
		}
	}
	late := shaking(t)
	if status, _ := late.ask(t, "a.org"); status != http.StatusOK {
		t.Errorf("a connection amid its handshake got %d", status)
	}
	close(release)
	if status, _ := busy.answer(t); status != http.StatusOK {
		t.Errorf("the request in flight got %d", status)
	}
	if cut := <-drained; cut != 0 {
		t.Errorf("%d connections were cut", cut)
	}
}

// half begins a handshake; what it returns ends it.
func half(t *testing.T, g *proxy.Gateway) (rest func(*testing.T) *client) {
	t.Helper()
	raw, err := net.Dial("tcp", g.Addr(snapshot.ListenerHTTPS).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	heard, hold := make(chan struct{}), make(chan struct{})
	c := tls.Client(&held{Conn: raw, heard: heard, hold: hold}, &tls.Config{ServerName: "a.org", InsecureSkipVerify: true})
	done := make(chan error, 1)
	go func() { done <- c.Handshake() }()
	<-heard
	return func(t *testing.T) *client {
		t.Helper()
		close(hold)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return &client{c, bufio.NewReader(c)}
	}
}

// held is a connection that, once it has heard something, waits before it gives that to its reader.
type held struct {
	net.Conn
	heard, hold chan struct{}
	once        bool
}

func (h *held) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if !h.once {
		h.once = true
		close(h.heard)
		<-h.hold
	}
	return n, err
}

// BenchmarkIdleTLS measures what an idle connection with TLS holds, after a request, without what the client has of it. Sockets
// of the kernel don't count.
func BenchmarkIdleTLS(b *testing.B) {
	g := gateway(b)
	g.SetEndpoints("backend", []snapshot.Endpoint{backend(b, func(http.ResponseWriter, *http.Request) {})})
	g.Apply(secured("1", []*snapshot.TLSPolicy{policy("a.org", "a", snapshot.TLS12)}, secrets(b, "a")))
	const n = 1000
	held := make([]net.Conn, 0, n)
	before := inUse()
	for b.Loop() {
		for range n {
			c := dialTLS(b, g, "a.org")
			c.ask(b, "a.org")
			held = append(held, c.Conn.(*tls.Conn).NetConn())
		}
		b.ReportMetric(float64(inUse()-before)/float64(len(held)), "B/conn")
	}
	runtime.KeepAlive(held)
}

// inUse is the heap and the stacks.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkHandshake measures client and server together.
func BenchmarkHandshake(b *testing.B) {
	g := gateway(b)
	g.Apply(secured("1", []*snapshot.TLSPolicy{policy("a.org", "a", snapshot.TLS12)}, secrets(b, "a")))
	b.ReportAllocs()
	for b.Loop() {
		dialTLS(b, g, "a.org").Close()
	}
}
