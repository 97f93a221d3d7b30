package engine

// turn is how a plain TCP connection is served: in the callback of one RawConn.Read that lasts over many requests.
//
// The poller tells of changes only. Within one RawConn.Read none is lost, so a read that did not fill its buffer has shown that
// nothing more is there, and the callback waits without asking the kernel again; every other way to read asks twice a request. What
// is served in the callback must not read from the connection, which would wait for itself: a request whose body has not arrived with
// its head, or that may become a tunnel, ends the callback and is served behind it.
type turn struct {
	run     func(fd uintptr) bool // made once
	fate    fate
	waiting bool
	drained bool // nothing more is there until the poller says so
	ahead   bool // a request is to be served behind the callback
}

// takeTurns serves what comes until a request must be served outside of the callback, or the connection is to end.
func (c *conn) takeTurns() fate {
	t := &c.turn
	if t.run == nil {
		t.run = c.inTurn
	}
	t.fate, t.waiting, t.drained, t.ahead = drop, false, false, false
	err := c.socket.raw.Read(t.run)
	c.socket.fd = noDescriptor
	if t.waiting {
		c.read.disarm()
		c.resume()
	}
	switch {
	case t.ahead:
		c.gate.leave(&c.visit) // for it waits for the client
		return c.settle()
	case err != nil:
		return c.overdue(err)
	}
	return t.fate
}

// inTurn is the callback. It returns false to wait for a change.
func (c *conn) inTurn(fd uintptr) (done bool) {
	c.socket.fd = int(fd)
	if t := &c.turn; t.waiting {
		t.waiting, t.drained = false, false
		c.settleRead(1)
		c.resume()
		c.enterGate()
	}
	for {
		if c.parse() {
			if c.serveInTurn() {
				return true
			}
			continue
		}
		if c.turn.drained {
			return !c.waitInTurn()
		}
		if !c.readInTurn() {
			return true
		}
	}
}

// serveInTurn serves a request here, or leaves it to be served behind the callback. It reports whether the callback is to end.
func (c *conn) serveInTurn() (done bool) {
	t, h := &c.turn, &c.head
	arrived := h.message.Length == 0 || h.message.Length > 0 && h.message.Length <= int64(c.have-h.length)
	if !arrived || c.x.Request.Upgrade != "" {
		t.ahead = true
		return true
	}
	t.fate = c.settle()
	return t.fate != again
}

// readInTurn reads what is there. It returns false if the client has left.
func (c *conn) readInTurn() bool {
	c.room()
	room := c.in.Bytes[c.have:]
	n, ok := c.socket.read(room)
	c.have += n
	c.turn.drained = n < len(room)
	if !ok {
		c.turn.fate = c.overdue(errStopped)
	}
	return ok
}

// waitInTurn prepares the wait for a change. It returns false if the connection is to end instead.
func (c *conn) waitInTurn() bool {
	c.rest()
	deadline, ok := c.pause()
	c.turn.waiting = true
	c.read.arm(deadline)
	// Whoever stops the reading says so and then looks for an armed timer.
	if !ok || c.stopped.Load() {
		c.turn.fate = c.overdue(errStopped)
		return false
	}
	return true
}
