package upstream

import (
	"sync"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

// tunnel is a connection after 101. It ends by either side's will, by the exchange's cancellation or by its idle time; its
// deadline was for the handshake. One goroutine may read while another writes.
type tunnel struct {
	conn  *conn
	ahead []byte // read behind the head
	close sync.Once
}

var _ exchange.Tunnel = (*tunnel)(nil)

func newTunnel(c *conn, ahead []byte) *tunnel {
	c.patience.until = time.Time{}
	// Who writes waits as long as who reads has patience.
	if !c.write.at.IsZero() {
		c.ring(&c.write, time.Time{})
	}
	return &tunnel{conn: c, ahead: ahead}
}

func (t *tunnel) Read(p []byte) (int, error) {
	if len(t.ahead) > 0 {
		n := copy(p, t.ahead)
		t.ahead = t.ahead[n:]
		return n, nil
	}
	return t.conn.Read(p)
}

func (t *tunnel) Write(p []byte) (int, error) {
	n, err := t.conn.nc.Write(p)
	if n > 0 {
		t.conn.patience.moved(t.conn.upstreams.now)
	}
	return n, err
}

func (t *tunnel) CloseWrite() error { return t.conn.nc.CloseWrite() }

// Close makes a pending Read or Write return.
func (t *tunnel) Close() error {
	t.close.Do(func() {
		t.conn.x.ClearInterrupt()
		t.conn.endpoint.End()
		t.conn.nc.Close()
	})
	return nil
}
