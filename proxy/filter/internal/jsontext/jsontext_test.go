package jsontext_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/penstock/penstock/proxy/filter/internal/jsontext"
)

func TestStringsAreEscaped(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"plain text stays":               {"GET /users", `"GET /users"`},
		"empty":                          {"", `""`},
		"a quote can't end the string":   {`a","admin":"1`, `"a\",\"admin\":\"1"`},
		"a backslash can't escape ours":  {`a\`, `"a\\"`},
		"a line feed can't start a line": {"a\r\n{}", `"a\u000d\u000a{}"`},
		"escape sequences are inert":     {"\x1b[31m\u009b31m\x7f", `"\u001b[31m\u009b31m\u007f"`},
		"line separators of JavaScript":  {"a\u2028b\u2029", `"a\u2028b\u2029"`},
		"other characters stay":          {"żółw 🐢", `"żółw 🐢"`},
		"bytes that are no UTF-8":        {"a\xff\xc3", `"a\ufffd\ufffd"`},
		"an encoded U+FFFD stays":        {"\ufffd", "\"\ufffd\""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(jsontext.AppendString(nil, tt.in)); got != tt.want {
				t.Errorf("AppendString(%q) = %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x00\x7f\u009b\u2028\xff🐢")
	f.Fuzz(func(t *testing.T, in string) {
		out := jsontext.AppendString([]byte("["), in)
		out = append(out, ']')
		var got []string
		if err := json.Unmarshal(out, &got); err != nil || len(got) != 1 {
			t.Fatalf("AppendString(%q) = %s: %v", in, out, err)
		}
		if want := string([]rune(in)); got[0] != want {
			t.Errorf("AppendString(%q) reads as %q, want %q", in, got[0], want)
		}
		if i := strings.IndexFunc(string(out), unicode.IsControl); i >= 0 || !utf8.Valid(out) {
			t.Errorf("AppendString(%q) = %q is no text", in, out)
		}
		if bytes := string(jsontext.AppendString([]byte("["), []byte(in))) + "]"; bytes != string(out) {
			t.Errorf("bytes give %s, a string %s", bytes, out)
		}
	})
}
