package directresponse_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/directresponse"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

var registry = filter.Registry{directresponse.Definition}

func TestTheResponseIsTheConfiguredOne(t *testing.T) {
	last := exchange.HandlerFunc(func(*exchange.Exchange) error { return errors.New("the request got through") })
	for name, tt := range map[string]struct{ config, want string }{
		"a status alone":        {`{"statusCode": 403}`, "HTTP/1.1 403 Forbidden\n\n"},
		"a status without body": {`{"statusCode": 204}`, "HTTP/1.1 204 No Content\n\n"},
		"text":                  {`{"statusCode": 200, "body": "ok"}`, "HTTP/1.1 200 OK\nContent-Type: text/plain; charset=utf-8\n\nok"},
		"a type of its own": {
			`{"statusCode": 503, "body": "{}", "contentType": "application/json"}`,
			"HTTP/1.1 503 Service Unavailable\nContent-Type: application/json\n\n{}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			chain, err := registry.Chain(false, []snapshot.Filter{{Name: directresponse.Name, Config: json.RawMessage(tt.config)}}, filter.Env{}, last)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the body serves more than once
				x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n")
				if err := chain.Handler.Serve(x); err != nil {
					t.Fatal(err)
				}
				_, body, _ := strings.Cut(tt.want, "\n\n")
				if n := x.Response.ContentLength; n != int64(len(body)) {
					t.Errorf("content length %d, want %d", n, len(body))
				}
				if got := proxytest.ResponseText(t, x); got != tt.want {
					t.Errorf("client gets\n%s\nwant\n%s", got, tt.want)
				}
			}
		})
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	for name, tt := range map[string]struct{ config, want string }{
		"no status":               {`{"body": "a"}`, "statusCode"},
		"a status that is none":   {`{"statusCode": 600}`, "statusCode"},
		"an interim status":       {`{"statusCode": 101}`, "statusCode"},
		"204 with a body":         {`{"statusCode": 204, "body": "a"}`, "body"},
		"304 with a body":         {`{"statusCode": 304, "body": "a"}`, "body"},
		"a type without a body":   {`{"statusCode": 200, "contentType": "text/html"}`, "contentType"},
		"a type with a line feed": {`{"statusCode": 200, "body": "a", "contentType": "a/b\nc: d"}`, "contentType"},
		"an unknown field":        {`{"statusCode": 200, "status": 200}`, "unknown field"},
		"all of them":             {`{"statusCode": 418, "body": "a", "contentType": "text/html"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := registry.Check(snapshot.Filter{Name: directresponse.Name, Config: json.RawMessage(tt.config)})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
