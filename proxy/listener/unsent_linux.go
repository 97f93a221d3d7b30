package listener

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxUnsent is how many bytes the kernel takes for a client beyond what is on its way: enough for the time that it takes to refill them.
// Without a bound it is megabytes, as if to fill the path to a fast client, and thousands of clients that read slowly take all of the
// memory that the kernel has for TCP; then it drops what it receives, from everybody.
const maxUnsent = 64 << 10

// boundUnsent sets the bound on a listening socket, from which the accepted ones have it (TCP_NOTSENT_LOWAT).
func boundUnsent(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent)
	})
	return errors.Join(err, failed)
}
