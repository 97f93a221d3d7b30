package engine

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

// phase is what a connection is at.
type phase uint8

const (
	between    phase = iota // no exchange: new, or reading a head
	idle                    // waiting for a further request
	heading                 // waiting for the rest of a head
	serving                 // the handler has the exchange, nothing has been answered
	answering               // the answer is being written
	tunnelling              // the connection was upgraded
)

// watch is what the sweeper and others than the connection's goroutine may see and do of a connection.
//
// The sweeper comes by often, and most of the connections that it asks have left the processor's caches: all that it asks of one at which
// nothing is due lies in the first 64 bytes.
type watch struct {
	net    net.Conn
	socket *socket // nil where the platform or the kind of connection has none

	// read and write end waits for the client.
	read, write timer
	// moves ends an exchange in which no byte has moved for still.
	moves timer
	// look is when the sweeper next looks at the exchange, in coarse time; 0 if it need not.
	look atomic.Int64

	// still is in ns; 0 for no limit.
	still atomic.Int64
	// stopped is set when nothing must be read, until the phase ends; aborted when nothing must be written, for good.
	stopped, aborted atomic.Bool

	mu       sync.Mutex // guards what follows, and that the socket's deadlines agree with the timers
	phase    phase
	exchange *exchange.Exchange // nil as soon as it may be reset
	begun    int64              // the exchange, or the head in the phase heading
	muffled  bool               // the poller is not told of pieces of a head
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// begin shows the exchange to the sweeper.
func (w *watch) begin(x *exchange.Exchange, now int64) {
	w.mu.Lock()
	w.exchange, w.phase, w.begun = x, serving, now
	w.mu.Unlock()
	w.look.Store(now + int64(lookAfter))
}

// enter moves on to another phase.
func (w *watch) enter(p phase) {
	w.mu.Lock()
	w.phase = p
	w.mu.Unlock()
}

// enterIdle begins the wait for a further request.
func (w *watch) enterIdle(now int64) {
	w.enter(idle)
	w.look.Store(now + int64(lookAfter))
}

// cancelled is why the exchange was cancelled, or nil.
func (w *watch) cancelled() *exchange.Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.exchange == nil {
		return nil
	}
	return w.exchange.Cancelled()
}

// end hides the exchange from the sweeper, so that it can be reset.
func (w *watch) end() {
	w.still.Store(0)
	w.moves.disarm()
	w.mu.Lock()
	w.look.Store(0)
	w.exchange, w.phase = nil, between
	w.stopped.Store(w.aborted.Load())
	w.mu.Unlock()
}

// sweep ends waits that have lasted too long. Clock is the engine's coarse time, wall the time of day.
func (w *watch) sweep(clock int64, wall time.Time) {
	w.expire(&w.read, clock, w.net.SetReadDeadline)
	w.expire(&w.write, clock, w.net.SetWriteDeadline)
	if look := w.look.Load(); (look == 0 || look > clock) && !w.moves.due(clock) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.exchange == nil {
		w.lookWait(clock)
		return
	}
	w.look.Store(0)
	if w.exchange.Cancelled() != nil {
		return
	}
	cause, look := w.verdict(clock, wall)
	w.look.Store(look)
	if cause != nil {
		w.abortLocked(cause)
	}
}

// lookWait looks at a connection that waits for a request.
func (w *watch) lookWait(clock int64) {
	w.look.Store(0)
	switch w.phase {
	case idle:
		// The end of a client that has left may have come along with the request before, and the poller then says nothing of it. Once is enough.
		if w.socket.closed() && w.socket.empty() {
			w.stopped.Store(true)
			w.wake(&w.read, w.net.SetReadDeadline)
		}
	case heading:
		w.lookForPieces(clock)
	}
}

const (
	// slowHead is how long a head may take until nobody is woken for each of its pieces any more: thousands of clients that send a few bytes
	// now and then, all at once, would hold up the others. Pieces are looked for whenever the head has lasted a quarter to a half as long again
	// as by the last look.
	slowHead = time.Second
	// muchOfAHead is what has to come at a time to be heard at once all the same, in bytes.
	muchOfAHead = 4 << 10
)

// lookForPieces has the poller told of what has come, or of nothing until the next look.
func (w *watch) lookForPieces(clock int64) {
	if slow := w.begun + int64(slowHead); clock < slow { // The look was due to the phase before, which ended meanwhile.
		w.look.Store(slow)
		return
	}
	switch {
	case !w.muffled:
		w.muffle()
	case !w.socket.empty():
		w.unmuffle()
	}
	w.look.Store(w.nextLook(clock, w.read.at.Load()))
}

// nextLook is when to look for pieces again of a slow head that must be there by a time: what has come by then shall count. It is at random, for
// thousands that have come together shall not be woken together.
func (w *watch) nextLook(now, by int64) int64 {
	quarter := (now - w.begun) / 4
	look := now + quarter + rand.Int64N(quarter)
	if last := by - 2*int64(sweepEvery); now < last {
		look = min(look, last)
	}
	return look
}

// enterHead begins the wait for the rest of a head that has begun at that time, and must be there by another.
func (w *watch) enterHead(now, begun, by int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase, w.begun = heading, begun
	if lasts := now - begun; lasts < int64(slowHead) {
		w.look.Store(begun + int64(slowHead))
	} else {
		w.muffle()
		w.look.Store(w.nextLook(now, by))
	}
}

// leaveHead ends that wait.
func (w *watch) leaveHead() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase = between
	w.look.Store(0)
	w.unmuffle()
}

func (w *watch) muffle() {
	w.socket.tell(muchOfAHead)
	w.muffled = true
}

func (w *watch) unmuffle() {
	if w.muffled {
		w.socket.tell(1)
		w.muffled = false
	}
}

// expire ends a wait if it is due. The one who waits sees a timeout.
func (w *watch) expire(t *timer, clock int64, setDeadline func(time.Time) error) {
	if !t.due(clock) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.fire(clock) {
		_ = setDeadline(past) // It fails on a closed connection only, on which nobody waits.
	}
}

// verdict says why the exchange must end, or when to look again; 0 for not at all.
func (w *watch) verdict(clock int64, wall time.Time) (cause *exchange.Error, look int64) {
	left, limited := w.exchange.Left(wall)
	switch {
	case w.moves.fire(clock):
		return errIdle, 0
	case w.phase == tunnelling:
		// Its deadline was for the handshake, and both directions are being read.
		return nil, 0
	case limited && left < 0:
		return errTimeout, 0
	case !w.waits() && w.socket.closed():
		return errClientClosed, 0
	}
	// The longer it has lasted, the less often it is looked at: one call into the kernel each.
	look = clock + min((clock-w.begun)/4, int64(maxPeek))
	if limited {
		look = min(look, clock+int64(left))
	}
	return nil, look
}

// waits reports whether somebody waits for the client, and so learns without being told if it leaves. Who waits to write does not see that a
// client has only ended its side; that client still reads.
func (w *watch) waits() bool { return w.read.armed() || w.write.armed() }

// abort cancels the exchange, if there is one, and wakes whoever waits for the client. While the handler has the
// exchange, it may still answer why.
func (w *watch) abort(cause *exchange.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.abortLocked(cause)
}

func (w *watch) abortLocked(cause *exchange.Error) {
	w.stopped.Store(true)
	if w.exchange != nil {
		w.exchange.Cancel(cause)
	}
	w.wake(&w.read, w.net.SetReadDeadline)
	if w.phase != serving {
		w.aborted.Store(true)
		w.wake(&w.write, w.net.SetWriteDeadline)
	}
}

func (w *watch) wake(t *timer, setDeadline func(time.Time) error) {
	if t.fire(force) {
		_ = setDeadline(past) // As in expire.
	}
}

// stopBody makes reads of the request's body fail, the present one and further ones.
func (w *watch) stopBody() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped.Store(true)
	w.wake(&w.read, w.net.SetReadDeadline)
}

// endIdle ends the wait for a further request, unless one has arrived.
func (w *watch) endIdle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == idle && w.socket.empty() {
		w.stopped.Store(true)
		w.wake(&w.read, w.net.SetReadDeadline)
	}
}

// leaveIdle makes good for an endIdle that came too late.
func (w *watch) leaveIdle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase = between
	w.stopped.Store(w.aborted.Load())
}

// reviveRead makes reads possible again after the read timer has fired.
func (w *watch) reviveRead() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.net.SetReadDeadline(time.Time{}) // The next read fails if the connection is closed.
}
