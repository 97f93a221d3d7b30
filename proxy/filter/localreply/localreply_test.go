package localreply_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/localreply"
	"github.com/penstock/penstock/proxy/i18n"
	"github.com/penstock/penstock/proxy/proxytest"
)

var (
	trace, _   = exchange.ParseTrace("4bf92f3577b34da6a3ce929d0e0e4736")
	errNoRoute = &exchange.Error{Status: 404, Code: "test.no_route", Source: exchange.FromGateway}
)

// catalogue has the English file and others.
func catalogue(t *testing.T, others fstest.MapFS) *i18n.Catalogue {
	t.Helper()
	files := fstest.MapFS{"en.yaml": {Data: []byte(`
internal: {title: Internal error, detail: It went wrong.}
test.no_route: {title: No route, detail: Nothing serves this.}
test.too_large: {title: Too large, detail: 'More than {0} bytes: {1}'}
`)}}
	for name, f := range others {
		files[name] = f
	}
	c, err := i18n.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serve(t *testing.T, c *i18n.Catalogue, x *exchange.Exchange, last exchange.Handler) {
	t.Helper()
	chain, err := filter.Registry{localreply.Definition(c)}.Chain(true, nil, filter.Env{}, last)
	if err != nil {
		t.Fatal(err)
	}
	x.Trace = trace
	if err := chain.Handler.Serve(x); err != nil {
		t.Fatalf("error %v got through", err)
	}
}

func TestErrorsBecomeProblemDetails(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want string
		is   *exchange.Error
	}{
		"a failure": {
			err: errNoRoute, is: errNoRoute,
			want: `{"type":"tag:gateway.penstock.io,2026:test.no_route","title":"No route","status":404,` +
				`"detail":"Nothing serves this.","code":"test.no_route","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}`,
		},
		"a wrapped failure": {
			err: fmt.Errorf("filter: %w", errNoRoute), is: errNoRoute,
			want: `{"type":"tag:gateway.penstock.io,2026:test.no_route","title":"No route","status":404,` +
				`"detail":"Nothing serves this.","code":"test.no_route","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}`,
		},
		"arguments are escaped": {
			err: &exchange.Error{Status: 413, Code: "test.too_large", Args: []any{10, "a\"\n"}},
			is:  &exchange.Error{Code: "test.too_large"},
			want: `{"type":"tag:gateway.penstock.io,2026:test.too_large","title":"Too large","status":413,` +
				`"detail":"More than 10 bytes: a\"\u000a","code":"test.too_large","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}`,
		},
		"what is no *exchange.Error is our fault and stays secret": {
			err: io.ErrUnexpectedEOF, is: &exchange.Error{Code: "internal"},
			want: `{"type":"tag:gateway.penstock.io,2026:internal","title":"Internal error","status":500,` +
				`"detail":"It went wrong.","code":"internal","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nAccept-Language: de\n")
			serve(t, catalogue(t, nil), x, &proxytest.Upstream{Err: tt.err})
			head, body, _ := strings.Cut(proxytest.ResponseText(t, x), "\n\n")
			if want := "Content-Type: application/problem+json\nCache-Control: no-store"; !strings.HasSuffix(head, want) {
				t.Errorf("head\n%s\nwant it to end in\n%s", head, want)
			}
			if !json.Valid([]byte(body)) {
				t.Errorf("body is no JSON: %s", body)
			}
			if diff := cmp.Diff(tt.want+"\n", body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if !errors.Is(x.Err, tt.is) || x.Response.Status != x.Err.Status {
				t.Errorf("x.Err = %v with status %d, want %v", x.Err, x.Response.Status, tt.is)
			}
		})
	}
}

func TestTheCauseIsKeptForTheLog(t *testing.T) {
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	serve(t, catalogue(t, nil), x, &proxytest.Upstream{Err: io.ErrUnexpectedEOF})
	if !errors.Is(x.Err, io.ErrUnexpectedEOF) || x.Err.Source != exchange.FromGateway {
		t.Errorf("x.Err = %#v, want the gateway's and its cause", x.Err)
	}
}

func TestTheLanguageIsNegotiatedWhereThereAreSeveral(t *testing.T) {
	c := catalogue(t, fstest.MapFS{"de.yaml": {Data: []byte("test.no_route: {title: Keine Route, detail: Das bedient niemand.}")}})
	for accept, want := range map[string][2]string{
		"de-AT, en;q=0.5": {"Keine Route", "de"},
		"fr, en":          {"No route", "en"},
		"":                {"No route", "en"},
	} {
		x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nAccept-Language: "+accept+"\n")
		serve(t, c, x, &proxytest.Upstream{Err: errNoRoute})
		got := proxytest.ResponseText(t, x)
		for _, part := range []string{`"title":"` + want[0] + `"`, "Content-Language: " + want[1] + "\n", "Vary: Accept-Language\n"} {
			if !strings.Contains(got, part) {
				t.Errorf("Accept-Language %q: no %q in\n%s", accept, part, got)
			}
		}
	}
}

func TestAClientThatLeftGetsNothingButAStatusForTheLog(t *testing.T) {
	left := &exchange.Error{Status: exchange.StatusClientClosed, Code: "test.left", Source: exchange.FromClient}
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	serve(t, catalogue(t, nil), x, &proxytest.Upstream{Err: left})
	if x.Err != left || x.Response.Status != 499 || x.Response.Body != nil || x.Response.Head.Len() != 0 {
		t.Errorf("x.Err = %v, response %+v, want 499 without body", x.Err, &x.Response)
	}
}

func TestAnAnswerPassesUntouched(t *testing.T) {
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	serve(t, catalogue(t, nil), x, &proxytest.Upstream{Status: 500, Head: []string{"A", "b"}, Body: "backend's"})
	if got, want := proxytest.ResponseText(t, x), "HTTP/1.1 500 Internal Server Error\nA: b\n\nbackend's"; got != want || x.Err != nil {
		t.Errorf("client gets\n%s\nwith x.Err %v, want\n%s", got, x.Err, want)
	}
}

func TestAHalfMadeAnswerIsThrownAway(t *testing.T) {
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	body := &closing{}
	serve(t, catalogue(t, nil), x, exchange.HandlerFunc(func(x *exchange.Exchange) error {
		x.Response.Head.Add("Set-Cookie", "secret")
		x.Response.Body = body
		return errNoRoute
	}))
	if got := proxytest.ResponseText(t, x); strings.Contains(got, "secret") || !body.closed {
		t.Errorf("client gets\n%s\nbody closed: %v", got, body.closed)
	}
}

type closing struct {
	strings.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestAPreallocatedErrorIsAnsweredWithoutAllocation(t *testing.T) {
	chain, err := filter.Registry{localreply.Definition(catalogue(t, nil))}.Chain(true, nil, filter.Env{}, &failing{})
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange.Exchange{}
	if n := testing.AllocsPerRun(1000, func() {
		x.Reset()
		_ = chain.Handler.Serve(x) // never fails: see above
	}); n != 0 {
		t.Errorf("%v allocations a reply, want none", n)
	}
}

type failing struct{}

func (failing) Serve(*exchange.Exchange) error { return errNoRoute }

func TestFieldsOfEveryAnswerAreOnFailuresToo(t *testing.T) {
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	serve(t, catalogue(t, nil), x, exchange.HandlerFunc(func(x *exchange.Exchange) error {
		x.FailureHead.Add("Vary", "Origin")
		x.FailureHead.Add("X-Always", "1")
		return errNoRoute
	}))
	want := "HTTP/1.1 404 Not Found\nContent-Type: application/problem+json\nCache-Control: no-store\nVary: Origin\nX-Always: 1\n"
	if got, _, _ := strings.Cut(proxytest.ResponseText(t, x), "\n\n"); got+"\n" != want {
		t.Errorf("client gets\n%s\nwant\n%s", got, want)
	}
}
