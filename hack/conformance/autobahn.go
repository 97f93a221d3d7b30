package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"
)

// autobahnCases is the pinned number of cases in autobahn-frames.json.gz.
const autobahnCases = 299

// caseTimeout bounds one case on either side.
const caseTimeout = 60 * time.Second

// autobahnCase is what a client sends after the opening handshake.
type autobahnCase struct {
	ID  string       `json:"id"`
	Ops []autobahnOp `json:"ops"`
}

// autobahnOp is a step of the client: send a frame, or wait. What tells it when to leave is not needed: it leaves when
// the server has said its last word.
type autobahnOp struct {
	Op     string  `json:"op"`
	Opcode byte    `json:"opcode"`
	Fin    bool    `json:"fin"`
	RSV    byte    `json:"rsv"`
	Hex    *string `json:"hex"`
	Len    int     `json:"len"`
	Byte   string  `json:"byte"`
	// Chop is the size of the pieces that the frame is sent in, in bytes; 0 for one piece.
	Chop int `json:"chop"`
	MS   int `json:"ms"`
}

// autobahn plays every case with a backend directly and through the gateway. The client must get the same frames, and the backend
// the same bytes, up to the same end.
func autobahn(ctx context.Context, o options, details *os.File) (string, error) {
	cases, err := load[autobahnCase](o, "autobahn-frames.json.gz", autobahnCases)
	if err != nil {
		return "", err
	}
	backend := &echo{}
	results := make([]autobahnResult, len(cases))
	err = beside(ctx, o, "autobahn", backend, func() error {
		sideBySide(len(cases), func(i int) { results[i] = cases[i].play(ctx, backend) })
		return nil
	})
	if err != nil {
		return "", err
	}
	equal := 0
	for i, c := range cases {
		r := results[i]
		verdict := "fail"
		if r.equal() {
			verdict = "ok"
			equal++
		}
		fmt.Fprintf(details, "%-4s %s\n  direct  %v\n  proxied %v\n", verdict, c.ID, r.direct, r.proxied)
	}
	line := fmt.Sprintf("%d of %d cases equal, direct and proxied", equal, len(cases))
	if equal != autobahnCases {
		return line, fmt.Errorf("see %s", details.Name())
	}
	return line, nil
}

type autobahnResult struct{ direct, proxied transcript }

// transcript is what both ends of a connection saw.
type transcript struct {
	frames   []string
	end      error  // of what the client read; io.EOF if the server closed in order
	received string // by the backend
}

// equal reports whether both conversations were the same. Each must have ended in order and with a word of the backend: two sides
// that are equally silent would prove nothing.
func (r autobahnResult) equal() bool {
	orderly := len(r.direct.frames) > 0 && errors.Is(r.direct.end, io.EOF) && errors.Is(r.proxied.end, io.EOF)
	return orderly && slices.Equal(r.direct.frames, r.proxied.frames) && r.direct.received == r.proxied.received
}

func (c autobahnCase) play(ctx context.Context, backend *echo) autobahnResult {
	return autobahnResult{c.playAt(ctx, originAddr, backend), c.playAt(ctx, gatewayAddr, backend)}
}

func (c autobahnCase) playAt(ctx context.Context, addr string, backend *echo) transcript {
	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	key := "case=" + c.ID + "&at=" + addr
	conn, in, err := openWebSocket(ctx, addr, key)
	if err != nil {
		return transcript{end: err}
	}
	defer conn.Close()
	sent := make(chan struct{})
	go func() {
		c.send(conn)
		close(sent)
	}()
	var t transcript
	t.frames, t.end = readFrames(in)
	<-sent
	_ = conn.Close()
	select {
	case t.received = <-backend.record(key):
	case <-ctx.Done():
		t.received = "the backend's connection has not ended"
	}
	return t
}

// openWebSocket makes the opening handshake (RFC 6455 §4.1).
func openWebSocket(ctx context.Context, addr, key string) (net.Conn, *bufio.Reader, error) {
	t, err := dial(ctx, addr)
	if err != nil {
		return nil, nil, err
	}
	_ = t.conn.SetDeadline(time.Now().Add(caseTimeout))
	const nonce = "dGhlIHNhbXBsZSBub25jZQ=="
	fmt.Fprintf(t.conn, "GET /?%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", key, authority, nonce)
	a, err := t.hear(&http.Request{Method: http.MethodGet})
	if err == nil && (a.status != http.StatusSwitchingProtocols || a.header.Get("Sec-WebSocket-Accept") != acceptKey(nonce)) {
		err = fmt.Errorf("the handshake was answered with %d", a.status)
	}
	if err != nil {
		t.close()
	}
	return t.conn, t.in, err
}

// send plays the client's steps, and ends with a close frame in any case. A server that has left is no error: the other side tells.
func (c autobahnCase) send(w io.Writer) {
	for _, op := range c.Ops {
		payload := op.payload()
		var err error
		switch op.Op {
		case "frame":
			err = chop(w, frame{op.Fin, op.RSV, op.Opcode, payload}.encode(true), op.Chop)
		case "close":
			_, err = w.Write(frame{fin: true, opcode: opClose, payload: payload}.encode(true))
		case "delay":
			time.Sleep(time.Duration(op.MS) * time.Millisecond)
		}
		if err != nil {
			return
		}
	}
	_, _ = w.Write(frame{fin: true, opcode: opClose, payload: []byte{0x03, 0xe8}}.encode(true))
}

func (op autobahnOp) payload() []byte {
	if op.Hex == nil {
		b, _ := hex.DecodeString(op.Byte)
		return bytes.Repeat(b, op.Len)
	}
	b, _ := hex.DecodeString(*op.Hex)
	return b
}

func chop(w io.Writer, b []byte, size int) error {
	if size == 0 {
		size = len(b)
	}
	for piece := range slices.Chunk(b, size) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// readFrames reads to the end and describes each frame; long payloads by their hash.
func readFrames(in *bufio.Reader) (frames []string, err error) {
	for {
		f, err := readFrame(in)
		if err != nil {
			return frames, err
		}
		frames = append(frames, describe(f.opcode, f.payload, f.fin && f.rsv == 0))
	}
}

func describe(opcode byte, payload []byte, plain bool) string {
	text := hex.EncodeToString(payload)
	if len(payload) > 40 {
		sum := fnv.New64a()
		_, _ = sum.Write(payload)
		text = fmt.Sprintf("%d bytes, hash %x", len(payload), sum.Sum64())
	}
	if !plain {
		text += " (not one plain frame)"
	}
	return fmt.Sprintf("%x:%s", opcode, text)
}
