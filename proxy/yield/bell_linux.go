package yield

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Bell tells when the network has been asked: it is a descriptor that the poller watches like any socket, so whoever rings it goes on
// together with what else had come. The zero value is a bell;
// its first ring opens the descriptor, which is closed when the bell is, or is no longer referred to. It is rung by one goroutine at a time.
type Bell struct {
	file  atomic.Pointer[os.File]
	raw   syscall.RawConn
	pull  func(fd uintptr) bool // made once
	rung  bool
	errno syscall.Errno
}

// Ring rings, and returns once that was heard.
func (b *Bell) Ring() error {
	if err := b.hung(); err != nil {
		return err
	}
	return b.ring()
}

// RingFor is Ring, and returns os.ErrDeadlineExceeded if that was not heard in time.
func (b *Bell) RingFor(d time.Duration) error {
	if err := b.hung(); err != nil {
		return err
	}
	if err := b.file.Load().SetReadDeadline(time.Now().Add(d)); err != nil {
		return fmt.Errorf("bell: %w", err)
	}
	return b.ring()
}

func (b *Bell) ring() error {
	b.rung, b.errno = false, 0
	if err := b.raw.Read(b.pull); err != nil {
		return fmt.Errorf("bell: %w", err)
	}
	if b.errno != 0 {
		return fmt.Errorf("bell: %w", b.errno)
	}
	return nil
}

// hung makes sure that there is something to ring.
func (b *Bell) hung() error {
	if b.raw != nil {
		return nil
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("bell: %w", err)
	}
	file := os.NewFile(uintptr(fd), "bell")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return fmt.Errorf("bell: %w", err)
	}
	b.file.Store(file)
	b.raw, b.pull = raw, b.pullOnce
	return nil
}

// pullOnce is the callback. The poller is edge-triggered, and every write is an edge, so nothing need be read.
func (b *Bell) pullOnce(fd uintptr) (done bool) {
	if b.rung {
		return true
	}
	b.rung = true
	one := [8]byte{1}
	_, _, b.errno = syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
	return b.errno != 0
}

// Close makes rings fail, the present one too. It may be called at any time.
func (b *Bell) Close() {
	if file := b.file.Load(); file != nil {
		file.Close()
	}
}
