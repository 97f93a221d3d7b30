package extauth_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/extauth"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

// safe is a service that speaks HTTP over TLS, with a certificate for example.com of an authority of its own.
type safe struct {
	*httptest.Server
	last  atomic.Pointer[asked]
	conns atomic.Int64
}

func newSafe(t *testing.T) *safe {
	t.Helper()
	s := new(safe)
	s.last.Store(new(asked))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.last.Store(&asked{describe(r), r.TLS.ServerName})
		allow(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *safe) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestTheServiceIsVerified(t *testing.T) {
	s := newSafe(t)
	for _, tt := range []struct{ name, tls, failure, want string }{
		{"it is the one", `{"caSecretName": "ca", "serverName": "example.com"}`, "Closed", "<nil>"},
		{"it is the one, by address", `{"caSecretName": "ca", "serverName": "127.0.0.1"}`, "Closed", "<nil>"},
		{"another name", `{"caSecretName": "ca", "serverName": "example.net"}`, "Closed", "503 extauth.unavailable"},
		{"another name by default", `{"caSecretName": "ca"}`, "Closed", "503 extauth.unavailable"},
		{"another authority", `{"serverName": "example.com"}`, "Closed", "503 extauth.unavailable"},
		{"another authority, and all may pass", `{"serverName": "example.com"}`, "Open", "<nil>"},
	} {
		for protocol, address := range map[string]string{
			"HTTP": s.Listener.Addr().String(), "GRPC": (&authorizer{answer: allowed(nil)}).serve(t, grpc.Creds(credentials.NewServerTLSFromCert(&s.TLS.Certificates[0]))),
		} {
			t.Run(protocol+"/"+tt.name, func(t *testing.T) {
				w := newWorld(t, address)
				w.ca = s.ca()
				h := w.build(t, `, "timeout": "1m", "failureMode": "`+tt.failure+`", "protocol": "`+protocol+`", "tls": `+tt.tls, &proxytest.Upstream{})
				if err := h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")); code(err) != tt.want {
					t.Errorf("error %v, want %s", err, tt.want)
				}
			})
		}
	}
}

func TestAServiceWithoutTLSIsNotAsked(t *testing.T) {
	plain, last := service(t, allow)
	for protocol, address := range map[string]string{"HTTP": plain, "GRPC": (&authorizer{answer: allowed(nil)}).serve(t)} {
		h := newWorld(t, address).build(t, `, "protocol": "`+protocol+`", "tls": {}`, &proxytest.Upstream{})
		if err := h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nCookie: a=b\n")); code(err) != "503 extauth.unavailable" {
			t.Errorf("%s: error %v", protocol, err)
		}
	}
	if got := last.Load().text; got != "" {
		t.Errorf("the service got %q", got)
	}
}

// What the service gets is the same with TLS and without.
func TestTLSChangesNothingOfWhatIsAsked(t *testing.T) {
	plain, last := service(t, allow)
	s := newSafe(t)
	for _, settings := range []string{``, `, "http": {"path": "/oauth2/auth", "method": "HEAD"}`, `, "http": {"pathPrefix": "/check", "method": "POST"}, "body": {"maxBytes": 10}`} {
		ask := func(address, tls string) (upstream *proxytest.Upstream) {
			upstream = &proxytest.Upstream{}
			w := newWorld(t, address)
			w.ca = s.ca()
			x := proxytest.Exchange(t, strings.Replace(request, "/orders/42", "/a%20b/%22%7Cc", 1))
			if err := w.build(t, settings+tls+`, "headers": {"toBackend": ["X-User"], "toClient": ["Set-Cookie"]}`, upstream).Serve(x); err != nil {
				t.Errorf("%s: %v", settings, err)
			}
			return upstream
		}
		want := ask(plain, "")
		got := ask(s.Listener.Addr().String(), `, "tls": {"caSecretName": "ca", "serverName": "example.com"}`)
		if got.Got != want.Got {
			t.Errorf("%s: the backend gets %q, want %q", settings, got.Got, want.Got)
		}
		if asked := s.last.Load(); asked.text != last.Load().text || asked.body != "example.com" {
			t.Errorf("%s: the service gets %q for %s, want %q", settings, asked.text, asked.body, last.Load().text)
		}
	}
}

func TestConnectionsOverTLSAreKept(t *testing.T) {
	s := newSafe(t)
	w := newWorld(t, s.Listener.Addr().String())
	w.ca = s.ca()
	first := w.build(t, `, "tls": {"caSecretName": "ca", "serverName": "example.com"}`, &proxytest.Upstream{})
	second := w.build(t, `, "timeout": "2s", "tls": {"caSecretName": "ca", "serverName": "example.com"}`, &proxytest.Upstream{})
	for _, h := range []exchange.Handler{first, second, first} {
		if err := h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestEndpointsThatTakeNoConnectionArePassedOver(t *testing.T) {
	s := newSafe(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	w := newWorld(t, gone.Addr().String(), s.Listener.Addr().String())
	w.ca = s.ca()
	h := w.build(t, `, "tls": {"caSecretName": "ca", "serverName": "example.com"}`, &proxytest.Upstream{})
	for range 2 {
		if err := h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")); err != nil {
			t.Error(err)
		}
	}
	w.serveAt(t)
	if err := h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")); code(err) != "503 extauth.unavailable" {
		t.Errorf("without an endpoint: %v", err)
	}
}

func TestRootsAreInspected(t *testing.T) {
	d := extauth.Definition(nil, nil)
	const config = `{"backend": {"service": "a", "port": 443}, "tls": {"caSecretName": "ca"}`
	refs, err := d.Check(json.RawMessage(config + "}"))
	if want := (snapshot.Ref{Name: "ca", Key: "ca.crt"}); err != nil || len(refs) != 1 || refs[0] != want {
		t.Errorf("refs %v, error %v", refs, err)
	}
	refs, err = d.Check(json.RawMessage(`{"backend": {"service": "a", "port": 443}, "tls": {"caConfigMapName": "ca"}}`))
	if want := (snapshot.Ref{Kind: snapshot.InConfigMap, Name: "ca", Key: "ca.crt"}); err != nil || len(refs) != 1 || refs[0] != want {
		t.Errorf("refs %v, error %v", refs, err)
	}
	for value, usable := range map[string]bool{"": false, "hunter2": false, string(newSafe(t).ca()): true} {
		err := d.Inspect(json.RawMessage(config+"}"), func(snapshot.Ref) ([]byte, error) { return []byte(value), nil })
		bad, ok := errors.AsType[*filter.Unusable](err)
		if (err == nil) != usable || !usable && (!ok || bad.Ref.Name != "ca" || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%q: %v", value, err)
		}
	}
	if refs, err := d.Check(json.RawMessage(config + `, "disabled": true}`)); err != nil || len(refs) > 0 {
		t.Errorf("switched off: refs %v, error %v", refs, err)
	}
}

func BenchmarkServeTLS(b *testing.B) {
	s := httptest.NewTLSServer(http.HandlerFunc(allow))
	defer s.Close()
	w := newWorld(b, s.Listener.Addr().String())
	w.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	h := w.build(b, `, "tls": {"caSecretName": "ca", "serverName": "example.com"}`, &proxytest.Upstream{})
	x := proxytest.Exchange(b, "GET / HTTP/1.1\nHost: a\nCookie: a=b\n")
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Serve(x); err != nil {
			b.Fatal(err)
		}
	}
}
