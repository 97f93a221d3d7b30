package engine

import (
	"net"
	"syscall"
)

// socket looks at a TCP connection beneath net.Conn. The connection's goroutine waits; closed may be called by another one.
type socket struct {
	raw syscall.RawConn

	asked bool
	ready func(fd uintptr) bool
	ended bool
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
		return !first || peek(fd) != syscall.EAGAIN
	}
	s.look = func(fd uintptr) { s.ended = isEnd(peek(fd)) }
	return s
}

// wait returns when there is something to read, so that no buffer is held before.
func (s *socket) wait() error {
	if s == nil {
		return nil
	}
	s.asked = false
	return s.raw.Read(s.ready)
}

// closed reports whether the client has ended its side, or reset the connection. A client that has only ended its side
// counts as gone: none that wants an answer does that. With bytes waiting that nobody reads, the end behind them is not seen.
func (s *socket) closed() bool {
	if s == nil {
		return false
	}
	s.ended = false
	// On a connection that is closed already look doesn't run.
	_ = s.raw.Control(s.look)
	return s.ended
}

// errEnd is peek's result at the end of the stream.
const errEnd = syscall.EPIPE

// peek looks for a byte without waiting and without taking it.
func peek(fd uintptr) syscall.Errno {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	if n == 0 {
		return errEnd
	}
	return 0
}

func isEnd(errno syscall.Errno) bool {
	return errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR
}
