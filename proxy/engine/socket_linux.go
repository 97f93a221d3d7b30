package engine

import (
	"errors"
	"net"
	"syscall"
)

// socket looks at a TCP connection beneath net.Conn. The connection's goroutine waits; closed and empty are called by others,
// one at a time.
type socket struct {
	raw syscall.RawConn

	asked bool
	ready func(fd uintptr) bool
	seen  error // by look
	look  func(fd uintptr)
}

// newSocket returns nil for what is no plain TCP connection: others may hold bytes that the kernel doesn't know of.
func newSocket(c net.Conn) *socket {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw}
	s.ready = func(fd uintptr) bool {
		// The poller tells of changes only, so what may have come before is looked for once. After that a change is enough.
		first := !s.asked
		s.asked = true
		return !first || !errors.Is(peek(fd), syscall.EAGAIN)
	}
	s.look = func(fd uintptr) { s.seen = peek(fd) }
	return s
}

// wait returns when there is something to read, or there was a moment ago, so that no buffer is held before.
func (s *socket) wait() error {
	s.asked = false
	return s.raw.Read(s.ready)
}

// closed reports whether the client has ended its side, or reset the connection. A client that has only ended its side
// counts as gone: none that wants an answer does that. With bytes waiting that nobody reads, the end behind them is not seen.
func (s *socket) closed() bool {
	if s == nil {
		return false
	}
	err := s.peek()
	return err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
}

// empty reports whether nothing is there to be read. Without a socket nobody can tell, and it is believed to be so.
func (s *socket) empty() bool { return s == nil || s.peek() != nil }

func (s *socket) peek() error {
	s.seen = nil
	if err := s.raw.Control(s.look); err != nil {
		return syscall.EAGAIN // The connection is closed by ourselves, and nobody cares any more.
	}
	return s.seen
}

// errEnd is peek's result at the end of the stream.
const errEnd = syscall.EPIPE

// peek looks for a byte without waiting and without taking it.
func peek(fd uintptr) error {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	if n == 0 && err == nil {
		return errEnd
	}
	return err
}
