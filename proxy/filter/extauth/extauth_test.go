package extauth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/extauth"
	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/proxy/upstream"
)

const cluster = "auth/service:80"

// world is a real way to the services that are asked.
type world struct {
	store     *live.Store
	upstreams *upstream.Upstreams
	clients   *extauth.Clients
	// ca is what the Secret ca has at ca.crt.
	ca []byte
}

func newWorld(tb testing.TB, addresses ...string) *world {
	tb.Helper()
	w := &world{store: live.NewStore(upstream.NewPool), clients: extauth.NewClients()}
	w.upstreams = upstream.New(upstream.Options{Store: w.store, Log: slog.New(slog.DiscardHandler)})
	w.serveAt(tb, addresses...)
	return w
}

func (w *world) serveAt(tb testing.TB, addresses ...string) {
	tb.Helper()
	var endpoints []snapshot.Endpoint
	for _, a := range addresses {
		ap := netip.MustParseAddrPort(a)
		endpoints = append(endpoints, snapshot.Endpoint{Address: ap.Addr().String(), Port: ap.Port()})
	}
	if err := w.store.SetEndpoints(cluster, endpoints); err != nil {
		tb.Fatal(err)
	}
}

// build returns the filter, with backend {service: service, port: 80} and the settings.
func (w *world) build(tb testing.TB, settings string, last exchange.Handler) exchange.Handler {
	tb.Helper()
	registry := filter.Registry{extauth.Definition(observe.NewDecisions(), w.clients)}
	handler := w.upstreams.Handler(&snapshot.Cluster{Name: cluster, Protocol: snapshot.HTTP, Balancer: snapshot.RoundRobin})
	config := `{"backend": {"service": "service", "port": 80}` + settings + `}`
	chain, err := registry.Chain(false, []snapshot.Filter{{Name: extauth.Name, Config: json.RawMessage(config), Clusters: []string{cluster}}}, filter.Env{
		Now: time.Now,
		Secret: func(ref snapshot.Ref) ([]byte, error) {
			if ref != (snapshot.Ref{Name: "ca", Key: "ca.crt"}) {
				return nil, fmt.Errorf("%s: not found", ref)
			}
			return w.ca, nil
		},
		Cluster: func(name string) (exchange.Handler, error) {
			if name != cluster {
				return nil, fmt.Errorf("cluster %s: not found", name)
			}
			return handler, nil
		},
	}, last)
	if err != nil {
		tb.Fatal(err)
	}
	return chain.Handler
}

// asked is what the service got last.
type asked struct{ text, body string }

// service is a real one that answers with h and remembers what it was asked.
func service(t *testing.T, h http.HandlerFunc) (address string, last *atomic.Pointer[asked]) {
	t.Helper()
	last = new(atomic.Pointer[asked])
	last.Store(new(asked))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		last.Store(&asked{describe(r), string(body)})
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), last
}

// describe has what matters of a request to the service.
func describe(r *http.Request) string {
	text := r.Method + " " + r.RequestURI + " " + r.Host + "\n"
	for _, name := range []string{"Authorization", "Cookie", "If-None-Match", "Range", "X-A", "X-User", "X-Forwarded-For", "X-Forwarded-Method", "X-Forwarded-Uri", "X-Trace-Id"} {
		for _, v := range r.Header[name] {
			text += name + ": " + v + "\n"
		}
	}
	return text
}

const request = "PUT /orders/42?a=b HTTP/1.1\nHost: shop.example.com\nCookie: a=b\nIf-None-Match: 1\nRange: bytes=0-1\nX-A: 1\nX-User: root\nX_User: root\n" +
	"X-Forwarded-For: 192.0.2.1\nX-Trace-ID: 1\nContent-Length: 5\n\nhello"

func allow(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-User", "ada")
	w.Header().Add("Set-Cookie", "a=c")
	w.Header().Add("Set-Cookie", "d=e")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, "whatever")
}

func TestTheServiceIsAsked(t *testing.T) {
	for _, tt := range []struct{ name, settings, want, body string }{
		{
			"all fields", ``, "GET / shop.example.com\nCookie: a=b\nX-A: 1\nX-User: root\nX-Forwarded-For: 192.0.2.1\n" +
				"X-Forwarded-Method: PUT\nX-Forwarded-Uri: /orders/42?a=b\nX-Trace-Id: 1\n", "",
		},
		{
			"some fields, at a path", `, "http": {"path": "/oauth2/auth", "method": "POST"}, "headers": {"send": ["cookie", "if-none-match"]}`,
			"POST /oauth2/auth shop.example.com\nCookie: a=b\nIf-None-Match: 1\nX-Forwarded-For: 192.0.2.1\n" +
				"X-Forwarded-Method: PUT\nX-Forwarded-Uri: /orders/42?a=b\nX-Trace-Id: 1\n", "",
		},
		{
			"at the client's path, without the client's user", `, "http": {"pathPrefix": "/check/"}, "headers": {"send": ["X-User"], "toBackend": ["X-User"]}`,
			"GET /check/orders/42?a=b shop.example.com\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Method: PUT\nX-Forwarded-Uri: /orders/42?a=b\nX-Trace-Id: 1\n", "",
		},
		{
			"with the body", `, "http": {"method": "POST"}, "headers": {"send": ["X-A"]}, "body": {"maxBytes": 5}`,
			"POST / shop.example.com\nX-A: 1\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Method: PUT\nX-Forwarded-Uri: /orders/42?a=b\nX-Trace-Id: 1\n", "hello",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address, asked := service(t, allow)
			var forwarded string
			last := exchange.HandlerFunc(func(x *exchange.Exchange) error {
				b, err := io.ReadAll(x.Request.Body)
				forwarded = string(b)
				x.Reply(200)
				return err
			})
			x := proxytest.Exchange(t, request)
			if err := newWorld(t, address).build(t, tt.settings, last).Serve(x); err != nil {
				t.Fatal(err)
			}
			if got := asked.Load(); got.text != tt.want || got.body != tt.body || forwarded != "hello" {
				t.Errorf("the service got\n%swith body %q\nwant\n%s\nthe backend got body %q", got.text, got.body, tt.want, forwarded)
			}
		})
	}
}

func TestWhatTheServiceSaysIsPassedOn(t *testing.T) {
	address, _ := service(t, allow)
	w := newWorld(t, address)
	upstream := &proxytest.Upstream{Head: []string{"Set-Cookie", "b=1"}}
	h := w.build(t, `, "headers": {"toBackend": ["X-User"], "toClient": ["Set-Cookie"], "subject": "x-user"}`, upstream)
	for range 3 { // the second time on a warm connection, with memory of the first
		x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX-User: root\nx_user: root\nX-USER: admin\n")
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
		if want := "GET / HTTP/1.1\nHost: a\nX-User: ada\n"; upstream.Got != want {
			t.Errorf("the backend got\n%swant\n%s", upstream.Got, want)
		}
		if got, want := proxytest.ResponseText(t, x), "HTTP/1.1 200 OK\nSet-Cookie: b=1\nSet-Cookie: a=c\nSet-Cookie: d=e\n\n"; got != want {
			t.Errorf("the client gets\n%swant\n%s", got, want)
		}
		if x.Subject.Kind != exchange.ByService || x.Subject.ID != "ada" {
			t.Errorf("subject %+v", x.Subject)
		}
	}
	if c := w.upstreams.Counters(); c.Connects != 1 || c.Reuses != 2 {
		t.Errorf("%d connections, %d used again", c.Connects, c.Reuses)
	}
}

func TestRefusalsGoToTheClient(t *testing.T) {
	for _, tt := range []struct {
		name    string
		service http.HandlerFunc
		want    string
	}{
		{
			"to a login page", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://login.example.com/?rd=a")
				w.Header().Set("Set-Cookie", "csrf=1")
				w.Header().Set("Date", "now")
				w.WriteHeader(http.StatusFound)
			}, "HTTP/1.1 302 Found\nDate: now\nLocation: https://login.example.com/?rd=a\nSet-Cookie: csrf=1\n\n",
		},
		{
			"with a page of its own", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("Date", "now")
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "no")
				w.(http.Flusher).Flush() // of unknown length
				_, _ = io.WriteString(w, "!")
			}, "HTTP/1.1 403 Forbidden\nContent-Type: text/plain\nDate: now\n\nno!",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address, _ := service(t, tt.service)
			upstream := &proxytest.Upstream{}
			x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
			if err := newWorld(t, address).build(t, ``, upstream).Serve(x); err != nil {
				t.Fatal(err)
			}
			if got := proxytest.ResponseText(t, x); got != tt.want || upstream.Got != "" {
				t.Errorf("the client gets\n%s\nwant\n%s\nthe backend got %q", got, tt.want, upstream.Got)
			}
		})
	}
}

// code returns the error that is answered.
func code(err error) string {
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		return fmt.Sprintf("%d %s", e.Status, e.Code)
	}
	return fmt.Sprint(err)
}

func TestRefusalsWithoutABodyGetOurs(t *testing.T) {
	for status, want := range map[int]string{401: "401 extauth.unauthenticated", 403: "403 extauth.denied"} {
		address, _ := service(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.Header().Set("Date", "now")
			w.WriteHeader(status)
		})
		upstream := &proxytest.Upstream{}
		x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
		err := newWorld(t, address).build(t, ``, upstream).Serve(x)
		if got := code(err); got != want || upstream.Got != "" {
			t.Errorf("%s, want %s; the backend got %q", got, want, upstream.Got)
		}
		if challenge, _ := x.FailureHead.Lookup("WWW-Authenticate"); challenge != "Bearer" {
			t.Errorf("challenge %q", challenge)
		}
	}
}

// failures are services that say neither yes nor no, by name.
func failures(t *testing.T) map[string]string {
	t.Helper()
	failing, _ := service(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	large, _ := service(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		_, _ = io.WriteString(w, strings.Repeat("a", 64<<10+1))
	})
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	return map[string]string{"failing": failing, "large": large, "silent": silent.Addr().String(), "gone": closed.Addr().String()}
}

func TestFailuresAreClosedUnlessToldOtherwise(t *testing.T) {
	for name, address := range failures(t) {
		for _, protocol := range []string{"HTTP", "GRPC"} {
			if protocol == "GRPC" && name == "large" {
				continue // it is no service of gRPC, like "failing"
			}
			t.Run(protocol+"/"+name, func(t *testing.T) {
				settings := `, "protocol": "` + protocol + `", "timeout": "100ms", "headers": {"toBackend": ["X-User"]}`
				upstream := &proxytest.Upstream{}
				w := newWorld(t, address)
				err := w.build(t, settings, upstream).Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n"))
				if got := code(err); got != "503 extauth.unavailable" || upstream.Got != "" {
					t.Errorf("%s; the backend got %q", got, upstream.Got)
				}
				x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX-User: root\n")
				if err := w.build(t, settings+`, "failureMode": "Open"`, upstream).Serve(x); err != nil || upstream.Got != "GET / HTTP/1.1\nHost: a\n" {
					t.Errorf("failure mode Open: error %v, the backend got %q", err, upstream.Got)
				}
			})
		}
	}
}

func TestWithoutEndpointsNothingPasses(t *testing.T) {
	for _, protocol := range []string{"HTTP", "GRPC"} {
		upstream := &proxytest.Upstream{}
		err := newWorld(t).build(t, `, "timeout": "100ms", "protocol": "`+protocol+`"`, upstream).Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n"))
		if got := code(err); got != "503 extauth.unavailable" || upstream.Got != "" {
			t.Errorf("%s: %s", protocol, got)
		}
	}
}

func TestACancelledExchangeEndsTheCall(t *testing.T) {
	gone := &exchange.Error{Status: 499, Code: "test.gone"}
	for _, protocol := range []string{`"HTTP"`, `"GRPC"`, `"HTTP", "tls": {}`, `"GRPC", "tls": {}`} {
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
		go func() {
			if c, err := silent.Accept(); err == nil {
				b := make([]byte, 1)
				_, _ = c.Read(b) // it has been asked
				x.Cancel(gone)
			}
		}()
		h := newWorld(t, silent.Addr().String()).build(t, `, "timeout": "1m", "failureMode": "Open", "protocol": `+protocol, &proxytest.Upstream{})
		if err := h.Serve(x); !errors.Is(err, gone) {
			t.Errorf("%s: error %v", protocol, err)
		}
		silent.Close()
	}
}

func TestBodiesAreBounded(t *testing.T) {
	address, last := service(t, allow)
	w := newWorld(t, address)
	for body, want := range map[string]string{
		"Content-Length: 6\n\nhello!":          "413 extauth.body_too_large",
		"Transfer-Encoding: chunked\n\nhello!": "413 extauth.body_too_large",
		"Content-Length: 5\n\nhe":              "499 client.closed",
		"Transfer-Encoding: chunked\n\nhello":  "<nil>",
		"Content-Length: 5\n\nhello":           "<nil>",
		"Content-Length: 0\n\n":                "<nil>",
		"\n":                                   "<nil>",
		"Transfer-Encoding: chunked\n\nhell":   "<nil>",
	} {
		last.Store(new(asked))
		err := w.build(t, `, "http": {"method": "POST"}, "body": {"maxBytes": 5}`, &proxytest.Upstream{}).Serve(proxytest.Exchange(t, "POST / HTTP/1.1\nHost: a\n"+body))
		got := last.Load()
		if c := code(err); c != want || (got.text != "") != (want == "<nil>") {
			t.Errorf("%q: %s, want %s; the service got %q", body, c, want, got.text)
		}
	}
}

func TestARuleWithoutItStripsAllTheSame(t *testing.T) {
	registry := filter.Registry{extauth.Definition(nil, nil)}
	config := `{"backend": {"service": "a", "port": "http"}, "headers": {"toBackend": ["X-User"]}, "disabled": true}`
	upstream := &proxytest.Upstream{}
	chain, err := registry.Chain(false, []snapshot.Filter{{Name: extauth.Name, Config: json.RawMessage(config)}}, filter.Env{}, upstream)
	if err != nil {
		t.Fatal(err)
	}
	if err := chain.Handler.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nx-user: root\n")); err != nil || upstream.Got != "GET / HTTP/1.1\nHost: a\n" {
		t.Errorf("error %v, the backend got %q", err, upstream.Got)
	}
	if targets := registry[0].Targets(json.RawMessage(config)); targets != nil {
		t.Errorf("targets %v", targets)
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	registry := filter.Registry{extauth.Definition(nil, nil)}
	for name, tt := range map[string]struct{ config, want string }{
		"a named port":          {`"backend": {"service": "a", "namespace": "b", "port": "http"}`, ""},
		"a host":                {`"backend": {"host": "a", "port": 80}, "protocol": "GRPC", "timeout": "1m"`, ""},
		"no backend":            {`"timeout": "1s"`, "backend"},
		"a protocol":            {`"backend": {"service": "a", "port": 80}, "protocol": "SOAP"`, "protocol"},
		"http over gRPC":        {`"backend": {"service": "a", "port": 80}, "protocol": "GRPC", "http": {}`, "http"},
		"two paths":             {`"backend": {"service": "a", "port": 80}, "http": {"path": "/", "pathPrefix": "/"}`, "http"},
		"a path":                {`"backend": {"service": "a", "port": 80}, "http": {"path": "a"}`, "http.path"},
		"a path with a query":   {`"backend": {"service": "a", "port": 80}, "http": {"pathPrefix": "/a?b"}`, "http.pathPrefix"},
		"a method":              {`"backend": {"service": "a", "port": 80}, "http": {"method": "PUT"}`, "http.method"},
		"no time":               {`"backend": {"service": "a", "port": 80}, "timeout": "0s"`, "timeout"},
		"a failure mode":        {`"backend": {"service": "a", "port": 80}, "failureMode": "Maybe"`, "failureMode"},
		"no body":               {`"backend": {"service": "a", "port": 80}, "body": {"maxBytes": 0}`, "body.maxBytes"},
		"a large body":          {`"backend": {"service": "a", "port": 80}, "body": {"maxBytes": 262145}`, "body.maxBytes"},
		"a field that is none":  {`"backend": {"service": "a", "port": 80}, "headers": {"send": ["a b"]}`, "headers.send[0]"},
		"Host for the backend":  {`"backend": {"service": "a", "port": 80}, "headers": {"toBackend": ["a", "Host"]}`, "headers.toBackend[1]"},
		"framing of the answer": {`"backend": {"service": "a", "port": 80}, "headers": {"toClient": ["Content-Length"]}`, "headers.toClient[0]"},
		"a subject":             {`"backend": {"service": "a", "port": 80}, "headers": {"subject": "a:"}`, "headers.subject"},
		"a server's name":       {`"backend": {"service": "a", "port": 80}, "tls": {"serverName": "a:443"}`, "tls.serverName"},
		"two kinds of roots":    {`"backend": {"service": "a", "port": 80}, "tls": {"caSecretName": "a", "caConfigMapName": "b"}`, "tls: caSecretName and caConfigMapName"},
		"a server's address":    {`"backend": {"service": "a", "port": 80}, "tls": {"serverName": "::1"}`, ""},
		"an unknown field":      {`"backend": {"service": "a", "port": 80}, "url": ""`, "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := registry.Check(snapshot.Filter{Name: extauth.Name, Config: json.RawMessage("{" + tt.config + "}")})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// said answers at once, without a network.
var said = exchange.HandlerFunc(func(x *exchange.Exchange) error {
	x.Reply(202)
	x.Response.Head.Add("X-User", "ada")
	return nil
})

func cycle(tb testing.TB) func() {
	tb.Helper()
	registry := filter.Registry{extauth.Definition(observe.NewDecisions(), extauth.NewClients())}
	config := `{"backend": {"service": "a", "port": 80}, "headers": {"send": ["Cookie"], "toBackend": ["X-User"]}}`
	chain, err := registry.Chain(false, []snapshot.Filter{{Name: extauth.Name, Config: json.RawMessage(config), Clusters: []string{"a"}}},
		filter.Env{Now: time.Now, Cluster: func(string) (exchange.Handler, error) { return said, nil }},
		exchange.HandlerFunc(func(*exchange.Exchange) error { return nil }))
	if err != nil {
		tb.Fatal(err)
	}
	template := proxytest.Exchange(tb, "GET / HTTP/1.1\nHost: a\nCookie: a=b\nX-User: root\n")
	x := new(exchange.Exchange)
	return func() {
		x.Reset()
		x.Request.Method, x.Request.Path, x.Request.Authority = "GET", "/orders", "a"
		for name, value := range template.Request.Head.All() {
			x.Request.Head.Add(name, value)
		}
		_ = chain.Handler.Serve(x)
	}
}

// maxAllocations bounds what the filter allocates on its own; the round trip allocates nothing on a warm connection.
const maxAllocations = 0

func BenchmarkServe(b *testing.B) {
	serve := cycle(b)
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
}
