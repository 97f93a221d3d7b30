package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
)

// disagreement is why we and net/http read a message differently.
type disagreement struct {
	// why is the cause of our refusal, net/http's error, or the part that differs.
	why     string
	clause  string
	example string
}

const post = "POST / HTTP/1.1\r\nHost: a\r\n"

// stricter lists what we refuse and net/http accepts.
var stricter = []disagreement{
	{cause(badRequestLine), "9112 §2.2: a bare LF may be recognised, and need not be", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
	{cause(badTarget), "9112 §3.2.2: a gateway for HTTP serves no other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{cause(unsupportedMethod), "9110 §9.3.6: an origin server may not implement CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"},
	{cause(badVersion), "9110 §15.6.6: a version may be refused", "GET / HTTP/1.7\r\nHost: a\r\n\r\n"},
	{cause(badFieldName), "9112 §5.2: obs-fold is to be refused or replaced", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n"},
	{cause(disguisedName), "RFC 3875 §4.1.18: backends read an underscore as a hyphen", "GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n"},
	{cause(badFieldValue), "9112 §2.2: a bare LF may be recognised, and need not be", "GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n"},
	{cause(badLength), "9110 §8.6: equal lengths may be refused", post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"},
	{cause(badLength), "9112 §6.3: a leading zero is an octal number to some", post + "Content-Length: 01\r\n\r\nx"},
	{cause(codingAndLength), "9112 §6.1: Transfer-Encoding with Content-Length may be refused", post + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{cause(codingInHTTP10), "9112 §6.1: Transfer-Encoding in HTTP/1.0 means faulty framing", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{cause(badHost), "9110 §7.2, §4.2.4: no Host, an empty one, one with userinfo or other than the target's", "GET / HTTP/1.1\r\n\r\n"},
	{cause(tooManyOptions), "9110 §5.4: limits are the server's", "GET / HTTP/1.1\r\nHost: a\r\nConnection: " + strings.Repeat("x,", 20) + "\r\n\r\n"},
	{cause(badCoding), "9112 §6.1: Transfer-Encoding in HTTP/1.0 means faulty framing", "GET / HTTP/1.0\r\nTransfer-Encoding: identity\r\n\r\n"},
	{exchange.ErrPath.Code, "RFC 3986 §3.3, §6.2.2: paths that backends read in different ways", "GET /%2f HTTP/1.1\r\nHost: a\r\n\r\n"},
	{cause(badChunk), "9112 §7.1.1: white space behind a chunk's size is not in the grammar", post + "Transfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n"},
	{cause(badChunk), "9112 §7.1.1: an extension has a name", post + "Transfer-Encoding: chunked\r\n\r\n1;\r\nx\r\n0\r\n\r\n"},
	{cause(badTrailer), "9112 §5.2: obs-fold is to be refused or replaced", post + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n"},
}

// laxer lists what we accept and net/http refuses.
var laxer = []disagreement{
	{"malformed HTTP request", "9112 §2.2: one empty line before a request should be ignored", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
}

// stricterResponses lists what we refuse and net/http accepts from a backend.
var stricterResponses = []disagreement{
	{cause(badStatusLine), "9112 §2.2: a bare LF may be recognised, and need not be", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"},
	{cause(badInterim), "9110 §8.6, 9112 §6.1: a length or a coding is forbidden with 1xx", "HTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\n\r\n"},
	{cause(disguisedName), "RFC 3875 §4.1.18: an underscore is read as a hyphen", "HTTP/1.1 204 OK\r\nContent_Length: 5\r\n\r\n"},
	{cause(badUpgrade), "9110 §15.2.2: 101 says what is changed to", "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
	{cause(badFieldName), "9112 §5.2: obs-fold is to be refused or replaced", "HTTP/1.1 204 OK\r\nA: b\r\n c\r\n\r\n"},
	{cause(badFieldValue), "9112 §2.2: a bare LF may be recognised, and need not be", "HTTP/1.1 204 OK\r\nA: b\nC: d\r\n\r\n"},
	{cause(badLength), "9110 §8.6: equal lengths may be refused", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"},
	{cause(badCoding), "9112 §6.1: Transfer-Encoding in HTTP/1.0 means faulty framing", "HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"},
	{cause(unsupportedCoding), "9112 §6.1: Transfer-Encoding in HTTP/1.0 means faulty framing", "HTTP/1.0 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
	{cause(codingInHTTP10), "9112 §6.1: Transfer-Encoding in HTTP/1.0 means faulty framing", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{cause(codingAndLength), "9112 §6.3: Transfer-Encoding with Content-Length ought to be handled as an error", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{cause(tooManyOptions), "9110 §5.4: limits are the recipient's", "HTTP/1.1 204 OK\r\nConnection: " + strings.Repeat("x,", 20) + "\r\n\r\n"},
	{cause(badChunk), "9112 §7.1.1: white space behind a chunk's size is not in the grammar", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n"},
	{cause(badTrailer), "9112 §5.2: obs-fold is to be refused or replaced", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n"},
}

// differentResponses lists what both accept from a backend and read differently.
var differentResponses = []disagreement{
	{"keep", "9110 §8.6: a length is forbidden with 1xx and 204; we don't trust the connection any further", "HTTP/1.1 204 OK\r\nContent-Length: 1\r\n\r\n"},
}

func cause(f fault) string { return responseErrors[f].Err.Error() }

// reading is what a parser made of a request: refused says why not, the rest what.
type reading struct {
	refused string
	parts   map[string]string
}

func ours(b []byte) reading {
	var r exchange.Request
	n, m, p, err := ParseRequest(b, &r, DefaultLimits)
	switch {
	case err != nil:
		return reading{refused: why(err)}
	case n == 0:
		return reading{refused: "incomplete"}
	}
	if _, err := exchange.NormalizePath(r.Path, func(n int) []byte { return make([]byte, n) }, exchange.PathOptions{}); err != nil && r.Path != "*" {
		return reading{refused: why(err)}
	}
	var body BodyReader
	src := bytes.NewReader(b[n:])
	body.Reset(src, nil, m)
	content, err := io.ReadAll(&body)
	if err != nil {
		return reading{refused: why(err)}
	}
	return reading{parts: map[string]string{
		"method": r.Method, "target": r.Target, "host": strings.ToLower(r.Authority), "version": string(p), "length": fmt.Sprint(m.Length),
		"close": fmt.Sprint(!m.KeepAlive), "fields": fields(r.Head.All()), "body": string(content), "rest": string(b[len(b)-src.Len():]),
	}}
}

func oursOfResponse(b []byte) reading {
	var r exchange.Response
	n, m, err := ParseResponse(b, &r, "GET", DefaultLimits)
	switch {
	case err != nil:
		return reading{refused: why(err)}
	case n == 0:
		return reading{refused: "incomplete"}
	}
	var body BodyReader
	src := bytes.NewReader(b[n:])
	body.Reset(src, nil, m)
	content, err := io.ReadAll(&body)
	if err != nil {
		return reading{refused: why(err)}
	}
	return reading{parts: map[string]string{
		"status": fmt.Sprint(r.Status), "keep": fmt.Sprint(m.KeepAlive), "fields": fields(r.Head.All()),
		"body": string(content), "rest": string(b[len(b)-src.Len():]),
	}}
}

func theirsOfResponse(b []byte) reading {
	src := bufio.NewReaderSize(bytes.NewReader(b), len(b)+16)
	r, err := http.ReadResponse(src, &http.Request{Method: "GET"})
	if err != nil {
		return reading{refused: err.Error()}
	}
	defer r.Body.Close()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return reading{refused: err.Error()}
	}
	rest, _ := io.ReadAll(src)
	return reading{parts: map[string]string{
		"status": fmt.Sprint(r.StatusCode), "keep": fmt.Sprint(!r.Close), "fields": fields(endToEnd(r.Header)), "body": string(content), "rest": string(rest),
	}}
}

func why(err error) string {
	e, ok := errors.AsType[*exchange.Error](err)
	switch {
	case !ok:
		return err.Error()
	case e.Err == nil:
		return e.Code
	}
	return e.Err.Error()
}

// fields is a canonical form of fields, without Close, which net/http lets pass.
func fields(all func(func(string, string) bool)) string {
	var lines []string
	for name, value := range all {
		if name = textproto.CanonicalMIMEHeaderKey(name); name != "Close" {
			lines = append(lines, name+": "+value)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func theirs(b []byte) reading {
	src := bufio.NewReaderSize(bytes.NewReader(b), len(b)+16)
	r, err := http.ReadRequest(src)
	if err != nil {
		return reading{refused: err.Error()}
	}
	defer r.Body.Close()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return reading{refused: err.Error()}
	}
	rest, _ := io.ReadAll(src)
	return reading{parts: map[string]string{
		"method": r.Method, "target": r.RequestURI, "host": strings.ToLower(r.Host), "version": r.Proto, "length": fmt.Sprint(r.ContentLength),
		"close": fmt.Sprint(r.Close), "fields": fields(endToEnd(r.Header)), "body": string(content), "rest": string(rest),
	}}
}

// endToEnd leaves out what does not belong to a gateway's next hop.
func endToEnd(h http.Header) func(func(string, string) bool) {
	dropped := []string{"Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			name = textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t"))
			if exchange.IDOf(name) == exchange.Other && !strings.HasPrefix(name, "X-Forwarded-") {
				dropped = append(dropped, name)
			}
		}
	}
	return func(yield func(string, string) bool) {
		for name, values := range h {
			for _, v := range values {
				expectation := name == "Expect" && strings.EqualFold(v, "100-continue")
				if !slices.Contains(dropped, name) && !expectation && !yield(name, v) {
					return
				}
			}
		}
	}
}

// compare returns how the two readings disagree, and in what. It is empty if they agree.
func compare(us, them reading) (list, why string) {
	switch {
	case us.refused != "" && them.refused != "":
		return "", ""
	case us.refused != "":
		return "stricter", us.refused
	case them.refused != "":
		return "laxer", them.refused
	}
	for part := range us.parts {
		if us.parts[part] != them.parts[part] {
			return "different", part
		}
	}
	return "", ""
}

func TestEveryDisagreementWithNetHTTPIsListed(t *testing.T) {
	differ{map[string][]disagreement{"stricter": stricter, "laxer": laxer}, requestSeeds, ours, theirs}.run(t)
}

func TestEveryDisagreementWithNetHTTPAboutResponsesIsListed(t *testing.T) {
	lists := map[string][]disagreement{"stricter": stricterResponses, "different": differentResponses}
	differ{lists, responseSeeds, oursOfResponse, theirsOfResponse}.run(t)
}

// differ compares two parsers over mutations of seeds, and checks that lists of disagreements are true and complete.
type differ struct {
	lists        map[string][]disagreement // by what compare calls them
	seeds        []string
	ours, theirs func([]byte) reading
}

func (d differ) run(t *testing.T) {
	t.Helper()
	for list, entries := range d.lists {
		for _, e := range entries {
			if l, why := compare(d.ours([]byte(e.example)), d.theirs([]byte(e.example))); l != list || !strings.HasPrefix(why, e.why) {
				t.Errorf("%q is no example of %s: %s; it is %s: %s", e.example, list, e.why, l, why)
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	reported := map[string]bool{}
	for range 60000 {
		b := mutate(rng, d.seeds)
		us, them := d.ours(b), d.theirs(b)
		list, why := compare(us, them)
		known := slices.ContainsFunc(d.lists[list], func(e disagreement) bool { return strings.HasPrefix(why, e.why) })
		if list == "" || known || reported[list+why] {
			continue
		}
		reported[list+why] = true
		t.Errorf("an unlisted disagreement, %s: %s\n%q\nours   %v\ntheirs %v", list, why, b, us, them)
	}
}

// nasty are the pieces that parsers stumble over.
var nasty = []string{
	"\r", "\n", "\r\n", "\n\n", "\r\n\r\n", " ", "\t", "\x00", "\x0b", "\x7f", "\xff", ":", ";", ",", "0", "1", "f", "+", "-", "_", "/", "?", "#", "%", "@", "[", "]", ".", "..", "http://b", "*",
	"\r\nContent-Length: 3", "\r\nContent-Length: 5", "\r\nTransfer-Encoding: chunked", "\r\nTransfer-Encoding: identity", "\r\nHost: a", "\r\nHost: b", "\r\nConnection: close",
	"\r\nContent_Length: 3", "\r\nX_Forwarded_For: b", ";", ";a", "=\"", "\\", "\r\nConnection: keep-alive", "\r\nUpgrade: websocket", "\r\nA: b", "\r\n A: b", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "GET", "CONNECT", "chunked", "close", "5\r\nhello\r\n", "0\r\n\r\n",
}

// mutate changes a seed in one to three places.
func mutate(rng *rand.Rand, seeds []string) []byte {
	b := []byte(seeds[rng.IntN(len(seeds))])
	for range 1 + rng.IntN(3) {
		at := rng.IntN(len(b) + 1)
		to := min(len(b), at+rng.IntN(3))
		if rng.IntN(10) == 0 {
			to = min(len(b), at+rng.IntN(30))
		}
		piece := nasty[rng.IntN(len(nasty))]
		if rng.IntN(4) == 0 {
			piece = ""
		}
		b = slices.Replace(b, at, to, []byte(piece)...)
	}
	return b
}
