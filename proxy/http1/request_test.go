package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
)

// head makes the head of a GET request of the given field lines.
func head(lines ...string) string {
	return "GET / HTTP/1.1\r\nHost: a.example\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// outcome is a short form of all that parsing gave: an error's code, or what was understood.
func outcome(b []byte, l Limits) string {
	var r exchange.Request
	n, m, p, err := ParseRequest(b, &r, l)
	switch {
	case err != nil:
		return code(err)
	case n == 0:
		return "incomplete"
	}
	return fmt.Sprintf("%d %s %s", n, p, describe(&r, m))
}

func code(err error) string {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", e.Status, e.Code)
}

func describe(r *exchange.Request, m Message) string {
	s := fmt.Sprintf("%s %s|%s|%s|%v %s %s length=%d keep=%v continue=%v upgrade=%s",
		r.Method, r.Target, r.Path, r.Query, r.HasQuery, r.Authority, r.Host, m.Length, m.KeepAlive, m.Continue, r.Upgrade)
	for name, value := range r.Head.All() {
		s += fmt.Sprintf("; %s=%q", name, value)
	}
	return s
}

func TestRefusedRequests(t *testing.T) {
	const (
		malformed = "400 request.malformed"
		framing   = "400 request.framing"
		host      = "400 request.host"
		line      = "GET / HTTP/1.1\r\n"
	)
	for _, tt := range []struct{ name, clause, in, want string }{
		{"a line of two words", "9112 §3", "GET /\r\nHost: x\r\n\r\n", malformed},
		{"two spaces before the target", "9112 §3", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"two spaces before the version", "9112 §3", "GET /  HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"a space behind the version", "9112 §3", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", malformed},
		{"a tab as separator", "9112 §3", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"a method that is no token", "9110 §9.1", "G(T / HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"a method that is too long", "9110 §9.1", strings.Repeat("A", 33) + " / HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"a method without end", "9110 §9.1", strings.Repeat("A", 33), malformed},
		{"a method that ends wrong", "9110 §9.1", "GET\t", malformed},
		{"no method", "9112 §3", " / HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"a TLS handshake", "9112 §3", "\x16\x03\x01\x02\x00\x01\x00", malformed},
		{"two empty lines before the request", "9112 §2.2", "\r\n\r\n" + head(), malformed},
		{"a bare LF behind the request line", "9112 §2.2", "GET / HTTP/1.1\nHost: x\r\n\r\n", malformed},
		{"a bare CR in the request line", "9112 §2.2", "GET /\r HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"NUL in the target", "9112 §3.2", "GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"DEL in the target", "9112 §3.2", "GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"raw UTF-8 in the target", "9112 §3.2", "GET /\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"a fragment", "9112 §3.2", "GET /#f HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"a target without slash", "9112 §3.2.1", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"an asterisk with GET", "9112 §3.2.4", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"another scheme", "9112 §3.2.2", "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"absolute-form without authority", "9112 §3.2.2", "GET http:/// HTTP/1.1\r\nHost: x\r\n\r\n", malformed},
		{"CONNECT", "9110 §9.3.6", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", "501 request.unsupported"},

		{"HTTP/2.0", "9110 §2.5", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505 request.version"},
		{"the preface of HTTP/2", "9113 §3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 request.version"},
		{"HTTP/1.2", "9110 §2.5", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", "505 request.version"},
		{"a version in lower case", "9112 §2.3", "GET / http/1.1\r\nHost: x\r\n\r\n", malformed},
		{"a version of two digits", "9112 §2.3", "GET / HTTP/1.10\r\nHost: x\r\n\r\n", malformed},

		{"no Host", "9112 §3.2", line + "\r\n", host},
		{"two Hosts", "9112 §3.2", line + "Host: x\r\nHost: x\r\n\r\n", host},
		{"two Hosts in HTTP/1.0", "9112 §3.2", "GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n", host},
		{"an empty Host", "9110 §7.2", line + "Host:\r\n\r\n", host},
		{"a list of hosts", "9110 §7.2", line + "Host: a, b\r\n\r\n", host},
		{"userinfo in Host", "9110 §4.2.4", line + "Host: u@x\r\n\r\n", host},
		{"a path in Host", "9110 §7.2", line + "Host: x/y\r\n\r\n", host},
		{"percent-encoding in Host", "9110 §7.2", line + "Host: %78\r\n\r\n", host},
		{"an empty label", "1034 §3.1", line + "Host: a..b\r\n\r\n", host},
		{"a leading dot", "1034 §3.1", line + "Host: .a\r\n\r\n", host},
		{"a host of dots", "1034 §3.1", line + "Host: .\r\n\r\n", host},
		{"a long host", "1034 §3.1", line + "Host: " + strings.Repeat("a", 255) + "\r\n\r\n", host},
		{"a port that is no number", "3986 §3.2.3", line + "Host: x:y\r\n\r\n", host},
		{"a port that is too large", "3986 §3.2.3", line + "Host: x:65536\r\n\r\n", host},
		{"two ports", "3986 §3.2.3", line + "Host: x:1:2\r\n\r\n", host},
		{"an open bracket", "3986 §3.2.2", line + "Host: [::1\r\n\r\n", host},
		{"brackets around a name", "3986 §3.2.2", line + "Host: [x]\r\n\r\n", host},
		{"brackets around IPv4", "3986 §3.2.2", line + "Host: [1.2.3.4]\r\n\r\n", host},
		{"an address with zone", "6874", line + "Host: [fe80::1%25eth0]\r\n\r\n", host},
		{"junk behind an address", "3986 §3.2.2", line + "Host: [::1]x\r\n\r\n", host},
		{"a target of another host", "9112 §3.2.2", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", host},
		{"a target of another port", "9112 §3.2.2", "GET http://a:1/ HTTP/1.1\r\nHost: a\r\n\r\n", host},
		{"userinfo in the target", "9110 §4.2.4", "GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n", host},

		{"a space before the colon", "9112 §5.1", head("A : b"), malformed},
		{"a tab before the colon", "9112 §5.1", head("A\t: b"), malformed},
		{"a folded line", "9112 §5.2", head("A: b", " c"), malformed},
		{"a folded first line", "9112 §2.2", line + " Host: x\r\n\r\n", malformed},
		{"no colon", "9112 §5", head("A"), malformed},
		{"no name", "9110 §5.1", head(": b"), malformed},
		{"a name that is no token", "9110 §5.1", head("A/B: c"), malformed},
		{"a name of other letters", "9110 §5.1", head("\u00c4: b"), malformed},
		{"a length with underscore", "3875 §4.1.18", head("Content_Length: 5"), malformed},
		{"a coding with underscore", "3875 §4.1.18", head("TRANSFER_ENCODING: chunked"), malformed},
		{"a bare LF in a value", "9112 §2.2", head("A: b\nC: d"), malformed},
		{"a bare CR in a value", "9112 §2.2", head("A: b\rC: d"), malformed},
		{"CR CR LF", "9112 §2.2", head("A: b\r"), malformed},
		{"NUL in a value", "9110 §5.5", head("A: b\x00c"), malformed},
		{"a control character in a value", "9110 §5.5", head("A: 12345678\x1f"), malformed},
		{"DEL in a value", "9110 §5.5", head("A: 12345678\x7f"), malformed},

		{"a negative length", "9112 §6.3", head("Content-Length: -1"), framing},
		{"a signed length", "9112 §6.3", head("Content-Length: +1"), framing},
		{"a hexadecimal length", "9112 §6.3", head("Content-Length: 0x1"), framing},
		{"an empty length", "9112 §6.3", head("Content-Length:"), framing},
		{"a list of equal lengths", "9110 §8.6", head("Content-Length: 1, 1"), framing},
		{"two different lengths", "9112 §6.3", head("Content-Length: 1", "Content-Length: 2"), framing},
		{"two equal lengths", "9110 §8.6", head("Content-Length: 1", "Content-Length: 1"), framing},
		{"a length with a leading zero", "9112 §6.3", head("Content-Length: 010"), framing},
		{"a length of two zeros", "9112 §6.3", head("Content-Length: 00"), framing},
		{"a length that overflows", "9110 §8.6", head("Content-Length: 18446744073709551617"), framing},
		{"length and coding", "9112 §6.1", head("Content-Length: 1", "Transfer-Encoding: chunked"), framing},
		{"coding and length", "9112 §6.1", head("Transfer-Encoding: chunked", "Content-Length: 1"), framing},
		{"two codings", "9112 §6.1", head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), framing},
		{"an empty coding", "9112 §6.1", head("Transfer-Encoding:"), framing},
		{"a coding in HTTP/1.0", "9112 §6.1", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", framing},
		{"chunked is not last", "9112 §6.3", head("Transfer-Encoding: chunked, gzip"), framing},
		{"identity", "9112 §7", head("Transfer-Encoding: identity"), framing},
		{"a prefix of chunked", "9112 §6.1", head("Transfer-Encoding: xchunked"), framing},
		{"a quoted coding", "9112 §6.1", head(`Transfer-Encoding: "chunked"`), framing},
		{"a vertical tab before chunked", "9110 §5.5", head("Transfer-Encoding: \x0bchunked"), malformed},
		{"gzip and chunked", "9112 §6.1", head("Transfer-Encoding: gzip, chunked"), "501 request.unsupported"},
		{"chunked twice", "9112 §6.1", head("Transfer-Encoding: chunked, chunked"), "501 request.unsupported"},

		{"a long line", "9112 §3", "GET /" + strings.Repeat("a", 8<<10), "414 request.line_too_long"},
		{"a long head", "6585 §5", head("A: " + strings.Repeat("a", 60<<10)), "431 request.head_too_large"},
		{"a long head without end", "6585 §5", "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", 60<<10), "431 request.head_too_large"},
		{"many fields", "6585 §5", head(strings.Split(strings.Repeat("A: b,", 100)+"A: b", ",")...), "431 request.too_many_fields"},
		{"Connection names many fields", "9110 §7.6.1", head("Connection: a" + strings.Repeat(", a", 16)), "431 request.too_many_fields"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := outcome([]byte(tt.in), DefaultLimits); got != tt.want {
				t.Errorf("RFC %s: %.80q gave %s, want %s", tt.clause, tt.in, got, tt.want)
			}
		})
	}
}

func TestAcceptedRequests(t *testing.T) {
	for _, tt := range []struct{ name, clause, in, want string }{
		{"origin-form", "9112 §3.2.1", "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 GET /a?b=c|/a|b=c|true x x length=0 keep=true continue=false upgrade="},
		{"an empty query", "3986 §3.4", "GET /? HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 GET /?|/||true x x length=0 keep=true continue=false upgrade="},
		{"one empty line first", "9112 §2.2", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade="},
		{"an own method", "9110 §9.1", "brew /pot HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 brew /pot|/pot||false x x length=0 keep=true continue=false upgrade="},
		{"asterisk-form", "9112 §3.2.4", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 OPTIONS *|*||false x x length=0 keep=true continue=false upgrade="},
		{"absolute-form", "9112 §3.2.2", "GET HTTP://a:80/b?c HTTP/1.1\r\nHost: A:80\r\n\r\n", "HTTP/1.1 GET HTTP://a:80/b?c|/b|c|true A:80 a length=0 keep=true continue=false upgrade="},
		{"absolute-form without path", "9112 §3.2.1", "GET https://a?b HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 GET https://a?b|/|b|true a a length=0 keep=true continue=false upgrade="},
		{"absolute-form of the asterisk", "9112 §3.2.4", "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 OPTIONS http://a|*||false a a length=0 keep=true continue=false upgrade="},
		{"a host with port and trailing dot", "9110 §7.2", "GET / HTTP/1.1\r\nHost: A.Example.:8080\r\n\r\n", "HTTP/1.1 GET /|/||false A.Example.:8080 a.example length=0 keep=true continue=false upgrade="},
		{"a host with an empty port", "3986 §3.2.3", "GET / HTTP/1.1\r\nHost: x:\r\n\r\n", "HTTP/1.1 GET /|/||false x: x length=0 keep=true continue=false upgrade="},
		{"an IPv6 address", "3986 §3.2.2", "GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n", "HTTP/1.1 GET /|/||false [2001:DB8::1]:80 2001:db8::1 length=0 keep=true continue=false upgrade="},
		{"HTTP/1.0 closes", "9112 §9.3", "GET / HTTP/1.0\r\nHost: x\r\n\r\n", "HTTP/1.0 GET /|/||false x x length=0 keep=false continue=false upgrade="},
		{"HTTP/1.0 without Host", "9112 §3.2", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 GET /|/||false   length=0 keep=false continue=false upgrade="},
		{"HTTP/1.0 with the host in the target", "9112 §3.2.2", "GET http://a/ HTTP/1.0\r\n\r\n", "HTTP/1.0 GET http://a/|/||false a a length=0 keep=false continue=false upgrade="},
		{"HTTP/1.0 asks to be kept", "9112 §9.3", "GET / HTTP/1.0\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n", "HTTP/1.0 GET /|/||false x x length=0 keep=true continue=false upgrade="},
		{"close beats keep-alive", "9112 §9.3", "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n", "HTTP/1.1 GET /|/||false x x length=0 keep=false continue=false upgrade="},
		{"white space around values", "9112 §5.1", "GET / HTTP/1.1\r\nHost:\t x \t\r\nA:\r\nB: c d \r\n\r\n", `HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade=; A=""; B="c d"`},
		{"obs-text in a value", "9110 §5.5", "GET / HTTP/1.1\r\nHost: x\r\nA: \xe9t\xe9 \u00e9\r\n\r\n", `HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade=; A="\xe9t\xe9 é"`},
		{"a length", "9112 §6.2", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 PUT /|/||false x x length=7 keep=true continue=false upgrade="},
		{"names with underscores", "9110 §5.1", "GET / HTTP/1.1\r\nHost: x\r\nTenant_ID: a\r\nx_forwarded-for: 1.2.3.4\r\n_Content_Length: 5\r\nHo_st: b\r\n\r\n", `HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade=; Tenant_ID="a"; x_forwarded-for="1.2.3.4"; _Content_Length="5"; Ho_st="b"`},
		{"chunks", "9112 §7.1", "PUT / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: Chunked\r\n\r\n", "HTTP/1.1 PUT /|/||false x x length=-1 keep=true continue=false upgrade="},
		{"an expectation", "9110 §10.1.1", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n", "HTTP/1.1 PUT /|/||false x x length=1 keep=true continue=true upgrade="},
		{"an expectation without content", "9110 §10.1.1", "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", "HTTP/1.1 PUT /|/||false x x length=0 keep=true continue=false upgrade="},
		{"an expectation in HTTP/1.0", "9110 §10.1.1", "PUT / HTTP/1.0\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n", "HTTP/1.0 PUT /|/||false x x length=1 keep=false continue=false upgrade="},
		{"another expectation is the backend's", "9110 §10.1.1", "PUT / HTTP/1.1\r\nHost: x\r\nExpect: a\r\n\r\n", `HTTP/1.1 PUT /|/||false x x length=0 keep=true continue=false upgrade=; Expect="a"`},
		{"hop-by-hop fields are dropped", "9110 §7.6.1", "GET / HTTP/1.1\r\nA: 1\r\nTE: trailers\r\nHost: x\r\nKeep-Alive: 1\r\nProxy-Connection: a\r\nTrailer: b\r\nUpgrade: c\r\nB: 2\r\n\r\n", `HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade=; A="1"; B="2"`},
		{"named fields are dropped", "9110 §7.6.1", "GET / HTTP/1.1\r\nA: 1\r\nHost: x\r\nconnection: b , ,a\r\nB: 2\r\nC: 3\r\nConnection: c\r\n\r\n", "HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade="},
		{"protected fields stay", "9110 §7.6.1", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: host, content-length, cookie, authorization, x-trace-id, x-forwarded-for, X-Forwarded-User\r\nCookie: a\r\nAuthorization: b\r\nX-Trace-ID: c\r\nX-Forwarded-For: d\r\nX-Forwarded-User: e\r\n\r\n", `HTTP/1.1 GET /|/||false x x length=2 keep=true continue=false upgrade=; Cookie="a"; Authorization="b"; X-Trace-ID="c"; X-Forwarded-For="d"; X-Forwarded-User="e"`},
		{"an upgrade", "9110 §7.8", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade=websocket"},
		{"an upgrade without its option", "9110 §7.8", "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade="},
		{"an upgrade to h2c", "9113 §3.1", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: a\r\n\r\n", "HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade="},
		{"an upgrade to HTTP/2.0", "9110 §7.8", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: HTTP/2.0\r\n\r\n", "HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade="},
		{"a choice of upgrades", "9110 §7.8", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: a, websocket\r\n\r\n", "HTTP/1.1 GET /|/||false x x length=0 keep=true continue=false upgrade="},
		{"an upgrade with content", "9110 §7.8", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 GET /|/||false x x length=1 keep=true continue=false upgrade="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := fmt.Sprintf("%d %s", len(tt.in), tt.want)
			for _, behind := range []string{"", "GET /next HTTP/1.1\r\n", "\r\n\r\n", "\x00"} {
				if got := outcome([]byte(tt.in+behind), DefaultLimits); got != want {
					t.Errorf("RFC %s: with %q behind it:\n got %s\nwant %s", tt.clause, behind, got, want)
				}
			}
		})
	}
}

func TestLimitsAreExact(t *testing.T) {
	in := "GET /12345 HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"
	for _, tt := range []struct {
		name   string
		limits Limits
		want   string
	}{
		{"all fit", Limits{RequestLine: 19, Head: len(in), Fields: 2}, fmt.Sprintf("%d HTTP/1.1", len(in))},
		{"the line does not", Limits{RequestLine: 18, Head: len(in), Fields: 2}, "414 request.line_too_long"},
		{"the head does not", Limits{RequestLine: 19, Head: len(in) - 1, Fields: 2}, "431 request.head_too_large"},
		{"a field does not", Limits{RequestLine: 19, Head: len(in), Fields: 1}, "431 request.too_many_fields"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, behind := range []string{"", "more"} {
				if got := outcome([]byte(in+behind), tt.limits); !strings.HasPrefix(got, tt.want) {
					t.Errorf("with %q behind it: got %s, want %s", behind, got, tt.want)
				}
			}
		})
	}
}

func TestErrorsSayWhyAndClose(t *testing.T) {
	for f := none + 1; f < faultCount; f++ {
		if e := responseErrors[f]; e.Status != 502 || e.Source != exchange.FromUpstream || e.Err.Error() == "" {
			t.Errorf("fault %d in a response: %v", f, e)
		}
		if e := requestErrors[f]; e.Status != 0 && (e.Code == "" || e.Source != exchange.FromClient || !e.Close) {
			t.Errorf("fault %d in a request: %v", f, e)
		}
	}
}
