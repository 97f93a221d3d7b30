package engine

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is the TCP connection beneath a client's connection. The connection's goroutine reads and writes; closed, empty and tell are
// called by others too, one at a time.
type socket struct {
	tcp   tcpConn
	raw   syscall.RawConn
	plain bool // nothing lies between the connection and the socket
	fd    int  // in a turn

	seen error // by look
	look func(fd uintptr)
	gone bool // by ask
	ask  func(fd uintptr)
	low  int // for set
	set  func(fd uintptr)
}

const noDescriptor = -1

// tcpConn is a *net.TCPConn, or what embeds one.
type tcpConn interface {
	syscall.Conn
	SetLinger(seconds int) error
	Close() error
}

// newSocket returns nil if there is no TCP connection beneath c.
func newSocket(c net.Conn) *socket {
	_, plain := c.(*net.TCPConn)
	tcp, ok := c.(tcpConn)
	if over, above := c.(interface{ NetConn() net.Conn }); above { // as a tls.Conn is
		tcp, ok = over.NetConn().(tcpConn)
	}
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{tcp: tcp, raw: raw, plain: plain, fd: noDescriptor}
	s.look = func(fd uintptr) { s.seen = peek(fd) }
	s.ask = func(fd uintptr) { s.gone = hasEnded(fd) }
	s.set = func(fd uintptr) { setLowWater(fd, s.low) }
	return s
}

// takesTurns reports whether read and write reach the client.
func (s *socket) takesTurns() bool { return s != nil && s.plain }

// read reads in a turn, without waiting. It returns false if the client has ended its side or reset the connection.
func (s *socket) read(p []byte) (n int, ok bool) { return receive(uintptr(s.fd), p) }

func receive(fd uintptr, p []byte) (n int, ok bool) {
	for {
		r, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			return 0, true
		case errno != 0:
			return 0, false
		default:
			return int(r), r > 0
		}
	}
}

// write writes in a turn what the kernel takes without waiting. Outside of turns, and on failure, that is nothing.
func (s *socket) write(p []byte) int {
	if s == nil || s.fd == noDescriptor {
		return 0
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0 // It will come again when waiting is allowed.
	}
	return int(n)
}

// reset makes closing the connection look like a failure to the client, whatever lies above.
func (s *socket) reset() {
	if s == nil {
		return
	}
	_ = s.tcp.SetLinger(0) // Without it the client can't tell; there is nothing else to do.
	if !s.plain {
		_ = s.tcp.Close() // before TLS says that all is well
	}
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

// tell sets how many bytes must be there before the poller is told.
func (s *socket) tell(bytes int) {
	s.low = bytes
	_ = s.raw.Control(s.set) // It fails on a closed connection only.
}

// setLowWater sets how many bytes must be there before the poller is told, if not the end. What is there already, it is told of at once. Where
// that fails it is told of each piece.
func setLowWater(fd uintptr, bytes int) {
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes)
}

// hasEnded looks for the client's end or a reset, without waiting. Unlike peek it sees them behind bytes that nobody reads, such as
// the rest of a body that the backend doesn't take.
func hasEnded(fd uintptr) bool {
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
	var now unix.Timespec
	// Told of a call that may wait, the scheduler would rouse the runtime's monitor: see observe.AccessLog.
	n, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno == 0 && n > 0
}

// errEnd is peek's result at the end of the stream.
const errEnd = syscall.EPIPE

// peek looks for a byte without waiting and without taking it.
func peek(fd uintptr) error {
	var b byte
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	switch {
	case errno != 0:
		return errno
	case n == 0:
		return errEnd
	}
	return nil
}
