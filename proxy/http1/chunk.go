package http1

import (
	"strconv"

	"github.com/penstock/penstock/proxy/exchange"
)

// chunkState is where in the chunked coding (RFC 9112 §7.1) the next byte belongs.
type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkSizeMore
	extensionName
	extensionNameMore
	extensionValue
	extensionToken
	extensionQuoted
	extensionEscaped
	extensionEnd
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerLine
	trailerName
	trailerValue
	trailerLF
	lastLF
	chunksDone
)

// shortest is the fewest bytes that can follow in each state; chunkData adds what is left of the chunk.
var shortest = [...]int64{
	chunkSize:         int64(len("0\r\n\r\n")),
	chunkSizeMore:     int64(len("\r\n\r\n")),
	extensionName:     int64(len("a\r\n\r\n")),
	extensionNameMore: int64(len("\r\n\r\n")),
	extensionValue:    int64(len("a\r\n\r\n")),
	extensionToken:    int64(len("\r\n\r\n")),
	extensionQuoted:   int64(len("\"\r\n\r\n")),
	extensionEscaped:  int64(len("a\"\r\n\r\n")),
	extensionEnd:      int64(len("\r\n\r\n")),
	chunkSizeLF:       int64(len("\n\r\n")),
	chunkData:         int64(len("\r\n0\r\n\r\n")),
	chunkDataCR:       int64(len("\r\n0\r\n\r\n")),
	chunkDataLF:       int64(len("\n0\r\n\r\n")),
	trailerLine:       int64(len("\r\n")),
	trailerName:       int64(len(":\r\n\r\n")),
	trailerValue:      int64(len("\r\n\r\n")),
	trailerLF:         int64(len("\n\r\n")),
	lastLF:            int64(len("\n")),
	chunksDone:        0,
}

const (
	// maxChunkLine bounds a chunk's size with its extensions, which are ignored, in bytes.
	maxChunkLine = 256
	// maxSizeDigits bounds a chunk's size with its leading zeros, which parsers with a counter of digits read differently.
	maxSizeDigits = 16
	// maxTrailers bounds the trailer section, which is discarded (RFC 9110 §6.5.1), in bytes.
	maxTrailers = 8 << 10
	// maxChunk bounds one chunk, in bytes, so that sums don't overflow.
	maxChunk = 1 << 56
)

// chunkDecoder takes the chunked coding off a body. Its zero value is at the beginning.
type chunkDecoder struct {
	state chunkState
	left  int64 // bytes of the chunk that are still to come
	line  int   // bytes of the chunk's line, or of the trailer section
}

// decode moves content from src to dst, which may begin at the same byte. It stops when src is used up, dst is
// full or the body has ended, and returns the bytes written and read.
func (c *chunkDecoder) decode(dst, src []byte) (written, read int, f fault) {
	for read < len(src) && c.state != chunksDone {
		if c.state == chunkData {
			n := copy(dst[written:], src[read:][:min(int64(len(src)-read), c.left)])
			if n == 0 {
				return written, read, none
			}
			c.take(n)
			written, read = written+n, read+n
			continue
		}
		if f := c.step(src[read]); f != none {
			return written, read, f
		}
		read++
	}
	return written, read, none
}

// take counts n bytes of the chunk's data.
func (c *chunkDecoder) take(n int) {
	if c.left -= int64(n); c.left == 0 {
		c.state = chunkDataCR
	}
}

// need is the fewest bytes that are still to come.
func (c *chunkDecoder) need() int64 { return shortest[c.state] + c.left }

// step takes one byte of framing.
func (c *chunkDecoder) step(b byte) fault {
	switch c.state {
	case chunkSize, chunkSizeMore:
		c.line++
		return c.stepSize(b)
	case extensionName, extensionNameMore, extensionValue, extensionToken, extensionQuoted, extensionEscaped, extensionEnd:
		if c.line++; c.line > maxChunkLine {
			return overheadTooLarge
		}
		return c.stepExtension(b)
	case chunkSizeLF:
		c.line = 0
		if c.left == 0 {
			return c.expect(b, '\n', trailerLine, badChunk)
		}
		return c.expect(b, '\n', chunkData, badChunk)
	case chunkDataCR:
		return c.expect(b, '\r', chunkDataLF, badChunk)
	case chunkDataLF:
		return c.expect(b, '\n', chunkSize, badChunk)
	default:
		if c.line++; c.line > maxTrailers {
			return overheadTooLarge
		}
		return c.stepTrailer(b)
	}
}

func (c *chunkDecoder) expect(b, want byte, next chunkState, otherwise fault) fault {
	if b != want {
		return otherwise
	}
	c.state = next
	return none
}

// stepSize reads a size. White space behind it, which some accept, is refused.
func (c *chunkDecoder) stepSize(b byte) fault {
	if digit := hexDigits[b]; digit < 16 {
		if c.left >= maxChunk>>4 || c.line > maxSizeDigits {
			return chunkTooLarge
		}
		c.left = c.left<<4 | int64(digit)
		c.state = chunkSizeMore
		return none
	}
	switch {
	case c.state == chunkSize: // not one digit
		return badChunk
	case b == ';':
		c.state = extensionName
		return none
	}
	return c.expect(b, '\r', chunkSizeLF, badChunk)
}

func (c *chunkDecoder) stepTrailer(b byte) fault {
	class := classes[b]
	switch {
	case c.state == trailerLF:
		return c.expect(b, '\n', trailerLine, badTrailer)
	case c.state == lastLF:
		return c.expect(b, '\n', chunksDone, badTrailer)
	case c.state == trailerValue && class&valueByte != 0:
		return none
	case c.state == trailerValue:
		return c.expect(b, '\r', trailerLF, badTrailer)
	case class&tokenByte != 0:
		c.state = trailerName
		return none
	case c.state == trailerName:
		return c.expect(b, ':', trailerValue, badTrailer)
	}
	return c.expect(b, '\r', lastLF, badTrailer)
}

// hexDigits are the values of hexadecimal digits; 16 marks other bytes.
var hexDigits = func() (t [256]uint8) {
	for i := range t {
		t[i] = 16
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = uint8(i)
		if c >= 'a' {
			t[c-0x20] = uint8(i)
		}
	}
	return t
}()

// Room that FrameChunk needs around the content, in bytes.
const (
	ChunkHead = len("ffffffff\r\n")
	ChunkTail = len("\r\n0\r\n\r\n")
)

// FrameChunk frames b[from:to] as one chunk where it lies, so that content read into the middle of a buffer goes out in one write.
// Before from there must be ChunkHead bytes, behind to ChunkTail. With last the chunk that ends the body is added;
// empty content gives that chunk alone, or nothing. Content is at most 4 GiB.
func FrameChunk(b []byte, from, to int, last bool) []byte {
	start := from
	if to > from {
		var digits [16]byte
		size := strconv.AppendUint(digits[:0], uint64(to-from), 16)
		start -= len(size) + len(crlf)
		copy(b[start:], size)
		copy(b[from-len(crlf):], crlf)
		to += copy(b[to:], crlf)
	}
	if last {
		to += copy(b[to:], "0\r\n\r\n")
	}
	return b[start:to]
}

// fault as an error of the side that sent the message.
func (m Message) fault(f fault) *exchange.Error {
	if m.response {
		return responseErrors[f]
	}
	return requestErrors[f]
}
