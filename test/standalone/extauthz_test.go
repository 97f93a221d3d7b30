package standalone

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// Fields that Istio's sample server of ext_authz knows, and what it says to whoever lacks the first.
const (
	authzField  = "X-Ext-Authz" // lets pass, if it is "allow"
	authzResult = "X-Ext-Authz-Check-Result"
	authzSaw    = "X-Ext-Authz-Check-Received"             // all that it was asked
	authzOther  = "X-Ext-Authz-Additional-Header-Override" // over gRPC it has a value of its own, over HTTP the client's
	authzBody   = "denied by ext_authz for not found header `x-ext-authz: allow` in the request"
)

// extAuthz are a gateway, whose routes ask a sample server of Istio over gRPC or over HTTP, and the backend behind it.
type extAuthz struct {
	gateway  *gateway
	start    func(*testing.T) (kill func())
	received atomic.Int32 // by the backend
}

// newExtAuthz starts the gateway, and not yet the server, which has no flag for its address and listens at all that the machine has.
func newExtAuthz(t *testing.T) *extAuthz {
	t.Helper()
	e := new(extAuthz)
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		e.received.Add(1)
		_ = r.Header.Write(w)
		_, _ = io.Copy(w, r.Body)
	})
	ports := freePorts(t, 2)
	overGRPC, overHTTP := net.JoinHostPort("127.0.0.1", ports[0]), net.JoinHostPort("127.0.0.1", ports[1])
	e.start = func(t *testing.T) func() {
		t.Helper()
		return startOther(t, "EXTAUTHZ", []string{overGRPC, overHTTP}, "--grpc="+ports[0], "--http="+ports[1])
	}
	rules := ""
	for _, r := range []struct{ path, address, settings string }{
		{"/grpc", overGRPC, "protocol: GRPC"},
		{"/http", overHTTP, "http: {pathPrefix: /check, method: POST}, headers: {toBackend: [" + authzResult + ", " + authzSaw + "]}"},
		{"/open/grpc", overGRPC, "protocol: GRPC, failureMode: Open, headers: {toBackend: [" + authzResult + "]}"},
		{"/open/http", overHTTP, "failureMode: Open, headers: {toBackend: [" + authzResult + "]}"},
	} {
		rules += fmt.Sprintf("  - matches: [{path: {type: PathPrefix, value: %s}}]\n    filters: {extAuth: {backend: %s, timeout: 1m, body: {maxBytes: 100}, %s}}\n    backends: [%s]\n",
			r.path, endpoint(r.address), r.settings, endpoint(app))
	}
	e.gateway = start(t, map[string]string{"route.yaml": manifest("checked", rules)})
	return e
}

// order posts one, with what a client would like the server to have said.
func (e *extAuthz) order(t *testing.T, path, permission string) *response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+e.gateway.traffic+path, strings.NewReader("two pears"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{authzField: {permission}, authzResult: {"forged"}, authzOther: {"mine"}}
	r, err := http.DefaultClient.Do(request)
	return whole(t, r, err)
}

func TestExtAuthzOfOthers(t *testing.T) {
	e := newExtAuthz(t)
	kill := e.start(t)
	t.Run("allows", e.allows)
	t.Run("denies", e.denies)
	kill()
	t.Run("is gone", e.isGone)
	e.start(t)
	for _, path := range []string{"/grpc", "/http"} {
		eventually(t, path+" to be served again", func() bool { return e.order(t, path, "allow").StatusCode == http.StatusOK })
	}
}

// The backend gets the body, and what the server says in place of what the client does.
func (e *extAuthz) allows(t *testing.T) {
	for _, tt := range []struct {
		path string
		want []string // of what the backend got
	}{
		{"/grpc/orders?item=7", []string{
			authzOther + ": grpc-additional-header-override-value\r\n",
			`method:"POST"`, `path:"/grpc/orders?item=7"`, `host:"` + e.gateway.traffic + `"`, `body:"two pears"`, `address:"127.0.0.1"`,
		}},
		{"/http/orders?item=7", []string{
			authzOther + ": mine\r\n", // not among toBackend
			authzSaw + ": POST ", "/check/http/orders?item=7,", "body: [two pears]", "X-Forwarded-Method:[POST]", "X-Forwarded-Uri:[/http/orders?item=7]",
		}},
		{"/open/grpc", nil},
		{"/open/http", nil},
	} {
		r := e.order(t, tt.path, "allow")
		if r.StatusCode != http.StatusOK || !strings.HasSuffix(r.body, "\r\ntwo pears") {
			t.Errorf("%s: %d %q", tt.path, r.StatusCode, r.body)
		}
		for _, want := range append(tt.want, authzResult+": allowed\r\n") {
			if !strings.Contains(r.body, want) {
				t.Errorf("%s: the backend got no %q in %q", tt.path, want, r.body)
			}
		}
		if strings.Contains(r.body, authzResult+": forged") {
			t.Errorf("%s: the backend got what the client forged: %q", tt.path, r.body)
		}
	}
}

// The client gets the server's answer, the backend nothing. Failures alone open what is open.
func (e *extAuthz) denies(t *testing.T) {
	before := e.received.Load()
	for path, other := range map[string]string{
		"/grpc": "grpc-additional-header-override-value", "/open/grpc": "grpc-additional-header-override-value", "/http": "mine", "/open/http": "mine",
	} {
		r := e.order(t, path, "please")
		if r.StatusCode != http.StatusForbidden || r.body != authzBody {
			t.Errorf("%s: %d %q", path, r.StatusCode, r.body)
		}
		if h := r.Header; h.Get(authzResult) != "denied" || h.Get(authzOther) != other || !strings.Contains(h.Get(authzSaw), "please") {
			t.Errorf("%s: %v", path, h)
		}
	}
	if n := e.received.Load() - before; n != 0 {
		t.Errorf("the backend got %d requests that were refused", n)
	}
}

// What is closed stays so. What is open lets pass, without what only the server may say.
func (e *extAuthz) isGone(t *testing.T) {
	for _, protocol := range []string{"grpc", "http"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			if r := e.order(t, "/"+protocol, "allow"); r.StatusCode != http.StatusServiceUnavailable || r.problem(t).Code != "extauth.unavailable" {
				t.Errorf("%d %q", r.StatusCode, r.body)
			}
		})
		t.Run("open "+protocol, func(t *testing.T) {
			t.Parallel()
			r := e.order(t, "/open/"+protocol, "allow")
			if r.StatusCode != http.StatusOK || strings.Contains(r.body, authzResult) || !strings.HasSuffix(r.body, "\r\ntwo pears") {
				t.Errorf("%d %q", r.StatusCode, r.body)
			}
		})
	}
}
