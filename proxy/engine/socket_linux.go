package engine

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket looks at a TCP connection beneath net.Conn. The connection's goroutine waits; closed and empty are called by others,
// one at a time.
type socket struct {
	raw syscall.RawConn

	asked bool
	ready func(fd uintptr) bool
	seen  error // by look
	look  func(fd uintptr)
	gone  bool // by ask
	ask   func(fd uintptr)
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
	s.ask = func(fd uintptr) { s.gone = hasEnded(fd) }
	return s
}

// wait returns when there is something to read, or there was a moment ago, so that no buffer is held before.
func (s *socket) wait() error {
	s.asked = false
	return s.raw.Read(s.ready)
}

// closed reports whether the client has ended its side, or reset the connection. A client that has only ended its side
// counts as gone: none that wants an answer does that. One that we have closed ourselves doesn't: nobody cares any more.
func (s *socket) closed() bool {
	if s == nil {
		return false
	}
	s.gone = false
	return s.raw.Control(s.ask) == nil && s.gone
}

// empty reports whether nothing is there to be read. Without a socket nobody can tell, and it is believed to be so.
func (s *socket) empty() bool {
	if s == nil {
		return true
	}
	s.seen = nil
	return s.raw.Control(s.look) != nil || s.seen != nil
}

// hasEnded looks for the client's end or a reset, without waiting. Unlike peek it sees them behind bytes that nobody reads, such as
// the rest of a body that the backend doesn't take.
func hasEnded(fd uintptr) bool {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(p[:], 0)
	return err == nil && n > 0
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
