package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/proxytest"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		name   string
		routes []string
		// requests are "[METHOD ]host/path[ header: value]..."; want is the route and match of each, or "".
		requests map[string]string
	}{
		{
			name:   "an exact host goes before wildcards, longer wildcards before shorter ones, any host comes last",
			routes: []string{"* /", "*.com /", "*.example.com /", "a.example.com /", "*.b.example.com /"},
			requests: map[string]string{
				"a.example.com/": "r3[0]", "x.example.com/": "r2[0]", "x.b.example.com/": "r4[0]",
				"b.example.com/":   "r2[0]",
				"x.a.example.com/": "r2[0]", "example.com/": "r1[0]", "com/": "r0[0]", "other.org/": "r0[0]",
				"aexample.com/": "r1[0]",
			},
		},
		{
			name:   "a wildcard matches any number of labels, but not none",
			routes: []string{"*.example.com /"},
			requests: map[string]string{
				"a.example.com/": "r0[0]", "b.a.example.com/": "r0[0]", "example.com/": "",
				"badexample.com/": "",
			},
		},
		{
			name:   "a wildcard of one label leaves names with more to less specific hosts",
			routes: []string{"?.example.com /", "* /"},
			requests: map[string]string{
				"a.example.com/": "r0[0]", "b.a.example.com/": "r1[0]", "example.com/": "r1[0]",
			},
		},
		{
			name:   "wildcards of one label and of any number are one host, and each has what is meant for it",
			routes: []string{"?.example.com /", "*.example.com /", "*.example.com /b", "?.example.com =/c", "*.com /"},
			requests: map[string]string{
				"a.example.com/": "r0[0]", "a.example.com/b": "r2[0]", "a.example.com/c": "r3[0]",
				"b.a.example.com/": "r1[0]", "b.a.example.com/c": "r1[0]", "b.a.example.com/b": "r2[0]", "example.com/": "r4[0]",
			},
		},
		{
			name:   "a wildcard of any number of labels that matches no path keeps names from less specific hosts",
			routes: []string{"?.example.com /", "*.example.com /b", "* /"},
			requests: map[string]string{
				"a.example.com/c": "r0[0]", "b.a.example.com/c": "",
			},
		},
		{
			name:   "a route may be for any host and for some",
			routes: []string{"a.example.com,*,?.example.com /", "b.example.com /b"},
			requests: map[string]string{
				"a.example.com/": "r0[0]", "b.example.com/": "", "c.example.com/": "r0[0]", "d.c.example.com/": "r0[0]", "c.org/": "r0[0]",
			},
		},
		{
			name:   "a less specific host doesn't take over the paths that a more specific one lacks",
			routes: []string{"* /any", "*.example.com /wild", "a.example.com /exact"},
			requests: map[string]string{
				"a.example.com/wild": "", "a.example.com/any": "", "b.example.com/any": "",
				"b.example.com/wild": "r1[0]", "c.org/any": "r0[0]",
			},
		},
		{
			name:   "routes of one host are one list, whoever they belong to",
			routes: []string{"a.example.com,b.example.com /", "b.example.com,c.example.com /x"},
			requests: map[string]string{
				"a.example.com/x": "r0[0]", "b.example.com/x": "r1[0]", "b.example.com/y": "r0[0]",
				"c.example.com/y": "",
			},
		},
		{
			name:   "a prefix matches whole elements, with and without a trailing slash",
			routes: []string{"* /a"},
			requests: map[string]string{
				"h/a": "r0[0]", "h/a/": "r0[0]", "h/a/b": "r0[0]", "h/ab": "", "h/A": "", "h/": "", "h/b/a": "",
			},
		},
		{
			name:     "the prefix / matches every path",
			routes:   []string{"* /"},
			requests: map[string]string{"h/": "r0[0]", "h/a": "r0[0]", "h/a/b/": "r0[0]"},
		},
		{
			name:     "an asterisk is no path",
			routes:   []string{"* /", "* ~.*"},
			requests: map[string]string{"OPTIONS h*": "", "h/*": "r1[0]"},
		},
		{
			name:     "an exact path is the whole path",
			routes:   []string{"* =/a", "* =/b/"},
			requests: map[string]string{"h/a": "r0[0]", "h/a/": "", "h/a/b": "", "h/b/": "r1[0]", "h/b": ""},
		},
		{
			name:   "a regular expression is the whole path, whatever its alternatives",
			routes: []string{"* ~/users/[0-9]+", "* ~/a|/b", "* ~^/c$", "* ~(?i)/Case"},
			requests: map[string]string{
				"h/users/7": "r0[0]", "h/users/7/x": "", "h/x/users/7": "", "h/users/": "", "h/a": "r1[0]",
				"h/b": "r1[0]", "h/a/b": "", "h/ax": "", "h/c": "r2[0]", "h/CASE": "r3[0]", "h/case": "r3[0]",
			},
		},
		{
			name:     "exact goes before regular expression before prefix",
			routes:   []string{"* /a/b", "* ~/a/.", "* =/a/b"},
			requests: map[string]string{"h/a/b": "r2[0]", "h/a/c": "r1[0]", "h/a/b/c": "r0[0]"},
		},
		{
			name:     "a longer prefix goes before a shorter one",
			routes:   []string{"* /", "* /a", "* /a/b"},
			requests: map[string]string{"h/a/b/c": "r2[0]", "h/a/c": "r1[0]", "h/ab": "r0[0]"},
		},
		{
			name:     "a longer regular expression goes before a shorter one, wherever their literals end",
			routes:   []string{"* ~/a/b.*", "* ~.*/b/.+/[a-z]+", "* ~/a/b/c/[a-z]"},
			requests: map[string]string{"h/a/b/c/d": "r1[0]", "h/a/b/c": "r0[0]", "h/a/b/c/9": "r0[0]"},
		},
		{
			name:     "regular expressions of one length are ordered by age",
			routes:   []string{"* ~/./bcd", "* ~/a/.cd", "* ~/a/b.d"},
			requests: map[string]string{"h/a/bcd": "r0[0]", "h/a/xcd": "r1[0]", "h/a/bxd": "r2[0]"},
		},
		{
			name: "then a method, then headers, then query, then cookies, then age",
			routes: []string{
				"* /", "* / c:c", "* / q:q", "* / h:h", "* / GET", "* / h:h h:i", "* / GET h:h",
				"* / h:h q:q q:r", "* /",
			},
			requests: map[string]string{
				"PUT h/": "r0[0]", "PUT h/ Cookie: c=": "r1[0]", "PUT h/?q Cookie: c=": "r2[0]",
				"PUT h/?q h: 1": "r3[0]", "h/": "r4[0]",
				"PUT h/ h: 1 i: 1": "r5[0]", "h/ h: 1 i: 1": "r6[0]", "PUT h/?q&r h: 1": "r7[0]",
				"h/?q&r Cookie: c": "r4[0]",
			},
		},
		{
			name:   "more specific matches whose predicates fail leave the request to the others",
			routes: []string{"* /", "* /a h:h=1", "* =/a/b POST", "* ~/a/. PUT"},
			requests: map[string]string{
				"h/a/b": "r0[0]", "h/a/b h: 1": "r1[0]", "PUT h/a/b h: 1": "r3[0]", "POST h/a/b h: 1": "r2[0]",
			},
		},
		{
			name:   "matches of a rule are alternatives, each with its own precedence",
			routes: []string{"* /a | =/b | /c GET", "* /a/x | =/c"},
			requests: map[string]string{
				"h/a": "r0[0]", "h/b": "r0[1]", "h/b/": "", "h/c/d": "r0[2]", "PUT h/c/d": "",
				"h/a/x": "r1[0]", "h/c": "r1[1]",
			},
		},
		{
			name:     "of equal matches of a rule the first is taken",
			routes:   []string{"* /a | /a"},
			requests: map[string]string{"h/a": "r0[0]"},
		},
		{
			name:     "methods are alternatives and case-sensitive; HEAD is not GET",
			routes:   []string{"* / GET,PURGE"},
			requests: map[string]string{"h/": "r0[0]", "PURGE h/": "r0[0]", "purge h/": "", "HEAD h/": ""},
		},
		{
			name:   "a header's name has no case, its value has",
			routes: []string{"* / h:x-env=prod"},
			requests: map[string]string{
				"h/ X-Env: prod": "r0[0]", "h/ x-ENV: prod": "r0[0]", "h/ x-env: Prod": "",
				"h/ x-env: production": "", "h/": "",
			},
		},
		{
			name:     "any line of a repeated header may match; a list in one line is one value",
			routes:   []string{"* / h:x-env=prod"},
			requests: map[string]string{"h/ x-env: dev x-env: prod": "r0[0]", "h/ x-env: dev,prod": ""},
		},
		{
			name:   "an inverted header asks that no line matches; absent is fine",
			routes: []string{"* / !h:x-env=prod"},
			requests: map[string]string{
				"h/": "r0[0]", "h/ x-env: dev": "r0[0]", "h/ x-env: prod": "", "h/ x-env: dev x-env: prod": "",
			},
		},
		{
			name:   "a header's regular expression matches the whole value",
			routes: []string{"* /a h:user-agent~curl/.*", "* /b !h:user-agent~curl/.*"},
			requests: map[string]string{
				"h/a User-Agent: curl/8": "r0[0]", "h/a User-Agent: xcurl/8": "", "h/b User-Agent: curl/8": "",
				"h/b": "r1[0]",
			},
		},
		{
			name:   "presence asks for the name only",
			routes: []string{"* /h h:x", "* /q q:x", "* /c c:x", "* /n !h:x !q:x !c:x"},
			requests: map[string]string{
				"h/h X: ": "r0[0]", "h/h": "", "h/q?x": "r1[0]", "h/q?y=x": "", "h/c Cookie: x=": "r2[0]",
				"h/c Cookie: y=x": "", "h/n": "r3[0]", "h/n X: 1": "", "h/n?x": "", "h/n Cookie: a=b;x=y": "",
			},
		},
		{
			name:   "the first query parameter of a name counts",
			routes: []string{"* / q:a=1"},
			requests: map[string]string{
				"h/?a=1&a=2": "r0[0]", "h/?a=2&a=1": "", "h/?b=1&a=1": "r0[0]", "h/?A=1": "", "h/?a=": "",
				"h/?a=11": "", "h/?&&a=1": "r0[0]", "h/?b;a=1": "",
			},
		},
		{
			name:   "query names and values are compared decoded",
			routes: []string{"* /e q:a+b=x&y", "* /r q:n~é+", "* /i !q:n~é+", "* /p q:p=1%"},
			requests: map[string]string{
				"h/e?a%2bb=x%26y": "r0[0]", "h/e?a+b=x%26y": "", "h/r?n=%C3%A9%c3%a9": "r1[0]",
				"h/r?n=%C3": "", "h/i?n=%C3%A9": "", "h/i?n=e": "r2[0]", "h/p?p=1%": "r3[0]",
				"h/p?p=1%25": "r3[0]", "h/p?p=1%2": "",
			},
		},
		{
			name:     "plus is a space in a query",
			routes:   []string{"* / q:n~a.b"},
			requests: map[string]string{"h/?n=a+b": "r0[0]", "h/?n=a%20b": "r0[0]", "h/?n=a%20%20b": ""},
		},
		{
			name:   "cookies are found in any field, their first occurrence counts",
			routes: []string{"* / c:v=2"},
			requests: map[string]string{
				"h/ Cookie: v=2": "r0[0]", "h/ Cookie: a=1;v=2;b=3": "r0[0]",
				"h/ Cookie: a=1 Cookie: v=2": "r0[0]", "h/ Cookie: v=1;v=2": "", "h/ Cookie: V=2": "",
				"h/ Cookie: v=\"2\"": "", "h/ Cookie: xv=2": "", "h/": "",
			},
		},
		{
			name:   "all parts of a match must hold",
			routes: []string{"* /a POST h:h=1 q:q=1 c:c=1"},
			requests: map[string]string{
				"POST h/a?q=1 h: 1 Cookie: c=1": "r0[0]", "POST h/a?q=1 h: 1 Cookie: c=2": "",
				"POST h/a?q=2 h: 1 Cookie: c=1": "", "POST h/a?q=1 h: 2 Cookie: c=1": "",
				"PUT h/a?q=1 h: 1 Cookie: c=1": "", "POST h/b?q=1 h: 1 Cookie: c=1": "",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := compile(t, nil, parse(tt.routes...))
			for request, want := range tt.requests {
				if got := matched(t, table, request); got != want {
					t.Errorf("%s: matched %q, want %q", request, got, want)
				}
			}
		})
	}
}

// matched returns the route and match that a request of the form of TestMatch finds.
func matched(t *testing.T, table *Table, request string) string {
	t.Helper()
	words := strings.Split(request, " ")
	method := "GET"
	if !strings.ContainsAny(words[0], "/*") {
		method, words = words[0], words[1:]
	}
	at := strings.IndexAny(words[0], "/*")
	text := fmt.Sprintf("%s %s HTTP/1.1\nHost: %s", method, words[0][at:], words[0][:at])
	for _, w := range words[1:] {
		if strings.HasSuffix(w, ":") {
			text += "\n"
		}
		text += w + " "
	}
	x := proxytest.Exchange(t, text+"\n\n")
	c := table.match(x)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s[%d]", c.route.ID, c.index)
}

func TestNameThatStartsWithADotBelongsToNoWildcardOfItsOwn(t *testing.T) {
	table := compile(t, nil, parse("*.example.com /", "* /"))
	if c := table.match(get(".example.com", "/")); c == nil || c.route.ID != "r1" {
		t.Errorf("matched %v, want r1", c)
	}
}

func TestListenersHaveTheirOwnRoutes(t *testing.T) {
	inner := parseRoute("inner", "* /")
	inner.Listeners = []string{"inner", "both"}
	outer := parseRoute("outer", "* /a")
	outer.Listeners = []string{"outer", "both"}
	table := compile(t, nil, snapshotOf(inner.Seal(), outer.Seal()))
	for listener, want := range map[string]string{"inner": "inner", "outer": "outer", "both": "outer"} {
		x := get("h", "/a")
		x.Listener = listener
		if c := table.match(x); c == nil || c.route.ID != want {
			t.Errorf("listener %s: matched %v, want %s", listener, c, want)
		}
	}
}

func TestDump(t *testing.T) {
	table := compile(t, nil, parse(
		"b.example.com,*.example.com /a GET,PUT h:x=1 !q:y~z+ c:s",
		"b.example.com /b | =/b",
		"* ~/x.*",
	))
	want := "version " + table.Version() + `
listener http
  host *
    ~ /x.* -> r2[0]
  host *.example.com
    /a GET,PUT header x = "1" not query y ~ "z+" cookie s -> r0[0]
  host b.example.com
    = /b -> r1[1]
    /a GET,PUT header x = "1" not query y ~ "z+" cookie s -> r0[0]
    /b -> r1[0]
`
	if got := dump(t, table); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
