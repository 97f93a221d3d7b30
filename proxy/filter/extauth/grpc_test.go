package extauth_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/proxytest"
)

// authorizer is a real service of Envoy's protocol.
type authorizer struct {
	authv3.UnimplementedAuthorizationServer
	answer *authv3.CheckResponse
	err    error

	mu    sync.Mutex
	got   *authv3.CheckRequest
	calls int
	// ended is told of each connection that ends.
	ended chan struct{}
}

func (a *authorizer) Check(_ context.Context, r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = r
	a.calls++
	return a.answer, a.err
}

func (a *authorizer) asked() (*authv3.CheckRequest, int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.got, a.calls
}

func (*authorizer) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*authorizer) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*authorizer) HandleRPC(context.Context, stats.RPCStats)                         {}
func (a *authorizer) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnEnd); ok {
		a.ended <- struct{}{}
	}
}

// serve returns where the service is.
func (a *authorizer) serve(t *testing.T, options ...grpc.ServerOption) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.ended = make(chan struct{}, 100)
	s := grpc.NewServer(append(options, grpc.StatsHandler(a))...)
	authv3.RegisterAuthorizationServer(s, a)
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(s.Stop)
	return ln.Addr().String()
}

func allowed(ok *authv3.OkHttpResponse) *authv3.CheckResponse {
	return &authv3.CheckResponse{Status: &rpcstatus.Status{Code: int32(codes.OK)}, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok}}
}

func refused(denied *authv3.DeniedHttpResponse) *authv3.CheckResponse {
	r := &authv3.CheckResponse{Status: &rpcstatus.Status{Code: int32(codes.PermissionDenied)}}
	if denied != nil {
		r.HttpResponse = &authv3.CheckResponse_DeniedResponse{DeniedResponse: denied}
	}
	return r
}

func set(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}}
}

func TestTheServiceIsAskedByEnvoysProtocol(t *testing.T) {
	a := &authorizer{answer: allowed(nil)}
	w := newWorld(t, a.serve(t))
	x := proxytest.Exchange(t, request+"\n")
	x.Client = proxytest.Peer.Addr()
	x.Request.Head.Add("X-A", "2\xff")
	x.Trace, _ = exchange.ParseTrace("4bf92f3577b34da6a3ce929d0e0e4736")
	if err := w.build(t, `, "protocol": "GRPC", "timeout": "1m", "body": {"maxBytes": 100}`, &proxytest.Upstream{}).Serve(x); err != nil {
		t.Fatal(err)
	}
	got, _ := a.asked()
	want := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: "192.0.2.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 50123},
		}}}},
		Request: &authv3.AttributeContext_Request{Time: timestamppb.New(proxytest.Start), Http: &authv3.AttributeContext_HttpRequest{
			Id: "4bf92f3577b34da6a3ce929d0e0e4736", Method: "PUT", Path: "/orders/42?a=b", Query: "a=b", Host: "shop.example.com", Scheme: "http",
			Protocol: "HTTP/1.1", Size: 5, Body: "hello",
			Headers: map[string]string{
				"cookie": "a=b", "x-a": "1,2\uFFFD", "x-user": "root", "x_user": "root", "x-forwarded-for": "192.0.2.1", "x-trace-id": "1",
			},
		}},
	}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestWhatTheServiceSaysOverGRPCIsPassedOn(t *testing.T) {
	appended := set("X-A", "2")
	appended.Append = wrapperspb.Bool(true) //nolint:staticcheck // deprecated, and what most services send
	a := &authorizer{answer: allowed(&authv3.OkHttpResponse{
		Headers: []*corev3.HeaderValueOption{
			set("x-user", "ada"), appended, set("Host", "evil.example"), set(":path", "/admin"), set("Content-Length", "1"),
			{Header: &corev3.HeaderValue{Key: "X-Raw", RawValue: []byte("raw\r\nX-Evil: 1")}},
		},
		HeadersToRemove:         []string{"cookie", "host"},
		ResponseHeadersToAdd:    []*corev3.HeaderValueOption{set("Set-Cookie", "a=c"), set("Transfer-Encoding", "chunked")},
		QueryParametersToSet:    []*corev3.QueryParameter{{Key: "c", Value: "d&e"}},
		QueryParametersToRemove: []string{"a"},
	})}
	upstream := &proxytest.Upstream{}
	x := proxytest.Exchange(t, "GET /?a=1&b=2&a=3 HTTP/1.1\nHost: a\nCookie: a=b\nX-A: 1\nX-User: root\n")
	h := newWorld(t, a.serve(t)).build(t, `, "protocol": "GRPC", "timeout": "1m", "headers": {"subject": "X-User"}`, upstream)
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	if want := "GET /?b=2&c=d%26e HTTP/1.1\nHost: a\nX-A: 1\nx-user: ada\nX-A: 2\nX-Raw: raw  X-Evil: 1\n"; upstream.Got != want {
		t.Errorf("the backend got\n%swant\n%s", upstream.Got, want)
	}
	if got, want := proxytest.ResponseText(t, x), "HTTP/1.1 200 OK\nSet-Cookie: a=c\n\n"; got != want {
		t.Errorf("the client gets\n%swant\n%s", got, want)
	}
	if x.Subject.Kind != exchange.ByService || x.Subject.ID != "ada" {
		t.Errorf("subject %+v", x.Subject)
	}
}

func TestListsOfHeadersBoundWhatAServiceOfGRPCMaySay(t *testing.T) {
	a := &authorizer{answer: allowed(&authv3.OkHttpResponse{
		Headers:              []*corev3.HeaderValueOption{set("X-User", "ada"), set("X-Other", "1")},
		ResponseHeadersToAdd: []*corev3.HeaderValueOption{set("X-Client", "1"), set("X-Other", "1")},
	})}
	upstream := &proxytest.Upstream{}
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX-Role: root\n")
	h := newWorld(t, a.serve(t)).build(t, `, "protocol": "GRPC", "timeout": "1m", "headers": {"toBackend": ["x-user", "x-role"], "toClient": ["X-Client"]}`, upstream)
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	if want := "GET / HTTP/1.1\nHost: a\nX-User: ada\n"; upstream.Got != want {
		t.Errorf("the backend got\n%swant\n%s", upstream.Got, want)
	}
	if got, want := proxytest.ResponseText(t, x), "HTTP/1.1 200 OK\nX-Client: 1\n\n"; got != want {
		t.Errorf("the client gets\n%swant\n%s", got, want)
	}
}

func TestRefusalsOverGRPC(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer *authv3.CheckResponse
		err    error
		want   string // the answer, or the error's status and code
	}{
		{"with a page", refused(&authv3.DeniedHttpResponse{Status: &typev3.HttpStatus{Code: 401}, Headers: []*corev3.HeaderValueOption{set("X-Why", "age"), set("Connection", "close")}, Body: "no"}), nil, "HTTP/1.1 401 Unauthorized\nX-Why: age\n\nno"},
		{"to a login page", refused(&authv3.DeniedHttpResponse{Status: &typev3.HttpStatus{Code: 302}, Headers: []*corev3.HeaderValueOption{set("Location", "/login")}}), nil, "HTTP/1.1 302 Found\nLocation: /login\n\n"},
		{"with a status alone", refused(&authv3.DeniedHttpResponse{Status: &typev3.HttpStatus{Code: 401}}), nil, "401 extauth.unauthenticated"},
		{"with nothing", refused(nil), nil, "403 extauth.denied"},
		{"with a page and no status", refused(&authv3.DeniedHttpResponse{Body: "no"}), nil, "HTTP/1.1 403 Forbidden\n\nno"},
		{"with a page too large", refused(&authv3.DeniedHttpResponse{Body: strings.Repeat("a", 64<<10+1)}), nil, "503 extauth.unavailable"},
		{"with a status that is none", refused(&authv3.DeniedHttpResponse{Status: &typev3.HttpStatus{Code: 100}}), nil, "503 extauth.unavailable"},
		{"without saying anything", &authv3.CheckResponse{}, nil, "503 extauth.unavailable"},
		{"by a failure", nil, errors.New("no database"), "503 extauth.unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &authorizer{answer: tt.answer, err: tt.err}
			upstream := &proxytest.Upstream{}
			x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
			err := newWorld(t, a.serve(t)).build(t, `, "protocol": "GRPC", "timeout": "1m"`, upstream).Serve(x)
			got := code(err)
			if err == nil {
				got = proxytest.ResponseText(t, x)
			}
			if got != tt.want || upstream.Got != "" {
				t.Errorf("got %q, want %q; the backend got %q", got, tt.want, upstream.Got)
			}
		})
	}
}

func TestEndpointsAreFollowed(t *testing.T) {
	first, second := &authorizer{answer: allowed(nil)}, &authorizer{answer: allowed(nil)}
	w := newWorld(t)
	h := w.build(t, `, "protocol": "GRPC", "timeout": "1m"`, &proxytest.Upstream{})
	asked := func() string { return code(h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n"))) }
	// reached asks until an endpoint has answered, of which the connection hears a moment later.
	reached := func() {
		for asked() != "<nil>" {
			if t.Context().Err() != nil {
				t.Fatal("no endpoint was reached")
			}
		}
	}
	// Nobody waits where there is nobody to answer.
	if got := asked(); got != "503 extauth.unavailable" {
		t.Fatalf("without an endpoint: %q", got)
	}
	w.serveAt(t, first.serve(t))
	reached()
	if _, calls := first.asked(); calls != 1 {
		t.Fatalf("the first endpoint was asked %d times", calls)
	}
	w.serveAt(t, second.serve(t))
	<-first.ended
	reached()
	if _, calls := second.asked(); calls != 1 {
		t.Errorf("the second endpoint was asked %d times", calls)
	}
}

// Filters of one cluster share a connection, over any number of tables, and it ends with the last of them.
func TestConnectionsEndWithTheirFilters(t *testing.T) {
	a := &authorizer{answer: allowed(nil)}
	w := newWorld(t, a.serve(t))
	serve := func() exchange.Handler {
		h := w.build(t, `, "protocol": "GRPC", "timeout": "1m"`, &proxytest.Upstream{})
		if err := h.Serve(proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")); err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := serve()
	for range 3 {
		serve()
		runtime.GC()
	}
	select {
	case <-a.ended:
		t.Error("the connection ended while a filter needs it")
	default:
	}
	runtime.KeepAlive(first)
	for ended := false; !ended; {
		runtime.GC()
		select {
		case <-a.ended:
			ended = true
		default:
			runtime.Gosched()
		}
	}
}

func BenchmarkServeGRPC(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	a := &authorizer{answer: allowed(nil), ended: make(chan struct{}, 100)}
	s := grpc.NewServer()
	authv3.RegisterAuthorizationServer(s, a)
	go func() { _ = s.Serve(ln) }()
	defer s.Stop()
	h := newWorld(b, ln.Addr().String()).build(b, `, "protocol": "GRPC"`, &proxytest.Upstream{})
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Serve(proxytest.Exchange(b, "GET / HTTP/1.1\nHost: a\n")); err != nil {
			b.Fatal(err)
		}
	}
}
