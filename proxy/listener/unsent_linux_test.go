package listener

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheKernelTakesLittleForAClientThatDoesNotRead(t *testing.T) {
	unsent := make(chan int, 1)
	s := listening(t, plainHTTP, Options{Serve: func(c net.Conn, _ *Connection) {
		defer c.Close()
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Error(err)
		}
		// Until the kernel takes no more, without waiting for the client.
		err = raw.Write(func(fd uintptr) bool {
			chunk := make([]byte, 16<<10)
			for err := error(nil); !errors.Is(err, syscall.EAGAIN); _, err = syscall.Write(int(fd), chunk) {
				if err != nil {
					t.Error(err)
					break
				}
			}
			n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQNSD)
			if err != nil {
				t.Error(err)
			}
			unsent <- n
			return true
		})
		if err != nil {
			t.Error(err)
		}
	}})
	dial(t, s.Addr("http"))
	// What is written in one go may exceed the bound.
	if got := <-unsent; got == 0 || got > 2*maxUnsent {
		t.Errorf("%d bytes were taken and not sent", got)
	}
}
