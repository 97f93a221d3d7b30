package listener

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

// handshake secures a connection, or returns nil.
func (s *Set) handshake(conn *net.TCPConn, about *Connection) *tls.Conn {
	d := &door{TCPConn: conn, ahead: about.Ahead, places: s.places, until: time.Now().Add(s.options.Bounds.Opening)}
	about.Ahead = nil
	if conn.SetDeadline(d.until) != nil {
		s.counters.handshakes[closed].Add(1)
		return nil
	}
	secured := tls.Server(d, s.secrets.server)
	err := secured.Handshake()
	d.open()
	if err != nil {
		s.counters.handshakes[d.blame(err)].Add(1)
		s.options.Log.Debug("handshake failed", "listener", about.Listener, "client", about.Peer, "error", err)
		return nil
	}
	_ = conn.SetDeadline(time.Time{}) // The next read fails if the connection is gone.
	state := secured.ConnectionState()
	about.Scheme = "https"
	about.TLS = &exchange.TLS{
		ServerName: strings.ToLower(state.ServerName), Version: state.Version, CipherSuite: state.CipherSuite,
	}
	if state.DidResume {
		s.counters.handshakes[resumed].Add(1)
	} else {
		s.counters.handshakes[full].Add(1)
	}
	return secured
}

// door is the socket beneath TLS. During the handshake only so many connections compute at a time; the others wait, longest
// first. A handshake takes as long as some dozen requests, and the runtime would let a thousand of them pass before
// a request that comes behind them. Whoever waits for the network holds no place, so a slow client holds up nobody.
type door struct {
	*net.TCPConn
	ahead []byte // to be read before what comes from the socket

	places chan struct{} // nil after the handshake
	inside bool          // it holds a place
	until  time.Time     // the end of its patience
	wrong  outcome       // what the hello asked for that can't be had; full if nothing
}

// handshakePlaces leaves one processor, if there are several, to connections that have been established.
func handshakePlaces() int { return max(1, runtime.GOMAXPROCS(0)-1) }

// Read reads, and then takes a place: what was read is what there is to compute about.
func (d *door) Read(p []byte) (int, error) {
	if d.places == nil {
		return d.read(p)
	}
	d.leave()
	n, err := d.read(p)
	if err == nil {
		err = d.enter()
	}
	return n, err
}

func (d *door) read(p []byte) (int, error) {
	if len(d.ahead) > 0 {
		n := copy(p, d.ahead)
		d.ahead = d.ahead[n:]
		return n, nil
	}
	return d.TCPConn.Read(p)
}

// Write writes, without a place: the client may be slow to accept it.
func (d *door) Write(p []byte) (int, error) {
	d.leave()
	return d.TCPConn.Write(p)
}

// enter waits for a place. When there are so many handshakes that patience ends here, nothing is computed that nobody waits for.
func (d *door) enter() error {
	d.places <- struct{}{}
	d.inside = true
	if time.Now().After(d.until) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (d *door) leave() {
	if d.inside {
		d.inside = false
		<-d.places
	}
}

// open ends the handshake.
func (d *door) open() {
	d.leave()
	d.places = nil
}

// blame says why the handshake failed.
func (d *door) blame(err error) outcome {
	var op *net.OpError
	switch {
	case d.wrong != full:
		return d.wrong
	case errors.Is(err, os.ErrDeadlineExceeded):
		return timedOut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return closed
	case errors.As(err, &op) && op.Op == "remote error":
		return alerted
	}
	return malformed
}
