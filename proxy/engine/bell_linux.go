package engine

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bell tells when the network has been asked: it is a descriptor that the poller watches like any socket, so whoever rings it goes on
// together with what else had come. Its first ring opens it. It is rung by one goroutine at a time.
type bell struct {
	file  atomic.Pointer[os.File]
	raw   syscall.RawConn
	pull  func(fd uintptr) bool // made once
	rung  bool
	errno syscall.Errno
}

// ring rings, and returns once that was heard.
func (b *bell) ring() error {
	if b.raw == nil {
		if err := b.hang(); err != nil {
			return fmt.Errorf("bell: %w", err)
		}
	}
	b.rung, b.errno = false, 0
	if err := b.raw.Read(b.pull); err != nil {
		return fmt.Errorf("bell: %w", err)
	}
	if b.errno != 0 {
		return fmt.Errorf("bell: %w", b.errno)
	}
	return nil
}

func (b *bell) hang() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "bell")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return err
	}
	b.file.Store(file)
	b.raw, b.pull = raw, b.pullOnce
	return nil
}

// pullOnce is the callback. The poller is edge-triggered, and every write is an edge, so nothing need be read.
func (b *bell) pullOnce(fd uintptr) (done bool) {
	if b.rung {
		return true
	}
	b.rung = true
	one := [8]byte{1}
	_, _, b.errno = syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
	return b.errno != 0
}

// close makes rings fail, the present one too. It may be called at any time.
func (b *bell) close() {
	if file := b.file.Load(); file != nil {
		file.Close()
	}
}
