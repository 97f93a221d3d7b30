package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"
)

// echo is a WebSocket backend that returns messages as RFC 6455 wants, and records what reached it.
type echo struct {
	mu sync.Mutex
	// records are by the request's query: how many bytes came behind the handshake, their hash and how they ended.
	records map[string]chan string
}

// record is where the account of a connection will come.
func (e *echo) record(key string) chan string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.records == nil {
		e.records = map[string]chan string{}
	}
	if e.records[key] == nil {
		e.records[key] = make(chan string, 1)
	}
	return e.records[key]
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	c := raw.(*net.TCPConn)
	defer c.Close()
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		acceptKey(r.Header.Get("Sec-WebSocket-Key")))
	// What the server has read ahead belongs to the tunnel.
	ahead, _ := buf.Peek(buf.Reader.Buffered())
	_ = c.SetDeadline(time.Now().Add(caseTimeout))
	seen := &witness{src: io.MultiReader(bytes.NewReader(ahead), c), sum: fnv.New64a()}
	s := session{in: bufio.NewReaderSize(seen, 64<<10), out: bufio.NewWriterSize(c, 64<<10)}
	s.run()
	// Close in order: say the end, then wait for the client's, so that no reset destroys what is on its way.
	_ = s.out.Flush()
	_ = c.CloseWrite()
	_, err = io.Copy(io.Discard, s.in)
	e.record(r.URL.RawQuery) <- fmt.Sprintf("%d bytes, hash %x, end %v", seen.count, seen.sum.Sum64(), err)
}

// witness counts and hashes what it reads.
type witness struct {
	src   io.Reader
	sum   hash.Hash64
	count int64
}

func (w *witness) Read(p []byte) (int, error) {
	n, err := w.src.Read(p)
	w.count += int64(n)
	_, _ = w.sum.Write(p[:n])
	return n, err
}

// session is an open WebSocket, on the server's side.
type session struct {
	in      *bufio.Reader
	out     *bufio.Writer
	opcode  byte // of the message that is being received; opContinuation for none
	message []byte
}

// run echoes until one side closes.
func (s *session) run() {
	for {
		f, err := readFrame(s.in)
		if err != nil {
			return
		}
		if code := s.take(f); code != 0 {
			s.send(frame{fin: true, opcode: opClose, payload: binary.BigEndian.AppendUint16(nil, code)})
			return
		}
		if f.opcode == opClose {
			s.send(frame{fin: true, opcode: opClose, payload: f.payload})
			return
		}
		if s.in.Buffered() == 0 {
			_ = s.out.Flush()
		}
	}
}

func (s *session) send(f frame) { _, _ = s.out.Write(f.encode(false)) }

// The codes of RFC 6455 §7.4.1 that are used.
const (
	protocolError = 1002
	invalidText   = 1007
)

// take handles a frame and returns the code to close with; 0 to go on.
func (s *session) take(f frame) (code uint16) {
	switch {
	case f.rsv != 0, f.control() && (!f.fin || len(f.payload) > 125):
		return protocolError
	case f.opcode == opClose:
		return checkClose(f.payload)
	case f.opcode == opPing:
		s.send(frame{fin: true, opcode: opPong, payload: f.payload})
		return 0
	case f.opcode == opPong:
		return 0
	case f.opcode > opBinary, (f.opcode == opContinuation) == (s.opcode == opContinuation):
		return protocolError
	}
	if f.opcode != opContinuation {
		s.opcode = f.opcode
	}
	s.message = append(s.message, f.payload...)
	if !f.fin {
		return 0
	}
	if s.opcode == opText && !utf8.Valid(s.message) {
		return invalidText
	}
	s.send(frame{fin: true, opcode: s.opcode, payload: s.message})
	s.opcode, s.message = opContinuation, s.message[:0]
	return 0
}

// checkClose checks the payload of a close frame (RFC 6455 §7.4).
func checkClose(p []byte) (code uint16) {
	if len(p) == 0 {
		return 0
	}
	if len(p) == 1 {
		return protocolError
	}
	switch c := binary.BigEndian.Uint16(p); {
	case c < 1000 || c >= 5000, c >= 1004 && c <= 1006, c > 1014 && c < 3000:
		return protocolError
	case !utf8.Valid(p[2:]):
		return invalidText
	}
	return 0
}
