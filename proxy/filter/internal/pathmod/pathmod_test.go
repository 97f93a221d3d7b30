package pathmod_test

import (
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/pathmod"
)

// The first block is the table of Gateway API's HTTPPathModifier.
func TestAPrefixIsReplacedAsInGatewayAPI(t *testing.T) {
	for _, tt := range []struct{ path, prefix, replacement, want string }{
		{"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
		{"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
		{"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
		{"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
		{"/foo", "/foo", "/xyz", "/xyz"},
		{"/foo/", "/foo", "/xyz", "/xyz/"},
		{"/foo/bar", "/foo", "", "/bar"},
		{"/foo/", "/foo", "", "/"},
		{"/foo", "/foo", "", "/"},
		{"/foo/", "/foo", "/", "/"},
		{"/foo", "/foo", "/", "/"},

		{"/bar", "/", "/xyz", "/xyz/bar"},
		{"/", "/", "/xyz", "/xyz/"},
		{"/bar", "/", "/", "/bar"},
		{"/", "/", "/", "/"},
		{"/foo//bar", "/foo", "/", "//bar"},
		{"/foo/%2e", "/foo", "/a%20b", "/a%20b/%2e"},
		{"/exact", "", "/xyz", "/exact"},
	} {
		m := pathmod.Modifier{Type: pathmod.ReplacePrefixMatch, ReplacePrefixMatch: tt.replacement}
		x := &exchange.Exchange{Route: &exchange.Route{Prefixes: []string{"/never", tt.prefix}}, Match: 1}
		x.Request.Path = tt.path
		if got := m.Path(x); got != tt.want {
			t.Errorf("path %s, prefix %q, replacement %q: %s, want %s", tt.path, tt.prefix, tt.replacement, got, tt.want)
		}
	}
}

func TestTheWholePathIsReplaced(t *testing.T) {
	m := pathmod.Modifier{Type: pathmod.ReplaceFullPath, ReplaceFullPath: "/xyz"}
	if got := m.Path(&exchange.Exchange{}); got != "/xyz" {
		t.Errorf("path = %s, want /xyz", got)
	}
}

func TestModifiersAreValidated(t *testing.T) {
	for name, tt := range map[string]struct {
		modifier pathmod.Modifier
		want     string // part of the error; empty for none
	}{
		"prefix":             {pathmod.Modifier{Type: pathmod.ReplacePrefixMatch, ReplacePrefixMatch: "/"}, ""},
		"full path":          {pathmod.Modifier{Type: pathmod.ReplaceFullPath, ReplaceFullPath: "/a%20b;c=d"}, ""},
		"unknown type":       {pathmod.Modifier{Type: "Regex", ReplaceFullPath: "/"}, "type"},
		"nothing to put":     {pathmod.Modifier{Type: pathmod.ReplaceFullPath}, "does not start with /"},
		"both replacements":  {pathmod.Modifier{Type: pathmod.ReplaceFullPath, ReplaceFullPath: "/", ReplacePrefixMatch: "/"}, "not both"},
		"the wrong one":      {pathmod.Modifier{Type: pathmod.ReplaceFullPath, ReplacePrefixMatch: "/"}, "not both"},
		"relative path":      {pathmod.Modifier{Type: pathmod.ReplaceFullPath, ReplaceFullPath: "a"}, "does not start with /"},
		"query":              {pathmod.Modifier{Type: pathmod.ReplaceFullPath, ReplaceFullPath: "/a?b"}, "character"},
		"line feed":          {pathmod.Modifier{Type: pathmod.ReplaceFullPath, ReplaceFullPath: "/a\nb"}, "character"},
		"bytes beyond ASCII": {pathmod.Modifier{Type: pathmod.ReplaceFullPath, ReplaceFullPath: "/ä"}, "character"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.modifier.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
