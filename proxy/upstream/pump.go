package upstream

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

// lastWrite bounds the wait for the last write of a request that has been answered already.
const lastWrite = time.Second

// pump sends a request's body from a goroutine of its own, since a backend may answer before it has seen all of it.
type pump struct {
	running bool
	done    sync.WaitGroup
	ending  atomic.Bool // the last write has begun
	ended   atomic.Bool // the last write is done

	// err is why the client's side failed. Written before the connection is interrupted.
	err *exchange.Error
}

// errShort is a body that is shorter than the request said.
var errShort = errClient.With(io.ErrUnexpectedEOF)

func (c *conn) startPump() {
	// What is written from here on waits as long as the answer is awaited; the reader decides about both.
	if !c.write.at.IsZero() {
		c.ring(&c.write, time.Time{})
	}
	p := &c.pump
	p.running, p.err = true, nil
	p.ending.Store(false)
	p.ended.Store(false)
	p.done.Add(1)
	go c.pumpBody(c.x.Request.Body, c.x.Request.ContentLength)
}

// pumped reports whether the request has been sent whole.
func (c *conn) pumped() bool { return !c.pump.running || c.pump.ended.Load() }

func (c *conn) pumpBody(body io.Reader, length int64) {
	defer c.pump.done.Done()
	buf := c.upstreams.buffers.Get(buffer.Small)
	defer func() { buf.Release() }()
	for left := length; !c.interrupted.Load(); {
		room := buf.Bytes[http1.ChunkHead : len(buf.Bytes)-http1.ChunkTail]
		n, last, err := readPart(body, room, left)
		if err != nil {
			c.abandon(err)
			return
		}
		out := room[:n]
		if length == exchange.Unknown {
			out = http1.FrameChunk(buf.Bytes, http1.ChunkHead, http1.ChunkHead+n, last)
		} else {
			left -= int64(n)
		}
		c.pump.ending.Store(last)
		if _, err := c.nc.Write(out); err != nil {
			return // The reader learns more: there may be an answer.
		}
		c.patience.moved(c.upstreams.now)
		if last {
			c.pump.ended.Store(true)
			return
		}
		if n == len(room) {
			buf = c.upstreams.buffers.Grow(buf, 0)
		}
	}
}

// abandon ends the exchange because its request's body failed, unless the client just was not asked for it: then the answer
// has begun, and is as good without the body.
func (c *conn) abandon(err *exchange.Error) {
	if !errors.Is(err, exchange.ErrUninvited) {
		c.pump.err = err
		c.Interrupt()
	}
}

// readPart reads the next part of a body of which left bytes are still to come, or an unknown number, and
// reports whether it is the last.
func readPart(body io.Reader, p []byte, left int64) (n int, last bool, _ *exchange.Error) {
	if left >= 0 {
		p = p[:min(int64(len(p)), left)]
	}
	n, err := body.Read(p)
	switch {
	case left >= 0 && int64(n) == left:
		return n, true, nil
	case err == nil:
		return n, false, nil
	case err != io.EOF: // one that wraps io.EOF is not a clean end
		return n, false, failure(err, errClient)
	case left >= 0:
		return n, false, errShort
	}
	return n, true, nil
}

// stopPump waits for the pump and reports whether it sent the body whole. If the answer is there and the pump is at its last write,
// it may end that; otherwise it is interrupted, and so is the request's body if it can be: whoever provides a body that waits for
// a client makes it an exchange.Interrupter.
func (c *conn) stopPump(answered bool) (sent bool) {
	p := &c.pump
	if !p.running {
		return true
	}
	switch {
	case p.ended.Load():
	case answered && p.ending.Load():
		c.ring(&c.write, c.upstreams.now().Add(lastWrite))
	default:
		c.Interrupt()
		if b, ok := c.x.Request.Body.(exchange.Interrupter); ok {
			b.Interrupt()
		}
	}
	p.done.Wait()
	p.running = false
	return p.ended.Load()
}
