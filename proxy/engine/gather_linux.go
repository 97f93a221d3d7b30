package engine

import (
	"io"
)

// gather reads what the client sends until p is full. The kernel does not wake it before (SO_RCVLOWAT), so that pieces that come now and then
// cost nothing. When time is up it returns what has come, along with the timeout: a client that stops is found out up to one deadline later.
func (c *conn) gather(p []byte, deadline int64) (n int, err error) {
	c.read.arm(deadline)
	if c.stopped.Load() { // Whoever stops says so and then looks for an armed timer.
		c.read.disarm()
		return 0, errStopped
	}
	g := gathering{into: p}
	err = c.socket.raw.Read(g.await)
	if err != nil {
		_ = c.socket.raw.Control(g.finish) // It fails on a closed connection only.
	}
	c.settleRead(g.have)
	if g.ended && g.have == 0 {
		return 0, io.EOF
	}
	return g.have, err
}

// gathering reads a number of bytes from a socket.
type gathering struct {
	into    []byte
	have    int
	ended   bool // nothing more will come
	lowered bool // the socket does not tell of less than what is missing
}

// await is a callback of RawConn.Read that lasts until all is there.
func (g *gathering) await(fd uintptr) (done bool) {
	g.take(fd)
	if g.ended || g.have == len(g.into) {
		g.finish(fd)
		return true
	}
	setLowWater(fd, len(g.into)-g.have)
	g.lowered = true
	return false
}

// finish takes what is there and has the socket tell of each byte again.
func (g *gathering) finish(fd uintptr) {
	g.take(fd)
	if g.lowered {
		setLowWater(fd, 1)
	}
}

// take takes what is there. The end may have come along with the last bytes, and nothing would tell of it again.
func (g *gathering) take(fd uintptr) {
	for !g.ended && g.have < len(g.into) {
		n, ok := receive(fd, g.into[g.have:])
		if n == 0 && ok {
			return
		}
		g.have += n
		g.ended = !ok
	}
}
