// Package filtertest has what the tests of filters have in common.
package filtertest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Wrap returns last with a filter around it. The configuration has to be one that the filter accepts.
func Wrap(tb testing.TB, d filter.Definition, config string, last exchange.Handler) exchange.Handler {
	tb.Helper()
	chain, err := filter.Registry{d}.Chain(false, []snapshot.Filter{{Name: d.Name, Config: json.RawMessage(config)}}, filter.Env{}, last)
	if err != nil {
		tb.Fatal(err)
	}
	return chain.Handler
}

// Validation is a configuration and a part of the error that it gets; empty: it is accepted.
type Validation [2]string

// Validate checks configurations by name.
func Validate(t *testing.T, d filter.Definition, cases map[string]Validation) {
	t.Helper()
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := d.Check(json.RawMessage(tt[0]))
			if want := tt[1]; want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}
