package exchange

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func makeBytes(n int) []byte { return make([]byte, n) }

func TestNormalizePath(t *testing.T) {
	keep := PathOptions{KeepSlashes: true}
	for _, tt := range []struct {
		name, raw, want string
		o               PathOptions
	}{
		{"a normal path", "/a/b.c/~d", "/a/b.c/~d", PathOptions{}},
		{"a trailing slash", "/a/", "/a/", PathOptions{}},
		{"a dot segment", "/a/./b", "/a/b", PathOptions{}},
		{"a dot segment at the end", "/a/.", "/a/", PathOptions{}},
		{"two dots", "/a/b/../c", "/a/c", PathOptions{}},
		{"two dots at the end", "/a/b/..", "/a/", PathOptions{}},
		{"two dots at the root", "/../../a", "/a", PathOptions{}},
		{"nothing but dots", "/..", "/", PathOptions{}},
		{"three dots are a name", "/.../a", "/.../a", PathOptions{}},
		{"a hidden file", "/.well-known/x", "/.well-known/x", PathOptions{}},
		{"encoded dots", "/a/%2e%2E/b", "/b", PathOptions{}},
		{"a half encoded dot segment", "/a/.%2e/b", "/b", PathOptions{}},
		{"unreserved characters", "/%41%7a%30%2D%2e%5F%7E", "/Az0-._~", PathOptions{}},
		{"the case of triplets", "/%c3%a9%3a", "/%C3%A9%3A", PathOptions{}},
		{"a triplet that stays", "/%20", "/%20", PathOptions{}},
		{"decoding happens once", "/%252e%252e/%2541", "/%252e%252e/%2541", PathOptions{}},
		{"slashes are merged", "//a///b//", "/a/b/", PathOptions{}},
		{"dots behind two slashes", "/a//../b", "/b", PathOptions{}},
		{"slashes are kept", "//a///b//", "//a///b//", keep},
		{"dots behind two kept slashes", "/a//../b", "/a/b", keep},
		{"dots before two kept slashes", "/a/..//b", "//b", keep},
		{"parameters", "/a;b=c/d", "/a;b=c/d", PathOptions{}},
		{"bytes that ought to be encoded", `/"<>^{|}[]`, `/"<>^{|}[]`, PathOptions{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := NormalizePath(tt.raw, makeBytes, tt.o); got != tt.want || err != nil {
				t.Errorf("%q gave %q, %v; want %q", tt.raw, got, err, tt.want)
			}
		})
	}
}

func TestRefusedPaths(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing": "", "no slash": "a", "the asterisk": "*",
		"an encoded slash": "/a%2fb", "an encoded slash in upper case": "/a%2Fb", "an encoded backslash": "/a%5cb", "an encoded NUL": "/a%00",
		"an encoded line break": "/a%0d%0aX:%20b", "an encoded tab": "/a%09", "the last encoded control character": "/a%1F", "an encoded DEL": "/a%7f",
		"a backslash": `/a\b`, "dots before a backslash": `/..\b`,
		"a lone percent sign": "/a%", "a short triplet": "/a%2", "a triplet that is not hexadecimal": "/a%zz", "half a triplet": "/a%2g", "a sign": "/a%+1",
		"a control character": "/a\x1f", "DEL": "/a\x7f", "NUL": "/a\x00", "a space": "/a b", "raw UTF-8": "/é",
		"a query": "/a?b", "a fragment": "/a#b",
		"dots with parameters": "/a/..;/b", "one dot with parameters": "/a/.;x/b", "encoded dots with parameters": "/a/%2e%2e;/b", "dots with parameters at the end": "/..;",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := NormalizePath(raw, makeBytes, PathOptions{}); !errors.Is(err, ErrPath) || got != "" {
				t.Errorf("%q gave %q, %v", raw, got, err)
			}
		})
	}
}

func TestANormalPathIsNotCopied(t *testing.T) {
	const raw = "/a/b%20c/.d/..e"
	if n := testing.AllocsPerRun(100, func() {
		got, err := NormalizePath(raw, func(int) []byte { t.Fatal("memory was asked for"); return nil }, PathOptions{})
		if got != raw || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzNormalizePath holds that a normal path is normal, safe, and what a naive implementation gives.
func FuzzNormalizePath(f *testing.F) {
	for _, s := range []string{"/", "/a/./b/../c", "//a//", "/%2e%2e/%41%c3", "/..;/a", "/a%2fb", "/%25%32%65", "/.%2e/..", "/a/.%2f."} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, raw string, keepSlashes bool) {
		o := PathOptions{KeepSlashes: keepSlashes}
		got, err := NormalizePath(raw, makeBytes, o)
		want, ok := naivePath(raw, o)
		if got != want || (err == nil) != ok {
			t.Fatalf("%q gave %q, %v; want %q, %v", raw, got, err, want, ok)
		}
		if err != nil {
			return
		}
		if again, err := NormalizePath(got, nil, o); again != got || err != nil {
			t.Fatalf("%q gave %q, then %q, %v", raw, got, again, err)
		}
		if got[0] != '/' || len(got) > len(raw) || !keepSlashes && strings.Contains(got, "//") || strings.Contains(got+"/", "/../") || strings.Contains(got+"/", "/./") {
			t.Fatalf("%q gave %q", raw, got)
		}
	})
}

func naivePath(raw string, o PathOptions) (string, bool) {
	if !strings.HasPrefix(raw, "/") {
		return "", false
	}
	var decoded strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' {
			if raw[i] <= ' ' || raw[i] > '~' || strings.IndexByte(`?#\`, raw[i]) >= 0 {
				return "", false
			}
			decoded.WriteByte(raw[i])
			continue
		}
		s, err := url.PathUnescape(raw[i:min(i+3, len(raw))])
		switch {
		case err != nil, strings.ContainsAny(s, "/\\\x7f"), len(s) == 1 && s[0] < ' ':
			return "", false
		case len(s) == 1 && isUnreserved(s[0]):
			decoded.WriteString(s)
		default:
			decoded.WriteString(strings.ToUpper(raw[i : i+3]))
		}
		i += 2
	}
	var kept []string
	segments := strings.Split(decoded.String(), "/")[1:]
	for i, s := range segments {
		last := i == len(segments)-1
		name, _, parameters := strings.Cut(s, ";")
		switch {
		case parameters && (name == "." || name == ".."):
			return "", false
		case s == "." || s == "..":
			if s == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last {
				kept = append(kept, "")
			}
		case s != "" || last || o.KeepSlashes:
			kept = append(kept, s)
		}
	}
	return "/" + strings.Join(kept, "/"), true
}

func BenchmarkNormalizePath(b *testing.B) {
	buf := make([]byte, 100)
	alloc := func(n int) []byte { return buf[:n] }
	for _, raw := range []string{"/api/v1/users/42/orders", "/api/v1/%7Eusers/../orders"} {
		b.Run(raw, func(b *testing.B) {
			for b.Loop() {
				if _, err := NormalizePath(raw, alloc, PathOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
