package upstream

import (
	"net"
	"syscall"
	"unsafe"
)

// peeker looks at the socket of an idle connection. It is used by one goroutine at a time.
type peeker struct {
	raw   syscall.RawConn
	look  func(fd uintptr) // made once, so that looking does not allocate
	quiet bool
}

func (p *peeker) open(nc *net.TCPConn) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return // It is closed already, which the first write will tell.
	}
	p.raw = raw
	p.look = func(fd uintptr) {
		var b byte
		// Neither waits nor allocates, unlike syscall.Recvfrom with its source address.
		_, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
		p.quiet = errno == syscall.EAGAIN
	}
}

// isQuiet reports whether the connection is open and nothing waits to be read. The end of the stream means that the backend
// closed it; any byte would be taken for the answer to the next request.
func (p *peeker) isQuiet() bool {
	if p.raw == nil {
		return false
	}
	p.quiet = false
	return p.raw.Control(p.look) == nil && p.quiet
}
