package accesslog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/accesslog"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
)

// log serves exchanges as the engine does and returns what was logged.
func log(t *testing.T, last exchange.Handler, exchanges ...*exchange.Exchange) string {
	t.Helper()
	var out bytes.Buffer
	l := observe.NewAccessLog(&out)
	chain, err := filter.Registry{accesslog.Definition(l)}.Chain(true, nil, filter.Env{}, last)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range exchanges {
		if err := chain.Handler.Serve(x); err != nil {
			t.Fatal(err)
		}
		x.SetFinishers(chain.Finishers)
		x.Finish()
	}
	l.Close()
	return out.String()
}

func TestALineTellsOfOneExchange(t *testing.T) {
	x := proxytest.Exchange(t, "POST /users/42?token=secret HTTP/1.1\nHost: Shop.example.com:8080\nUser-Agent: curl/8\n")
	x.Trace, _ = exchange.ParseTrace("4bf92f3577b34da6a3ce929d0e0e4736")
	x.Client = netip.MustParseAddr("2001:db8::7")
	x.Route = &exchange.Route{ID: "shop/users/0", Patterns: []string{"/users"}, Prefixes: []string{"/users"}}
	x.Subject = exchange.Subject{Kind: exchange.ByToken, ID: "anna", Client: "acme"}
	x.Upstream = exchange.Upstream{Cluster: "shop/users:80", Address: netip.MustParseAddrPort("[2001:db8::8]:8080"), Attempts: 2}
	x.Outcome = exchange.Outcome{RequestBytes: 5, ResponseBytes: 7, Duration: 1002003 * time.Nanosecond}
	want := `{"time":"2026-03-01T12:00:00.000Z","traceId":"4bf92f3577b34da6a3ce929d0e0e4736","method":"POST","host":"shop.example.com",` +
		`"path":"/users/42","protocol":"HTTP/1.1","route":"shop/users/0","pattern":"/users","status":201,"durationMs":1.002,` +
		`"requestBytes":5,"responseBytes":7,"client":"2001:db8::7","subject":"anna","apiClient":"acme","userAgent":"curl/8",` +
		`"cluster":"shop/users:80","upstream":"[2001:db8::8]:8080","attempts":2}` + "\n"
	if diff := cmp.Diff(want, log(t, &proxytest.Upstream{Status: 201}, x)); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

func TestAFailureIsNamedWithItsCause(t *testing.T) {
	failure := (&exchange.Error{Status: 502, Code: "upstream.reset"}).With(errors.New(`read "a": connection reset`))
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	x.Upstream.Cluster = "shop/users:80"
	got := log(t, exchange.HandlerFunc(func(x *exchange.Exchange) error {
		x.Reply(502)
		x.Err = failure
		return nil
	}), x)
	if strings.Contains(got, `"upstream":`) || !strings.Contains(got, `,"cluster":"shop/users:80","code"`) {
		t.Errorf("line %swant the cluster and no endpoint", got)
	}
	if want := `,"code":"upstream.reset","why":"read \"a\": connection reset"}` + "\n"; !strings.HasSuffix(got, want) {
		t.Errorf("line %swant it to end in %s", got, want)
	}
}

func TestARefusedRequestIsLoggedAsFarAsItWasRead(t *testing.T) {
	x := &exchange.Exchange{Start: proxytest.Start, Refusal: &exchange.Error{Status: 400, Code: "request.malformed"}}
	x.Request.Target = "http:/x?token=secret"
	got := log(t, &proxytest.Upstream{Status: 400}, x)
	want := `{"time":"2026-03-01T12:00:00.000Z","traceId":"00000000000000000000000000000000","method":"","host":"","path":"http:/x",` +
		`"protocol":"","route":"","pattern":"","status":400,"durationMs":0.000,"requestBytes":0,"responseBytes":0,"client":"","userAgent":""}` + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

func TestClientsCannotForgeOrInflateLines(t *testing.T) {
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	x.Request.Method = strings.Repeat("M", 1000)
	x.Request.Host = "a\",\"status\":200}\n{\"forged\":true"
	x.Request.Path = "/\\\x00\r\n\x1b[2J\u2028\xff" + strings.Repeat("p", 100_000)
	x.Request.Head.Add("User-Agent", `"}`+strings.Repeat("\\", 10_000))
	got := log(t, &proxytest.Upstream{Status: 404}, x, proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n"))
	lines := strings.SplitAfter(got, "\n")
	if len(lines) != 3 || len(lines[0]) > 8<<10 {
		t.Fatalf("two exchanges gave %d lines, the first of %d bytes", len(lines)-1, len(lines[0]))
	}
	var line struct {
		Method, Host, Path, UserAgent string
		Status                        int
		Forged                        bool
	}
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatalf("%v in %s", err, lines[0])
	}
	if line.Status != 404 || line.Forged || line.Host != x.Request.Host || len(line.Method) != 32 || len(line.UserAgent) != 256 {
		t.Errorf("line reads as %+v", line)
	}
	if strings.ContainsAny(got, "\x00\x1b\r\u2028") {
		t.Errorf("control characters in %q", got)
	}
}
