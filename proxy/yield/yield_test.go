package yield_test

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/yield"
)

// With one processor, what has arrived is read between two turns of work that never ends by itself.
func TestTheNetworkIsServedBetweenTurns(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	client, fd := connected(t)
	arrived := make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		arrived <- err
	}()
	var turns yield.Turns
	turns.Next()
	work(&turns) // now the reader waits
	if _, err := syscall.Write(fd, []byte{1}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		work(&turns)
		select {
		case err := <-arrived:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
	t.Error("20 turns have passed, and the byte has not been read")
}

// With one processor, all that is ready runs between two turns, and not only what comes up before a moment has passed.
func TestAllThatIsReadyRunsBetweenTurns(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var turns yield.Turns
	turns.Next()
	// Whoever else uses the machine may let a rest end early.
	for range 20 {
		var ran atomic.Int32
		const ready = 40
		for range ready {
			go func() {
				for began := time.Now(); time.Since(began) < 5*time.Microsecond; {
				}
				ran.Add(1)
			}()
		}
		work(&turns)
		if ran.Load() == ready {
			return
		}
	}
	t.Error("in none of 20 rests all that was ready ran")
}

// Work goes on where there is always something ready.
func TestTurnsComeRoundUnderLoad(*testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	var busy sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			for !stop.Load() {
				runtime.Gosched()
			}
		})
	}
	var turns yield.Turns
	turns.Next()
	for range 20 {
		work(&turns)
	}
	stop.Store(true)
	busy.Wait()
}

// work takes a little longer than a turn.
func work(turns *yield.Turns) {
	for began := time.Now(); time.Since(began) < 300*time.Microsecond; {
	}
	turns.Next()
}

// connected returns one end of a connection and the descriptor of the other, to write to without the scheduler.
func connected(t *testing.T) (net.Conn, int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	raw, err := server.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var at int
	if err := raw.Control(func(fd uintptr) { at = int(fd) }); err != nil {
		t.Fatal(err)
	}
	return client, at
}
