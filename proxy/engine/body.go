package engine

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/http1"
)

// body is the body of a request, as handlers read it. One goroutine reads it at a time, not necessarily the one that serves the
// exchange; Interrupt may be called from any. Errors are an *exchange.Error.
type body struct {
	conn     *conn
	exchange *exchange.Exchange
	reader   http1.BodyReader
	patience time.Duration
	message  http1.Message
	count    int64 // bytes of content
	pace     pace
	whole    bool // pieces are not wanted
	done     atomic.Bool

	interim    sync.Mutex // guards what follows, and that no 100 is written into an answer
	invitation invitation
}

// invitation is what has become of an expected 100 Continue.
type invitation uint8

const (
	needless invitation = iota
	wanted
	sent
	refused
)

var (
	_ io.Reader            = (*body)(nil)
	_ exchange.Interrupter = (*body)(nil)
	_ exchange.FullReader  = (*body)(nil)
)

// errStopped is what waits for the client give after an abort, and reads of a body after an Interrupt.
var errStopped = errors.New("the wait for the client was ended")

// reset begins the body of m, which is x's request, of which window has been read already.
func (b *body) reset(x *exchange.Exchange, window []byte, m http1.Message) {
	b.reader.Reset((*source)(b.conn), window, m)
	b.exchange, b.message, b.count, b.pace = x, m, 0, pace{}
	b.patience = b.conn.engine.options.Timeouts.Body
	b.done.Store(m.Length == 0)
	b.invitation = needless
	if m.Continue && len(window) == 0 {
		b.invitation = wanted
	}
}

// Read reads content. The client that waits for 100 Continue gets it first.
func (b *body) Read(p []byte) (int, error) {
	if b.message.Continue {
		if err := b.invite(); err != nil {
			return 0, err
		}
	}
	n, err := b.reader.Read(p)
	b.count += int64(n)
	if n > 0 {
		b.conn.moved()
	}
	b.done.Store(b.reader.Done())
	if b.isTooLarge() {
		return 0, exchange.ErrBodyTooLarge
	}
	if err == nil || isEnd(err) {
		return n, err
	}
	return n, b.failure(err)
}

// ReadFull reads all of p.
func (b *body) ReadFull(p []byte) (int, error) {
	b.whole = true
	defer func() { b.whole = false }()
	return io.ReadFull(b, p)
}

// isTooLarge reports whether more has come than the route allows, which of a body in chunks only its bytes tell.
func (b *body) isTooLarge() bool {
	most := b.exchange.MaxRequestBody
	return most > 0 && b.count > most
}

func (b *body) failure(err error) error {
	if cause := b.conn.cancelled(); cause != nil {
		return cause
	}
	if isTimeout(err) {
		return errBodyTimeout
	}
	return asError(err, errClientClosed)
}

// invite sends 100 Continue once. It returns an error if the client won't send the body.
func (b *body) invite() error {
	b.interim.Lock()
	defer b.interim.Unlock()
	switch b.invitation {
	case wanted:
		if err := b.conn.send(continued); err != nil {
			b.invitation = refused
			return err
		}
		b.invitation = sent
	case refused:
		return errClientClosed.With(exchange.ErrUninvited)
	}
	return nil
}

var continued = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// uninvite makes sure that no 100 Continue follows, for the answer begins.
func (b *body) uninvite() {
	if !b.message.Continue {
		return
	}
	b.interim.Lock()
	defer b.interim.Unlock()
	if b.invitation == wanted {
		b.invitation = refused
	}
}

// Interrupt makes reads fail, the present one and further ones.
func (b *body) Interrupt() { b.conn.stopBody() }

const (
	// maxWaste is how much of a body that no handler wanted is read so that the connection can be kept, in bytes.
	maxWaste = 64 << 10
	// wasteTime is how long a client may take for the next bytes of it.
	wasteTime = 250 * time.Millisecond
)

// promising reports whether the connection can be kept after the answer. Some of the body may still be unread.
func (b *body) promising() bool {
	return b.done.Load() || !b.conn.stopped.Load() && b.invitation != refused && b.message.Length <= maxWaste
}

// discard reads what is left, within bounds, and reports whether the end was reached. Nobody else may be reading.
func (b *body) discard() bool {
	if b.done.Load() {
		return true
	}
	if !b.promising() {
		return false
	}
	b.patience = wasteTime
	waste := b.conn.engine.options.Buffers.Get(buffer.Small)
	defer waste.Release()
	for left := maxWaste; left > 0; {
		n, err := b.reader.Read(waste.Bytes)
		if err != nil {
			return b.reader.Done()
		}
		left -= n
	}
	return false
}

// source is the connection as the body's reader sees it.
type source conn

// Read reads from the client, who may take the body's patience.
func (s *source) Read(p []byte) (int, error) {
	c := (*conn)(s)
	b, began := &c.body, c.engine.clock.Load()
	deadline := began + int64(b.pace.allowance(b.patience, &c.engine.options.Timeouts))
	receive := c.receive
	// How much of a chunked body is still to come nobody knows. The first piece is mostly all.
	if b.whole && b.message.Length > 0 && b.count > 0 && c.socket.takesTurns() {
		receive = c.gather
	}
	n, err := receive(p, deadline)
	b.pace.waited += time.Duration(c.engine.clock.Load() - began)
	b.pace.bytes += int64(n)
	if n > 0 && isTimeout(err) && b.pace.left(&c.engine.options.Timeouts) > 0 {
		err = nil
	}
	return n, err
}
