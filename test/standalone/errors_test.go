package standalone

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// errorsReference has a line for every code that the gateway answers or logs.
const errorsReference = "../../docs/reference/errors.md"

// unreached are the codes that no request to a sound binary gets in a reasonable time, and why.
var unreached = map[string]string{
	"internal":             "stands for a bug; proxy/engine and localreply have handlers that panic and fail",
	"request.body_timeout": "takes the 60 s that a body may pause, for which there is no flag; proxy/engine has a short one",
}

// provocation gets one code.
type provocation struct {
	code    string
	request string // as it is sent; "GET /path" alone is made a request
}

// provocations reach codes by one request to the gateway of TestErrorCodesAreAnswered.
var provocations = []provocation{
	{"auth.ambiguous", "GET /key HTTP/1.1\r\nHost: a\r\nX-API-Key: a\r\nX-API-Key: b\r\n\r\n"},
	{"auth.insufficient", "GET /token HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + goodToken + "\r\n\r\n"},
	{"auth.invalid", "GET /token HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n"},
	{"auth.required", "GET /token"},
	{"auth.unavailable", "GET /token HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + remoteToken + "\r\n\r\n"},
	{"authorization.denied", "GET /unauthorized"},
	{"backend.rejected", "GET /half-rejected"},
	{"csrf.cross_origin", "POST /forged HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n"},
	{"extauth.body_too_large", "POST /examined HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"},
	{"extauth.denied", "GET /denied"},
	{"extauth.unauthenticated", "GET /unauthenticated"},
	{"extauth.unavailable", "GET /unavailable"},
	{"ipaccess.denied", "GET /internal"},
	{"ratelimit.exceeded", "GET /limited"},
	{"ratelimit.key_missing", "GET /keyless"},
	{"ratelimit.unavailable", "GET /unchecked"},
	{"redirect.no_host", "GET /redirect HTTP/1.0\r\n\r\n"},
	{"request.body_too_large", "POST /bounded HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"},
	{"request.framing", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{"request.head_too_large", "GET / HTTP/1.1\r\nHost: a\r\nCookie: " + strings.Repeat("c", 60<<10) + "\r\n\r\n"},
	{"request.host", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
	{"request.line_too_long", "GET /" + strings.Repeat("a", 8<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"request.malformed", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
	{"request.path", "GET /a%2fb"},
	{"request.timeout", "POST /brief HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na"},
	{"request.too_many_fields", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n"},
	{"request.unsupported", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"},
	{"request.version", "GET / HTTP/3.0\r\nHost: a\r\n\r\n"},
	{"route.not_found", "GET /nowhere"},
	{"route.rejected", "GET /rejected"},
	{"upstream.connect_failed", "GET /refusing"},
	{"upstream.connect_timeout", "GET /full"},
	{"upstream.malformed", "GET /garbage"},
	{"upstream.no_endpoint", "GET /no-endpoint"},
	{"upstream.reset", "GET /hangup"},
	{"upstream.timeout", "GET /impatient"},
}

// Tokens that are signed with the shared secret in authSecrets, until 2030: one of the provider that has it, and one of a provider whose
// keys can't be fetched.
const (
	goodToken   = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJsb2NhbCIsImV4cCI6MTg5MzQ1NjAwMH0.tidCaAUzxqrczPlJ1rPvoTPhzxx8ENNIdpFDufRCc3s"
	remoteToken = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJyZW1vdGUiLCJleHAiOjE4OTM0NTYwMDB9.9ImD-DGQ6JxWB4Re57dQ56NONGRfoOjSi0Fzab0EG7A"
)

// authSecrets are what the identity filters of these gateways name. The hash is nobody's, and takes long to compare with.
const authSecrets = `---
apiVersion: v1
kind: Secret
metadata: {name: auth}
stringData:
  secret: an example of a secret that is long enough
  .htpasswd: "anna:$2y$14$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {anna: an-example-of-a-key-that-is-long-enough}
`

// otherwise reach codes that need more than that, and return the status and code that were answered.
var otherwise = map[string]func(*testing.T) (status int, code string){
	"auth.busy":            manyGuessPasswords,
	"gateway.closing":      theGatewayCloses,
	"gateway.overloaded":   theGatewayIsBusy,
	"request.head_timeout": aHeadTakesTooLong,
	"route.misdirected":    theConnectionIsForAnotherHost,
}

// onlyLogged reach codes that come too late for an answer, and return the line of the access log. Its status is that of the
// answer that had begun.
var onlyLogged = map[string]func(*testing.T) logged{
	"client.closed":        theClientLeaves,
	"request.idle_timeout": theClientDoesNotRead,
	"upstream.truncated":   aTunnelIsCut,
}

// provokedAccess has the filters that refuse; a route has room for so many rules only.
func provokedAccess(t *testing.T) string {
	t.Helper()
	b, sound := manifest("access", ""), backend(t, echo("sound"))
	asks := func(address, settings string) string {
		return "{extAuth: {backend: " + endpoint(address) + settings + "}}"
	}
	for _, r := range []struct{ path, filters string }{
		{"/unauthorized", "{authorization: {rules: [{scopes: [none]}]}}"},
		{"/forged", "{csrf: {}}"},
		{"/internal", "{ipAccess: {allow: [192.0.2.0/24]}}"},
		{"/examined", asks(unheard(t), ", body: {maxBytes: 1}")},
		{"/unavailable", asks(unheard(t), "")},
		{"/unauthenticated", asks(raw(t, answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")), "")},
		{"/denied", asks(raw(t, answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")), "")},
	} {
		b += fmt.Sprintf("  - matches: [{path: {value: %s}}]\n    filters: %s\n    backends: [%s]\n", r.path, r.filters, endpoint(sound))
	}
	return b
}

// provoked is what the manifests of that gateway hold.
func provoked(t *testing.T) string {
	t.Helper()
	b := manifest("provoked", "")
	for _, r := range []struct{ path, rest string }{
		{"/key", "filters: {apiKey: {secretName: keys}}\n    backends: [" + endpoint(unheard(t)) + "]"},
		{"/token", "filters: {jwt: {providers: [" +
			"{name: local, issuer: local, requiredScopes: [a], secret: {name: auth, key: secret, format: SharedSecret}}, " +
			"{name: remote, issuer: remote, remoteJWKS: {url: 'http://" + unheard(t) + "'}}]}}\n    backends: [" + endpoint(unheard(t)) + "]"},
		{"/half-rejected", "backends: [" + endpoint(backend(t, echo("sound"))) + ", {service: missing, port: 80}]"},
		{"/redirect", "filters: {redirect: {scheme: https}}"},
		{"/limited", "filters: {directResponse: {statusCode: 200}}"},
		{"/keyless", "filters: {directResponse: {statusCode: 200}}"},
		{"/unchecked", "filters: {directResponse: {statusCode: 200}}"},
		{"/brief", "timeouts: {request: 100ms}\n    backends: [" + endpoint(raw(t, swallow)) + "]"},
		{"/bounded", "limits: {requestBody: 1}\n    backends: [" + endpoint(raw(t, swallow)) + "]"},
		{"/rejected", "backends: [{service: missing, port: 80}]"},
		{"/refusing", "backends: [" + endpoint(unheard(t)) + "]"},
		{"/full", "backends: [" + endpoint(full(t)) + "]"},
		{"/garbage", "backends: [" + endpoint(raw(t, answering("SSH-2.0-OpenSSH_9.6\r\n\r\n"))) + "]"},
		{"/no-endpoint", "backends: [{service: deserted, port: 80}]"},
		{"/hangup", "backends: [" + endpoint(raw(t, answering(""))) + "]"},
		{"/impatient", "timeouts: {backend: 100ms}\n    backends: [" + endpoint(raw(t, swallow)) + "]"},
	} {
		b += fmt.Sprintf("  - matches: [{path: {value: %s}}]\n    %s\n", r.path, r.rest)
	}
	return b + "---\napiVersion: v1\nkind: Service\nmetadata: {name: deserted}\nspec: {ports: [{port: 80}]}\n" + authSecrets + limitsOfAllKinds
}

// manyGuessPasswords has more wrong passwords checked at a time than there are turns for within a second.
func manyGuessPasswords(t *testing.T) (int, string) {
	t.Helper()
	g := start(t, map[string]string{"staff.yaml": manifest("staff",
		"  - filters: {basicAuth: {secretName: auth}, directResponse: {statusCode: 204}}\n") + authSecrets})
	answers := make(chan *response)
	for range 16 * runtime.NumCPU() {
		c := g.dial(t)
		go func() {
			c.send("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YW5uYTp3cm9uZw==\r\n\r\n")
			answers <- c.receive()
		}()
	}
	status, code := 0, ""
	for range 16 * runtime.NumCPU() {
		if r := <-answers; r.StatusCode == http.StatusServiceUnavailable {
			status, code = r.StatusCode, r.problem(t).Code
		}
	}
	return status, code
}

// limitsOfAllKinds refuse whatever they count.
const limitsOfAllKinds = `---
apiVersion: gateway.penstock.io/v1alpha1
kind: RateLimitPolicy
metadata: {name: limits}
spec:
  targetRefs: [{group: gateway.penstock.io, kind: GatewayRoute, name: provoked}]
  limits:
  - {name: small, match: {path: {value: /limited}}, requests: 1, period: 1s, cost: {type: Constant, value: 2}}
  - {name: keyed, match: {path: {value: /keyless}}, requests: 1, period: 1s, key: [{type: Header, name: X-Client-ID}], onMissingKey: Refuse}
  - {name: common, match: {path: {value: /unchecked}}, requests: 1, period: 1s, scope: Cluster, failureMode: Closed}
`

func TestErrorCodesAreAnswered(t *testing.T) {
	want := reference(t)
	g := start(t, map[string]string{"provoked.yaml": provoked(t), "access.yaml": provokedAccess(t)}, "--rate-limit-store=redis://"+unheard(t))
	// A group, so that the gateway outlives its parallel tests.
	t.Run("by one request", func(t *testing.T) {
		for _, p := range provocations {
			t.Run(p.code, func(t *testing.T) {
				t.Parallel()
				r := p.provoke(t, g)
				got := r.problem(t)
				if r.StatusCode != want[p.code] || got.Status != want[p.code] || got.Code != p.code {
					t.Errorf("got %d and %+v, want %d and %s", r.StatusCode, got, want[p.code], p.code)
				}
				if id := r.Header.Get("X-Trace-ID"); got.TraceID != id || g.log(t, id).Code != p.code {
					t.Errorf("answered as %s with trace id %s, logged as %+v", got.TraceID, id, g.log(t, id))
				}
			})
		}
	})
	for code, provoke := range onlyLogged {
		t.Run(code, func(t *testing.T) {
			if l := provoke(t); l.Code != code {
				t.Errorf("logged as %+v", l)
			}
		})
	}
	for code, provoke := range otherwise {
		t.Run(code, func(t *testing.T) {
			if status, got := provoke(t); status != want[code] || got != code {
				t.Errorf("got %d %s, want %d %s", status, got, want[code], code)
			}
		})
	}
}

// provoke sends the request until it is answered by the gateway itself: one share of several may take some tries.
func (p provocation) provoke(t *testing.T, g *gateway) *response {
	t.Helper()
	var r *response
	eventually(t, "a local reply", func() bool {
		c := g.dial(t)
		text := p.request
		if !strings.Contains(text, "\r\n") && strings.HasPrefix(text, "GET ") {
			text += " HTTP/1.1\r\nHost: a\r\n\r\n"
		}
		c.send("%s", text)
		r = c.receive()
		return r.Header.Get("Content-Type") == "application/problem+json"
	})
	return r
}

func TestEveryErrorCodeIsReached(t *testing.T) {
	reached := map[string]bool{}
	for _, p := range provocations {
		reached[p.code] = true
	}
	for code := range otherwise {
		reached[code] = true
	}
	for code := range onlyLogged {
		reached[code] = true
	}
	documented := reference(t)
	for code := range documented {
		if reason := unreached[code]; reached[code] == (reason != "") {
			t.Errorf("%s needs either a request that gets it or a reason why there is none", code)
		}
	}
	for code := range unreached {
		if documented[code] == 0 {
			t.Errorf("%s is not in %s", code, errorsReference)
		}
	}
}

var referenceRow = regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| ([0-9]{3})[ ,]")

// reference is the status of each documented code.
func reference(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(errorsReference)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for _, row := range referenceRow.FindAllStringSubmatch(string(text), -1) {
		if all[row[1]], err = strconv.Atoi(row[2]); err != nil {
			t.Fatal(err)
		}
	}
	if rows := strings.Count(string(text), "\n| `"); len(all) == 0 || len(all) != rows {
		t.Fatalf("%d codes in %d rows of %s", len(all), rows, errorsReference)
	}
	return all
}

func theClientLeaves(t *testing.T) logged {
	t.Helper()
	arrived := make(chan struct{})
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", raw(t, func(c net.Conn) {
		close(arrived)
		swallow(c)
	}))})
	c, id := g.dial(t), traceID()
	c.send("GET / HTTP/1.1\r\nHost: a\r\nX-Trace-ID: %s\r\n\r\n", id)
	<-arrived
	c.Close()
	return g.log(t, id)
}

func theGatewayCloses(t *testing.T) (status int, code string) {
	t.Helper()
	arrived := make(chan struct{})
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", raw(t, func(c net.Conn) {
		close(arrived)
		swallow(c)
	}))}, "--drain-timeout=50ms")
	c := g.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	if err := g.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r := c.receive()
	return r.StatusCode, r.problem(t).Code
}

func theGatewayIsBusy(t *testing.T) (status int, code string) {
	t.Helper()
	arrived := make(chan struct{})
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", raw(t, func(c net.Conn) {
		close(arrived)
		swallow(c)
	}))}, "--max-requests-in-flight=1")
	g.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	r := g.get(t, "a", "/")
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	return r.StatusCode, r.problem(t).Code
}

func aHeadTakesTooLong(t *testing.T) (status int, code string) {
	t.Helper()
	c := start(t, nil, "--head-timeout=100ms").dial(t)
	c.send("GET / HTTP/1.1\r\n")
	r := c.receive()
	c.ended()
	return r.StatusCode, r.problem(t).Code
}

func theClientDoesNotRead(t *testing.T) logged {
	t.Helper()
	endless := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		for b := make([]byte, 64<<10); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	})
	rule := fmt.Sprintf("  - timeouts: {idle: 1s}\n    backends: [%s]\n", endpoint(endless))
	g, id := start(t, map[string]string{"r.yaml": manifest("r", rule)}), traceID()
	g.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\nX-Trace-ID: %s\r\n\r\n", id)
	return g.log(t, id)
}

func aTunnelIsCut(t *testing.T) logged {
	t.Helper()
	cut := raw(t, func(c net.Conn) {
		answering("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")(c)
		_, _ = c.Read(make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0) // a reset instead of an end
	})
	g, id := start(t, map[string]string{"r.yaml": route("r", "a", "/", cut)}), traceID()
	c := g.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\nX-Trace-ID: %s\r\n\r\n", id)
	if r := c.receive(); r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %d", r.StatusCode)
	}
	c.send("x")
	return g.log(t, id)
}

// swallow is a backend that reads and never answers.
func swallow(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// answering is a backend that sends this text when a request has come, and ends.
func answering(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4<<10))
		_, _ = io.WriteString(c, text)
	}
}

// unheard is an address of this test at which nobody listens.
func unheard(t *testing.T) string {
	t.Helper()
	_, address := bound(t)
	return address
}

// full is an address whose queue of connections is full: a further one gets no answer.
func full(t *testing.T) string {
	t.Helper()
	s, address := bound(t)
	if err := syscall.Listen(s, 0); err != nil {
		t.Fatal(err)
	}
	to, err := syscall.Getsockname(s)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 { // more than any system's least queue
		c, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Close(c) })
		if err := syscall.SetNonblock(c, true); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Connect(c, to) // in progress, or waiting for room that never comes
	}
	return address
}

// bound is a socket with a port on loopback.
func bound(t *testing.T) (socket int, address string) {
	t.Helper()
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(s) })
	if err := syscall.Bind(s, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(s)
	if err != nil {
		t.Fatal(err)
	}
	return s, fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}
