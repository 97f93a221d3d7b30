package headers_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/headers"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

var registry = filter.Registry{headers.Response, headers.Request}

func build(t *testing.T, name, config string, last exchange.Handler) exchange.Handler {
	t.Helper()
	chain, err := registry.Chain(false, []snapshot.Filter{{Name: name, Config: json.RawMessage(config)}}, filter.Env{}, last)
	if err != nil {
		t.Fatal(err)
	}
	return chain.Handler
}

const config = `{
	"remove": ["COOKIE", "X-Gone", "x-moved"],
	"set": [{"name": "user-agent", "value": "ours"}, {"name": "X-Moved", "value": "new"}],
	"add": [{"name": "X-Kept", "value": "2"}, {"name": "X-Empty", "value": ""}]}`

func TestFieldsOfRequestsAreRemovedThenSetThenAdded(t *testing.T) {
	upstream := &proxytest.Upstream{}
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nUser-Agent: theirs\nCookie: a=b\nX-Kept: 1\nx-gone: 1\nX-Moved: old\nX-GONE: 2\nuser-agent: again\n")
	if err := build(t, headers.RequestName, config, upstream).Serve(x); err != nil {
		t.Fatal(err)
	}
	want := "GET / HTTP/1.1\nHost: a\nX-Kept: 1\nuser-agent: ours\nX-Moved: new\nX-Kept: 2\nX-Empty: \n"
	if upstream.Got != want {
		t.Errorf("backend got\n%swant\n%s", upstream.Got, want)
	}
}

func TestFieldsOfResponsesAreRemovedThenSetThenAdded(t *testing.T) {
	upstream := &proxytest.Upstream{Head: []string{"X-Gone", "1", "X-Kept", "1", "Cookie", "c", "X-Moved", "old"}, Body: "hello"}
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nX-Gone: 1\n")
	if err := build(t, headers.ResponseName, config, upstream).Serve(x); err != nil {
		t.Fatal(err)
	}
	want := "HTTP/1.1 200 OK\nX-Kept: 1\nuser-agent: ours\nX-Moved: new\nX-Kept: 2\nX-Empty: \n\nhello"
	if got := proxytest.ResponseText(t, x); got != want {
		t.Errorf("client gets\n%swant\n%s", got, want)
	}
	if want := "GET / HTTP/1.1\nHost: a\nX-Gone: 1\n"; upstream.Got != want {
		t.Errorf("backend got\n%swant\n%s", upstream.Got, want)
	}
}

func TestFailuresPassUnchanged(t *testing.T) {
	failure := &exchange.Error{Status: 502, Code: "test.failed"}
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
	err := build(t, headers.ResponseName, config, &proxytest.Upstream{Err: failure}).Serve(x)
	if !errors.Is(err, failure) || x.Response.Head.Len() != 0 {
		t.Errorf("error %v with %d fields, want the failure and none", err, x.Response.Head.Len())
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	for name, tt := range map[string]struct{ config, want string }{
		"nothing":                     {`{}`, ""},
		"any token":                   {"{\"remove\": [\"a!#$%&'*+-.^_`|~9\"]}", ""},
		"tab and bytes beyond ASCII":  {`{"add": [{"name": "a", "value": "b\tü"}]}`, ""},
		"added twice":                 {`{"add": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}`, ""},
		"set twice":                   {`{"set": [{"name": "a", "value": "1"}, {"name": "A", "value": "2"}]}`, "set[1].name: A is set twice"},
		"empty name":                  {`{"set": [{"name": "", "value": "1"}]}`, "set[0].name: it is empty"},
		"name with a colon":           {`{"remove": ["a", "b:"]}`, `remove[1]: name: "b:" is no token`},
		"name with a line feed":       {`{"add": [{"name": "a\nb", "value": ""}]}`, "add[0].name"},
		"value with a line feed":      {`{"add": [{"name": "a", "value": "b\nc"}]}`, "add[0].value"},
		"value with NUL":              {`{"set": [{"name": "a", "value": "\u0000"}]}`, "set[0].value"},
		"value that ends in a space":  {`{"set": [{"name": "a", "value": "b "}]}`, "white space"},
		"Host":                        {`{"set": [{"name": "host", "value": "b"}]}`, "see rewrite.hostname"},
		"framing":                     {`{"remove": ["Content-Length"]}`, "framing"},
		"framing by another spelling": {`{"add": [{"name": "tRANSFER-eNCODING", "value": "chunked"}]}`, "framing"},
		"the connection":              {`{"add": [{"name": "Connection", "value": "close"}]}`, "framing"},
		"a field that the API lacks":  {`{"append": []}`, "unknown field"},
		"a value that is no string":   {`{"set": [{"name": "a", "value": 1}]}`, "value"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, filterName := range []string{headers.RequestName, headers.ResponseName} {
				_, err := registry.Check(snapshot.Filter{Name: filterName, Config: json.RawMessage(tt.config)})
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("%s: error %v, want %q", filterName, err, tt.want)
				}
			}
		})
	}
}
