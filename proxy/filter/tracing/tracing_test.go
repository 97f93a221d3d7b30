package tracing_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/tracing"
	"github.com/penstock/penstock/proxy/proxytest"
)

const id = "4bf92f3577b34da6a3ce929d0e0e4736"

func build(t *testing.T, last exchange.Handler) exchange.Handler {
	t.Helper()
	chain, err := filter.Registry{tracing.Definition}.Chain(true, nil, filter.Env{}, last)
	if err != nil {
		t.Fatal(err)
	}
	return chain.Handler
}

func TestAnIDIsKeptOnlyIfItIsATraceID(t *testing.T) {
	for name, tt := range map[string]struct {
		field string
		kept  bool
	}{
		"a trace id is kept":               {id, true},
		"none":                             {"", false},
		"upper case":                       {strings.ToUpper(id), false},
		"too short":                        {id[1:], false},
		"too long":                         {id + "0", false},
		"all zero":                         {strings.Repeat("0", 32), false},
		"no hex":                           {"g" + id[1:], false},
		"something that breaks log lines":  {`"},{"a":"` + id[:23], false},
		"32 characters with white between": {id[:15] + "  " + id[17:], false},
	} {
		t.Run(name, func(t *testing.T) {
			upstream := &proxytest.Upstream{Head: []string{"X-Trace-ID", "the backend's own"}}
			request := "GET / HTTP/1.1\nHost: a\n"
			if tt.field != "" {
				request += "x-trace-id: " + tt.field + "\nX-Trace-Id: another\n"
			}
			x := proxytest.Exchange(t, request)
			if err := build(t, upstream).Serve(x); err != nil {
				t.Fatal(err)
			}
			got := string(x.Trace.AppendHex(nil))
			if _, ok := exchange.ParseTrace(got); !ok || (got == tt.field) != tt.kept {
				t.Errorf("trace %s for %q, want it kept: %v", got, tt.field, tt.kept)
			}
			if want := "GET / HTTP/1.1\nHost: a\nX-Trace-ID: " + got + "\n"; upstream.Got != want {
				t.Errorf("backend got\n%swant\n%s", upstream.Got, want)
			}
			if got, want := proxytest.ResponseText(t, x), "HTTP/1.1 200 OK\nX-Trace-ID: "+got+"\n\n"; got != want {
				t.Errorf("client gets\n%swant\n%s", got, want)
			}
		})
	}
}

func TestIDsDiffer(t *testing.T) {
	seen := map[exchange.Trace]bool{}
	h := build(t, &proxytest.Upstream{})
	for range 1000 {
		x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
		seen[x.Trace] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d different ids in 1000 exchanges", len(seen))
	}
}

func TestARefusedRequestGetsAnID(t *testing.T) {
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX-Trace-ID: "+id)
	x.Refusal = &exchange.Error{Status: 400, Code: "request.malformed"}
	err := build(t, exchange.HandlerFunc(func(x *exchange.Exchange) error { return x.Refusal })).Serve(x)
	if !errors.Is(err, x.Refusal) || !x.Trace.IsValid() || string(x.Trace.AppendHex(nil)) == id {
		t.Errorf("error %v, trace %v, want the refusal and an id of ours", err, x.Trace)
	}
}
