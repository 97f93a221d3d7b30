package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/exchange"
)

// wide are limits that what was read within DefaultLimits fits after it was written anew.
var wide = Limits{RequestLine: 1 << 20, Head: 1 << 20, Fields: 1 << 10}

// FuzzParseRequest holds that a result does not depend on how the bytes arrive nor on what follows, that no more is consumed
// than is there and the limits allow, and that what we write is read as what we meant: the backend sees the request that we saw.
func FuzzParseRequest(f *testing.F) {
	for _, s := range requestSeeds {
		f.Add([]byte(s), uint16(7))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		var r exchange.Request
		n, m, _, err := ParseRequest(b, &r, DefaultLimits)
		if n < 0 || n > min(len(b), DefaultLimits.Head) || r.Head.Len() > DefaultLimits.Fields || err != nil && n != 0 {
			t.Fatalf("consumed %d of %d bytes, %d fields, %v", n, len(b), r.Head.Len(), err)
		}
		whole := outcome(b, DefaultLimits)
		if part := outcome(b[:int(at)%(len(b)+1)], DefaultLimits); part != whole && part != "incomplete" {
			t.Fatalf("a part gave %s, the whole %s", part, whole)
		}
		if whole == "incomplete" {
			return
		}
		if more := outcome(append(bytes.Clone(b), "\r\nX: y\r\n\r\n"...), DefaultLimits); more != whole {
			t.Fatalf("with more behind it %s became %s", whole, more)
		}
		if err != nil || r.Authority == "" { // of HTTP/1.0, whose form we can't repeat in HTTP/1.1
			return
		}
		if m.Length != 0 {
			r.Body = strings.NewReader("")
		}
		first := AppendRequest(nil, &r)
		var again exchange.Request
		n, m2, _, err := ParseRequest(first, &again, wide)
		if err != nil || n != len(first) || m2.Length != m.Length || meaning(&again) != meaning(&r) {
			t.Fatalf("%q was written as %q, which gave %d, %+v, %v", b, first, n, m2, err)
		}
		again.Body = r.Body
		if second := AppendRequest(nil, &again); !bytes.Equal(first, second) {
			t.Fatalf("%q was written as %q, then as %q", b, first, second)
		}
	})
}

// meaning is what a backend is to understand, in a comparable form.
func meaning(r *exchange.Request) string {
	return fmt.Sprintf("%q", []any{r.Method, r.Path, r.Query, r.HasQuery, r.Authority, r.Host, r.Upgrade, list(&r.Head)})
}

func list(h *exchange.Head) (lines []string) {
	for name, value := range h.All() {
		lines = append(lines, name+": "+value)
	}
	return lines
}

// FuzzParseResponse holds the same of responses.
func FuzzParseResponse(f *testing.F) {
	for _, s := range responseSeeds {
		f.Add([]byte(s), uint16(7), false)
		f.Add([]byte(s), uint16(30), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16, isHead bool) {
		method := map[bool]string{false: "GET", true: "HEAD"}[isHead]
		var r exchange.Response
		n, m, err := ParseResponse(b, &r, method, DefaultLimits)
		if n < 0 || n > min(len(b), DefaultLimits.Head) || r.Head.Len() > DefaultLimits.Fields || err != nil && n != 0 {
			t.Fatalf("consumed %d of %d bytes, %d fields, %v", n, len(b), r.Head.Len(), err)
		}
		whole := responseOutcome(b, method, DefaultLimits)
		if part := responseOutcome(b[:int(at)%(len(b)+1)], method, DefaultLimits); part != whole && part != "incomplete" {
			t.Fatalf("a part gave %s, the whole %s", part, whole)
		}
		if whole == "incomplete" || err != nil || r.Status == 101 {
			return
		}
		if m.Length != 0 {
			r.Body = io.NopCloser(strings.NewReader(""))
		}
		o := ResponseOptions{Protocol: exchange.HTTP11, Head: isHead, KeepAlive: m.KeepAlive}
		first := AppendResponse(nil, &r, o)
		var again exchange.Response
		n, m2, err := ParseResponse(first, &again, method, wide)
		if err != nil || n != len(first) || m2.KeepAlive != m.KeepAlive || again.Status != r.Status || !slices.Equal(list(&again.Head), list(&r.Head)) {
			t.Fatalf("%q was written as %q, which gave %d, %+v, %v", b, first, n, m2, err)
		}
		again.Body = r.Body
		if second := AppendResponse(nil, &again, o); !bytes.Equal(first, second) {
			t.Fatalf("%q was written as %q, then as %q", b, first, second)
		}
	})
}

// FuzzBodyReader holds the reader of chunks equal to a naive one, whatever the sizes of reads, and that it reads no further
// than its window holds.
func FuzzBodyReader(f *testing.F) {
	for _, s := range bodySeeds {
		f.Add([]byte(s), uint8(3), uint8(5), uint8(16))
	}
	f.Fuzz(func(t *testing.T, b []byte, window, size, room uint8) {
		want, length, wantErr := naiveChunks(b)
		split := min(int(window), len(b))
		src := bytes.NewReader(b[split:])
		var r BodyReader
		r.Reset(src, withRoom(string(b[:split]), int(room)), Message{Length: exchange.Unknown})
		got, err := readAll(&r, int(size)+1)
		if (err == nil) != (wantErr == nil) || errors.Is(err, io.ErrUnexpectedEOF) != errors.Is(wantErr, io.ErrUnexpectedEOF) {
			t.Fatalf("got %v, want %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if consumed := len(b) - src.Len() - len(r.Rest()); got != want || consumed != length {
			t.Fatalf("got %q of %d bytes, want %q of %d", got, consumed, want, length)
		}
		if len(r.Rest()) > int(window)+int(room) {
			t.Fatalf("kept %d bytes with room for %d", len(r.Rest()), int(window)+int(room))
		}
	})
}

var errNaive = errors.New("malformed")

// naiveChunks decodes a chunked body that is there as a whole, and returns its content and its length with framing.
func naiveChunks(b []byte) (content string, length int, err error) {
	in := string(b)
	for {
		size, n, err := naiveSize(in)
		if err != nil {
			return "", 0, err
		}
		in = in[n:]
		if size == 0 {
			break
		}
		if int64(len(in)) < size {
			return "", 0, io.ErrUnexpectedEOF
		}
		content += in[:size]
		if in = in[size:]; !strings.HasPrefix(in, "\r\n") {
			return "", 0, cutOr(in, "\r\n")
		}
		in = in[len("\r\n"):]
	}
	n, err := naiveTrailers(in)
	return content, len(b) - len(in) + n, err
}

// cutOr is the error for something that should have begun with want.
func cutOr(in, want string) error {
	if strings.HasPrefix(want, in) {
		return io.ErrUnexpectedEOF
	}
	return errNaive
}

func naiveSize(in string) (size int64, n int, err error) {
	end := strings.IndexByte(in, '\n')
	text := in
	if end >= 0 {
		text = in[:end]
	}
	digits, extension, extended := strings.Cut(strings.TrimSuffix(text, "\r"), ";")
	value, numErr := strconv.ParseUint(digits, 16, 64)
	whole := end >= 0 || strings.HasSuffix(text, "\r")
	switch {
	case strings.ContainsAny(digits, "_+-"), len(digits) > 0 && numErr != nil && value < maxChunk, value >= maxChunk, len(digits) > maxSizeDigits, extended && len(text) > maxChunkLine:
		return 0, 0, errNaive
	case digits == "" && text != "", extended && !naiveExtension(extension, whole):
		return 0, 0, errNaive
	case end < 0:
		return 0, 0, io.ErrUnexpectedEOF
	case !strings.HasSuffix(text, "\r"), digits == "":
		return 0, 0, errNaive
	}
	return int64(value), end + 1, nil
}

var extensions = regexp.MustCompile(strings.NewReplacer("TOKEN", "[!#$%&'*+.^_`|~0-9A-Za-z-]+", "CTL", `\x00-\x08\x0a-\x1f\x7f`).Replace(
	`^(;TOKEN(=(TOKEN|"([^"\\CTL]|\\[^CTL])*"))?)*$`))

// naiveExtension checks what stands behind the first semicolon of a chunk's line, or the part of it that there is.
func naiveExtension(s string, whole bool) bool {
	endings := []string{"", "a", `"`, `a"`}
	if whole {
		endings = endings[:1]
	}
	return slices.ContainsFunc(endings, func(ending string) bool { return extensions.MatchString(";" + s + ending) })
}

func naiveTrailers(in string) (int, error) {
	n := 0
	for {
		end := strings.IndexByte(in[n:], '\n')
		if end < 0 {
			return n, naivePart(in[n:], len(in))
		}
		text := in[n : n+end]
		n += end + 1
		switch {
		case n > maxTrailers || !strings.HasSuffix(text, "\r"):
			return 0, errNaive
		case text == "\r":
			return n, nil
		}
		name, value, ok := strings.Cut(text[:len(text)-1], ":")
		if !ok || !isToken([]byte(name)) || !isText(value) {
			return 0, errNaive
		}
	}
}

// naivePart is the error for a trailer section of that length whose last line is cut off.
func naivePart(line string, length int) error {
	name, value, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":")
	switch {
	case length > maxTrailers, name != "" && !isToken([]byte(name)), ok && (name == "" || !isText(value)), !ok && name != "" && strings.HasSuffix(line, "\r"):
		return errNaive
	}
	return io.ErrUnexpectedEOF
}

func isText(s string) bool { return span([]byte(s), 0, valueByte) == len(s) }

// FuzzSpan holds the fast scans equal to the slow one.
func FuzzSpan(f *testing.F) {
	f.Add([]byte("0123456\x1f89"), uint8(0))
	f.Add([]byte("\t\xff 456789abcdef\x7f"), uint8(2))
	f.Add([]byte("/a/b#c\x80\x23\x22\x24\x7e"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, i uint8) {
		from := min(int(i), len(b))
		if fast, slow := spanValue(b, from), span(b, from, valueByte); fast != slow {
			t.Fatalf("value in %q from %d: %d, want %d", b, from, fast, slow)
		}
		if fast, slow := spanTarget(b, from), span(b, from, targetByte); fast != slow {
			t.Fatalf("target in %q from %d: %d, want %d", b, from, fast, slow)
		}
	})
}
