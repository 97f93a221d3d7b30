//go:build !linux

package engine

import (
	"net"
	"syscall"
)

// socket is for Linux. Elsewhere a waiting connection holds its buffer, and a client that left is noticed on the next write.
type socket struct {
	raw syscall.RawConn
	fd  int
}

const noDescriptor = -1

func newSocket(net.Conn) *socket { return nil }

func (*socket) takesTurns() bool { return false }

func (*socket) read([]byte) (n int, ok bool) { return 0, false }

func (*socket) write([]byte) int { return 0 }

func (*socket) tell(int) {}

func (*socket) reset() {}

func (*socket) closed() bool { return false }

func (*socket) empty() bool { return true }

func (c *conn) gather(p []byte, deadline int64) (int, error) { return c.receive(p, deadline) }
