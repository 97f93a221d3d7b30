package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/penstock/penstock/proxy/exchange"
)

// readAll reads a body of which window has been read already, with buffers of that size.
func readAll(r *BodyReader, size int) (string, error) {
	var all []byte
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		all = append(all, p[:n]...)
		if isEnd(err) {
			return string(all), nil
		}
		if err != nil {
			return string(all), err
		}
	}
}

// withRoom returns b with room for that many more bytes.
func withRoom(b string, room int) []byte {
	return append(make([]byte, 0, len(b)+room), b...)
}

func TestBodiesEndWhereTheyShould(t *testing.T) {
	const next = "GET /next"
	for _, tt := range []struct {
		name   string
		length int64
		in     string
		want   string
		rest   string
	}{
		{"nothing", 0, next, "", next},
		{"a length", 5, "hello" + next, "hello", next},
		{"chunks", exchange.Unknown, "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n" + next, "hello!", next},
		{"no chunk but the last", exchange.Unknown, "0\r\n\r\n" + next, "", next},
		{"a size with leading zeros in both cases", exchange.Unknown, "00aA\r\n" + strings.Repeat("x", 170) + "\r\n000\r\n\r\n" + next, strings.Repeat("x", 170), next},
		{"extensions", exchange.Unknown, "1;a;b=c;d=\"e f\"\r\nx\r\n0;g\r\n\r\n" + next, "x", next},
		{"a quoted extension that looks like framing", exchange.Unknown, "1;a=\";\\\"0;b=\\\\\";c\r\nx\r\n0;g=\"\"\r\n\r\n" + next, "x", next},
		{"a size of as many digits as there may be", exchange.Unknown, "0000000000000001\r\nx\r\n0000000000000000\r\n\r\n" + next, "x", next},
		{"trailers", exchange.Unknown, "1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n" + next, "x", next},
		{"content that looks like framing", exchange.Unknown, "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n" + next, "\r\n0\r\n\r\n", next},
		{"until close", UntilClose, "hello", "hello", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for split := range len(tt.in) + 1 {
				for _, size := range []int{1, 2, 3, 7, 1000} {
					for _, room := range []int{0, 1, 5, 100} {
						src := strings.NewReader(tt.in[split:])
						var r BodyReader
						r.Reset(src, withRoom(tt.in[:split], room), Message{Length: tt.length})
						got, err := readAll(&r, size)
						left, _ := io.ReadAll(src)
						if rest := string(r.Rest()) + string(left); got != tt.want || err != nil || rest != tt.rest || !r.Done() {
							t.Fatalf("split %d, buffer %d, room %d: %q, %v, then %q", split, size, room, got, err, rest)
						}
					}
				}
			}
		})
	}
}

func TestBrokenBodies(t *testing.T) {
	const framing = "400 request.framing"
	cut := io.ErrUnexpectedEOF.Error()
	for _, tt := range []struct {
		name, clause string
		length       int64
		in, want     string
	}{
		{"a cut length", "9112 §8", 5, "hell", cut},
		{"a cut chunk", "9112 §8", exchange.Unknown, "5\r\nhell", cut},
		{"no last chunk", "9112 §8", exchange.Unknown, "5\r\nhello\r\n", cut},
		{"no empty line", "9112 §7.1", exchange.Unknown, "0\r\n", cut},
		{"no size", "9112 §7.1", exchange.Unknown, "\r\nhello\r\n0\r\n\r\n", framing},
		{"a size that is no number", "9112 §7.1", exchange.Unknown, "g\r\n", framing},
		{"a hexadecimal prefix", "9112 §7.1", exchange.Unknown, "0x5\r\nhello\r\n0\r\n\r\n", framing},
		{"a negative size", "9112 §7.1", exchange.Unknown, "-5\r\nhello\r\n0\r\n\r\n", framing},
		{"a space before the size", "9112 §7.1", exchange.Unknown, " 5\r\nhello\r\n0\r\n\r\n", framing},
		{"a space behind the size", "9112 §7.1.1", exchange.Unknown, "5 \r\nhello\r\n0\r\n\r\n", framing},
		{"a space before an extension", "9112 §7.1.1", exchange.Unknown, "5 ;a\r\nhello\r\n0\r\n\r\n", framing},
		{"a size that overflows", "9112 §7.1", exchange.Unknown, "10000000000000005\r\nhello", framing},
		{"a bare LF behind the size", "9112 §2.2", exchange.Unknown, "5\nhello\r\n0\r\n\r\n", framing},
		{"a bare CR behind the size", "9112 §2.2", exchange.Unknown, "5\rhello\r\n0\r\n\r\n", framing},
		{"a size of too many digits", "9112 §7.1", exchange.Unknown, "00000000000000005\r\nhello\r\n0\r\n\r\n", framing},
		{"an empty extension", "9112 §7.1.1", exchange.Unknown, "5;\r\nhello\r\n0\r\n\r\n", framing},
		{"an empty extension behind another", "9112 §7.1.1", exchange.Unknown, "5;a;\r\nhello\r\n0\r\n\r\n", framing},
		{"an extension that is no token", "9112 §7.1.1", exchange.Unknown, "5;a[=b\r\nhello\r\n0\r\n\r\n", framing},
		{"an extension without value", "9112 §7.1.1", exchange.Unknown, "5;a=\r\nhello\r\n0\r\n\r\n", framing},
		{"an extension with two values", "9112 §7.1.1", exchange.Unknown, "5;a=b=c\r\nhello\r\n0\r\n\r\n", framing},
		{"white space in an extension", "9112 §7.1.1", exchange.Unknown, "5; a\r\nhello\r\n0\r\n\r\n", framing},
		{"an open quote", "9112 §7.1.1", exchange.Unknown, "5;a=\"b\r\nhello\r\n0\r\n\r\n", framing},
		{"a token behind a quote", "9112 §7.1.1", exchange.Unknown, "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", framing},
		{"an escaped CR", "9112 §7.1.1", exchange.Unknown, "5;a=\"\\\r\n\"\r\nhello\r\n0\r\n\r\n", framing},
		{"a bare LF in an extension", "9112 §7.1.1", exchange.Unknown, "5;a\nhello\r\n0\r\n\r\n", framing},
		{"a control character in an extension", "9112 §7.1.1", exchange.Unknown, "5;\x00\r\nhello\r\n0\r\n\r\n", framing},
		{"a long extension", "9112 §7.1.1", exchange.Unknown, "5;" + strings.Repeat("a", 256) + "\r\nhello\r\n0\r\n\r\n", "431 request.head_too_large"},
		{"content longer than the chunk", "9112 §7.1", exchange.Unknown, "5\r\nhello!\r\n0\r\n\r\n", framing},
		{"a bare LF behind the content", "9112 §2.2", exchange.Unknown, "5\r\nhello\n0\r\n\r\n", framing},
		{"a trailer without name", "9112 §5", exchange.Unknown, "0\r\n: a\r\n\r\n", "400 request.malformed"},
		{"a trailer without colon", "9112 §5", exchange.Unknown, "0\r\nA\r\n\r\n", "400 request.malformed"},
		{"a folded trailer", "9112 §5.2", exchange.Unknown, "0\r\nA: b\r\n c\r\n\r\n", "400 request.malformed"},
		{"a bare LF in a trailer", "9112 §2.2", exchange.Unknown, "0\r\nA: b\nC: d\r\n\r\n", "400 request.malformed"},
		{"a bare LF at the end", "9112 §2.2", exchange.Unknown, "0\r\n\n", "400 request.malformed"},
		{"a long trailer section", "6585 §5", exchange.Unknown, "0\r\nA: " + strings.Repeat("a", 8<<10) + "\r\n\r\n", "431 request.head_too_large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, src := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in)), iotest.DataErrReader(strings.NewReader(tt.in))} {
				var r BodyReader
				r.Reset(src, withRoom("", 10), Message{Length: tt.length})
				if _, err := readAll(&r, 4096); err == nil || code(err) != tt.want {
					t.Errorf("RFC %s: got %v, want %s", tt.clause, err, tt.want)
				}
				if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil || isEnd(err) || r.Done() {
					t.Errorf("the error did not stay: %d, %v", n, err)
				}
			}
		})
	}
}

func TestABrokenAnswerIsTheBackendsFault(t *testing.T) {
	var resp exchange.Response
	_, m, err := ParseResponse([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), &resp, "GET", DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	var r BodyReader
	r.Reset(strings.NewReader("oops"), nil, m)
	if _, err := readAll(&r, 10); code(err) != "502 upstream.malformed" {
		t.Errorf("got %v", err)
	}
}

func TestErrorsOfTheSourceAreHandedOn(t *testing.T) {
	broken := errors.New("broken")
	for _, length := range []int64{5, exchange.Unknown, UntilClose} {
		var r BodyReader
		r.Reset(io.MultiReader(strings.NewReader("5\r\n"), iotest.ErrReader(broken)), nil, Message{Length: length})
		if _, err := readAll(&r, 10); !errors.Is(err, broken) {
			t.Errorf("length %d: got %v", length, err)
		}
	}
}

// recorder records into which memory it is asked to read.
type recorder struct {
	io.Reader
	into [][]byte
}

func (r *recorder) Read(p []byte) (int, error) {
	r.into = append(r.into, p)
	return r.Reader.Read(p)
}

func TestContentIsReadStraightIntoTheCallersBuffer(t *testing.T) {
	content := strings.Repeat("x", 1000)
	for length, in := range map[int64]string{1000: content, exchange.Unknown: fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", 1000, content), UntilClose: content} {
		src := &recorder{Reader: strings.NewReader(in)}
		var r BodyReader
		r.Reset(src, withRoom("", 64), Message{Length: length})
		p := make([]byte, 2000)
		if _, err := r.Read(p); err != nil && !isEnd(err) {
			t.Fatal(err)
		}
		for _, into := range src.into {
			if &into[0] != &p[0] {
				t.Errorf("length %d: read into other memory", length)
			}
		}
	}
}

func TestTheReaderReadsAheadNoMoreThanItsWindow(t *testing.T) {
	for _, room := range []int{0, 1, 10, 4096} {
		src := strings.NewReader("5\r\nhello\r\n0\r\n\r\n" + strings.Repeat("n", 5000))
		var r BodyReader
		r.Reset(src, withRoom("", room), Message{Length: exchange.Unknown})
		if _, err := readAll(&r, 8000); err != nil {
			t.Fatal(err)
		}
		if ahead := 5000 - src.Len(); ahead > room || ahead != len(r.Rest()) {
			t.Errorf("with room for %d it read %d ahead and kept %d", room, ahead, len(r.Rest()))
		}
	}
}

func TestBufferedTellsWhatNeedsNoWaiting(t *testing.T) {
	var r BodyReader
	r.Reset(strings.NewReader("lo"), []byte("hel"), Message{Length: 5})
	if n := r.Buffered(); n != 3 {
		t.Errorf("before: %d", n)
	}
	if _, err := readAll(&r, 100); err != nil || r.Buffered() != 0 {
		t.Errorf("after: %d, %v", r.Buffered(), err)
	}
	r.Reset(nil, []byte("next"), Message{})
	if n := r.Buffered(); n != 0 {
		t.Errorf("of an empty body: %d", n)
	}
}

func TestFrameChunk(t *testing.T) {
	for _, tt := range []struct {
		content string
		last    bool
		want    string
	}{
		{"hello", false, "5\r\nhello\r\n"},
		{"hello", true, "5\r\nhello\r\n0\r\n\r\n"},
		{"", true, "0\r\n\r\n"},
		{"", false, ""},
		{strings.Repeat("x", 70000), true, "11170\r\n" + strings.Repeat("x", 70000) + "\r\n0\r\n\r\n"},
	} {
		b := make([]byte, ChunkHead+len(tt.content)+ChunkTail)
		copy(b[ChunkHead:], tt.content)
		if got := FrameChunk(b, ChunkHead, ChunkHead+len(tt.content), tt.last); string(got) != tt.want {
			t.Errorf("%.10q, last %v: got %.30q", tt.content, tt.last, got)
		}
	}
}

func TestChunkTailIsRoomEnough(t *testing.T) {
	b := bytes.Repeat([]byte{'x'}, ChunkHead+1+ChunkTail)
	if got := FrameChunk(b, ChunkHead, ChunkHead+1, true); len(got) != len("1\r\nx")+ChunkTail {
		t.Errorf("got %q", got)
	}
}

// prompt is a source that can tell what is there.
type prompt struct {
	io.Reader
	there string
	asked int
}

func (p *prompt) ReadReady(b []byte) int {
	p.asked++
	n := copy(b, p.there)
	p.there = p.there[n:]
	return n
}

func TestWhatIsThereComesAlongWithWhatIsAhead(t *testing.T) {
	src := &prompt{Reader: strings.NewReader("gh"), there: "cdef"}
	var r BodyReader
	r.Reset(src, []byte("ab"), Message{Length: 8})
	p := make([]byte, 100)
	if n, err := r.Read(p); string(p[:n]) != "abcdef" || err != nil {
		t.Errorf("read %q, %v", p[:n], err)
	}
	if n, err := r.Read(p); string(p[:n]) != "gh" || !isEnd(err) {
		t.Errorf("read %q, %v", p[:n], err)
	}
	if src.asked != 1 {
		t.Errorf("the source was asked %d times what is there", src.asked)
	}
}

func TestNothingIsReadBeyondABodyThatIsAhead(t *testing.T) {
	src := &prompt{there: "the next message"}
	var r BodyReader
	r.Reset(src, []byte("abc"), Message{Length: 3})
	p := make([]byte, 100)
	if n, err := r.Read(p); string(p[:n]) != "abc" || !isEnd(err) || src.asked != 0 {
		t.Errorf("read %q, %v, and asked %d times", p[:n], err, src.asked)
	}
}
