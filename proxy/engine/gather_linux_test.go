package engine

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/penstock/penstock/proxy/exchange"
)

// whole answers with a body that it reads as a whole.
func whole(x *exchange.Exchange) error {
	body := make([]byte, x.Request.ContentLength)
	if _, err := exchange.ReadFull(x.Request.Body, body); err != nil {
		return err
	}
	x.Reply(200)
	x.SetBody(body)
	return nil
}

const post10 = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"

// awaitLow waits until the engine's end of its only connection tells of that many bytes and not of less.
func (f *fixture) awaitLow(bytes int) {
	f.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); f.low() != bytes; <-tick.C {
		if time.Now().After(deadline) {
			f.Fatalf("the connection tells of %d bytes, want %d", f.low(), bytes)
		}
	}
}

func (f *fixture) low() (bytes int) {
	f.engine.each(func(c *conn) {
		err := c.socket.raw.Control(func(fd uintptr) {
			var err error
			if bytes, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT); err != nil {
				f.Error(err)
			}
		})
		if err != nil {
			f.Error(err)
		}
	})
	return bytes
}

func TestAWholeBodyIsWokenForOnce(t *testing.T) {
	f := handle(t, whole)
	c := f.dial()
	for range 2 {
		c.send(post10)
		c.send("0")
		f.awaitLow(9)
		for _, piece := range []string{"1", "23", "456"} {
			c.send(piece)
		}
		if low := f.low(); low != 9 {
			t.Errorf("the connection tells of %d bytes", low)
		}
		c.send("789" + post10 + "abcdefghij")
		c.expect("POST", want{200, "0123456789", false})
		c.expect("POST", want{200, "abcdefghij", false})
		f.awaitLow(1)
	}
}

func TestWhatHasComeOfAWholeBodyByADeadlineCounts(t *testing.T) {
	f := start(t, Options{Handler: exchange.HandlerFunc(whole), Timeouts: Timeouts{Body: time.Second}})
	c := f.dial()
	c.send(post10)
	c.send("0")
	f.awaitLow(9)
	c.send("1234")
	f.awaitLow(5)
	c.send("56789")
	c.expect("POST", want{200, "0123456789", false})
}

func TestAWholeBodyMustNotBeTooSlow(t *testing.T) {
	for name, timeouts := range map[string]Timeouts{
		"it stops":    {Body: short},
		"it trickles": {Body: long, Grace: 2 * short, MinRate: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, Options{Handler: exchange.HandlerFunc(whole), Timeouts: timeouts})
			c := f.dial()
			c.send(strings.Replace(post10, "10", "8192", 1))
			answered := make(chan struct{})
			if name == "it trickles" {
				go func() {
					for tick := time.NewTicker(short / 10); ; {
						select {
						case <-tick.C:
							_, _ = c.Write([]byte("x")) // It fails once the connection has ended.
						case <-answered:
							return
						}
					}
				}()
			} else {
				c.send("x")
			}
			c.expect("POST", want{408, "", true})
			close(answered)
		})
	}
}

func TestAClientThatLeavesCutsAWholeBodyOff(t *testing.T) {
	for name, leave := range map[string]func(*client) error{
		"close":      func(c *client) error { return c.Close() },
		"half-close": func(c *client) error { return c.Conn.(*net.TCPConn).CloseWrite() },
		"reset":      func(c *client) error { return errors.Join(c.Conn.(*net.TCPConn).SetLinger(0), c.Close()) },
		"close with more of the body": func(c *client) error {
			c.send("12")
			return c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 1)
			f := handle(t, func(x *exchange.Exchange) error {
				err := whole(x)
				failed <- err
				return err
			})
			c := f.dial()
			c.send(post10)
			c.send("0")
			f.awaitLow(9)
			if err := leave(c); err != nil {
				t.Fatal(err)
			}
			if err := <-failed; asError(err, errInternal).Status != exchange.StatusClientClosed {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnEngineThatClosesCutsAWholeBodyOff(t *testing.T) {
	f := handle(t, whole)
	c := f.dial()
	c.send(post10)
	c.send("0")
	f.awaitLow(9)
	f.engine.Close()
	c.expect("POST", want{503, "", true})
	f.awaitEmpty()
}

func TestPiecesOfASlowHeadAreNotWokenFor(t *testing.T) {
	f := handle(t, echo)
	c := f.dial()
	for _, pieces := range [][]string{{"GET / HT", "TP/1.1\r\n", "Host: x\r\n", "\r\n"}, {"G", "ET / HTTP/1.1\r\nHost: x\r\n\r\n" + get}} {
		for _, piece := range pieces[:len(pieces)-1] {
			c.send(piece)
			f.awaitLow(muchOfAHead)
		}
		c.send(pieces[len(pieces)-1])
		c.expect("GET", want{200, "GET / ", false})
		f.awaitLow(1)
	}
	c.expect("GET", want{200, "GET / ", false})
	early := f.engine.clock.Load()
	c.send("GET /")
	f.awaitLow(muchOfAHead)
	if waited := f.engine.clock.Load() - early; waited < int64(slowHead-2*sweepEvery) {
		t.Errorf("the head was slow after %v", time.Duration(waited))
	}
	c.send(strings.Repeat("x", muchOfAHead) + " HTTP/1.1\r\nHost: x\r\n\r\n")
	c.expect("GET", want{200, "GET /" + strings.Repeat("x", muchOfAHead) + " ", false})
}

// Who is slow waits at most half as long again.
func TestASlowHeadIsLookedAtSoonEnough(t *testing.T) {
	const by = int64(10 * time.Second)
	var w watch
	looks := 0
	for now := int64(slowHead); now < by-2*int64(sweepEvery); looks++ {
		next := w.nextLook(now, by)
		if late := next - now; late <= 0 || late > now/2 || next > by-2*int64(sweepEvery) {
			t.Fatalf("at %v the next look is at %v", time.Duration(now), time.Duration(next))
		}
		now = next
	}
	if looks > 8 {
		t.Errorf("%d looks", looks)
	}
}

// The sweeper finds a look due, and before it has the lock the client that was idle sends the first bytes of a head.
func TestALookAtAHeadThatHasJustBegun(t *testing.T) {
	const now = int64(time.Hour)
	var w watch
	w.enterIdle(now - int64(lookAfter))
	w.enterHead(now, now, now+int64(10*time.Second))
	w.lookWait(now)
	if look := w.look.Load(); w.muffled || look != now+int64(slowHead) {
		t.Errorf("muffled %t, the next look in %v", w.muffled, time.Duration(look-now))
	}
}

func TestWhatHasComeOfASlowHeadByItsDeadlineCounts(t *testing.T) {
	f := start(t, Options{Handler: exchange.HandlerFunc(echo), Timeouts: Timeouts{Head: slowHead * 3 / 2}})
	c := f.dial()
	c.send("GET / HTTP/1.1\r\n")
	f.awaitLow(muchOfAHead)
	c.send("Host: x\r\n\r\n")
	c.expect("GET", want{200, "GET / ", false})
}

func TestASlowHeadEndsInTime(t *testing.T) {
	f := start(t, Options{Handler: exchange.HandlerFunc(echo), Timeouts: Timeouts{Head: 2 * time.Second}})
	late, gone := f.dial(), f.dial()
	for _, c := range []*client{late, gone} {
		c.send("GET / HTTP/1.1\r\n")
	}
	f.awaitLow(muchOfAHead)
	gone.Close()
	late.expect("GET", want{408, "request.head_timeout", true})
	late.ended()
	late.Close()
	f.awaitEmpty()
}

// A chunked body's end is not known before it comes, and is not waited for beyond it.
func TestAChunkedBodyIsReadAsAWhole(t *testing.T) {
	f := handle(t, func(x *exchange.Exchange) error {
		body := make([]byte, 1<<10)
		n, err := exchange.ReadFull(x.Request.Body, body)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("read %d bytes, %v", n, err)
		}
		x.Reply(200)
		x.SetBody(body[:n])
		return nil
	})
	c := f.dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	for _, piece := range []string{"3\r\nabc\r\n", "2\r\n", "de\r\n0\r\n", "\r\n"} {
		c.send(piece)
	}
	c.expect("POST", want{200, "abcde", false})
}
