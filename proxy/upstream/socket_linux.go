package upstream

import (
	"io"
	"syscall"
	"unsafe"
)

// socket is what lies beneath a connection. It is used by one goroutine at a time.
//
// The usual round trip, whose request lies ready, is made in the callback of one RawConn.Read: it writes, waits and reads. The
// poller loses no change between the two, so there is no read that only finds that the answer is not there yet.
type socket struct {
	conn  *conn
	raw   syscall.RawConn
	look  func(fd uintptr)      // made once, so that using them does not allocate
	grab  func(fd uintptr)      // likewise
	trade func(fd uintptr) bool // likewise
	quiet bool                  // by look

	in   []byte // where grab and trade read
	read int    // how much was read
	// By trade.
	asked bool
	wrote int
	err   error
}

func (s *socket) open(c *conn) {
	raw, err := c.nc.SyscallConn()
	if err != nil {
		return // It is closed already, which the first write will tell.
	}
	s.conn, s.raw, s.look, s.grab, s.trade = c, raw, s.peek, s.readNow, s.inTurn
}

// isQuiet reports whether the connection is open and nothing waits to be read. The end of the stream means that the backend
// closed it; any byte would be taken for the answer to the next request.
func (s *socket) isQuiet() bool {
	if s.raw == nil {
		return false
	}
	s.quiet = false
	return s.raw.Control(s.look) == nil && s.quiet
}

func (s *socket) peek(fd uintptr) {
	var b byte
	// Neither waits nor allocates, unlike syscall.Recvfrom with its source address.
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	s.quiet = errno == syscall.EAGAIN
}

// readReady reads what is there, without waiting.
func (s *socket) readReady(p []byte) int {
	s.in, s.read = p, 0
	if s.raw == nil || s.raw.Control(s.grab) != nil {
		return 0
	}
	return s.read
}

func (s *socket) readNow(fd uintptr) {
	s.read, _ = rawIO(syscall.SYS_RECVFROM, fd, s.in) // An error comes again.
}

// begin prepares a round trip that sends what the connection has to send and reads the first bytes of the answer.
func (s *socket) begin() {
	s.in, s.asked, s.wrote, s.read, s.err = nil, false, 0, 0, nil
}

// turn makes the round trip, or goes on with it if the read deadline ended it. If the connection has something to send still, of which
// so much was written, nothing was read: the rest is to be written by other means, which can wait or tell what is wrong.
func (s *socket) turn() error {
	if s.raw == nil {
		return nil
	}
	if err := s.raw.Read(s.trade); err != nil {
		return err
	}
	return s.err
}

// inTurn is the callback. It returns false to wait for a change.
func (s *socket) inTurn(fd uintptr) (done bool) {
	if !s.asked {
		s.asked = true
		return !s.ask(fd)
	}
	if len(s.conn.out) > 0 {
		return true
	}
	if s.in == nil {
		s.in = s.conn.room()
	}
	n, errno := rawIO(syscall.SYS_RECVFROM, fd, s.in)
	switch {
	case errno == syscall.EAGAIN:
		return false
	case errno != 0:
		s.err = errno
	case n == 0:
		s.err = io.EOF
	}
	s.read = n
	return true
}

// ask writes, and reports whether that was all.
func (s *socket) ask(fd uintptr) bool {
	n, errno := rawIO(syscall.SYS_SENDTO, fd, s.conn.out)
	if errno != 0 {
		return false
	}
	s.wrote = n
	if n < len(s.conn.out) {
		return false
	}
	s.conn.dismiss()
	return true
}

// rawIO makes a system call that does not wait, and so need not tell the scheduler.
func rawIO(call, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}
