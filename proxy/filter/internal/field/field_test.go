package field_test

import (
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/field"
)

func TestTokens(t *testing.T) {
	for c := range 256 {
		want := strings.ContainsRune("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", rune(c)) && c < 0x80
		if got := field.IsToken(byte(c)); got != want {
			t.Errorf("IsToken(%q) = %v, want %v", rune(c), got, want)
		}
	}
}

func TestOnlyEndToEndFieldsAreEditable(t *testing.T) {
	for id := exchange.Connection; id <= exchange.XForwardedProto; id++ {
		engines := id <= exchange.Upgrade // the block of the codecs
		if got := field.Editable(strings.ToUpper(id.String())) == nil; got == engines {
			t.Errorf("%s editable: %v, want %v", id, got, !engines)
		}
	}
	for _, name := range []string{"", "a b", "a:", "a\n", "ä"} {
		if field.Editable(name) == nil {
			t.Errorf("%q is editable", name)
		}
	}
}

func TestHostnames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "example.com": true, "a-1.b": true, "1.2.3.4": true, strings.Repeat("a", 63) + ".b": true,
		"": false, ".": false, "a.": false, ".a": false, "-a": false, "a-": false, "a_b": false, "A": false, "*.a": false,
		"a:80": false, "[::1]": false, "a/b": false, "a@b": false, strings.Repeat("a", 64): false,
	} {
		if got := field.Hostname(name) == nil; got != want {
			t.Errorf("Hostname(%q) valid: %v, want %v", name, got, want)
		}
	}
}
