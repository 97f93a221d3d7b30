package observe

import (
	"io"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// promptly is most of a batch that one call may write without waiting: some 10 µs, in which nothing else has the processor.
const promptly = 64 << 10

// prompt writes to a file, as far as the kernel promises not to wait, by calls of which the scheduler is not told. A call that may wait
// rouses the runtime's monitor, a thread that then looks every 20 µs, for some milliseconds, whether a processor hangs in it: at half load
// and ten batches a second that took 1.2 % of the CPU, and stood in the way of requests.
type prompt struct {
	w    io.Writer
	file syscall.RawConn
	call func(fd uintptr)
	p    []byte // of a call
	n    int
}

func newPrompt(w io.Writer) io.Writer {
	f, ok := w.(syscall.Conn)
	if !ok {
		return w
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return w // It is closed; who writes will be told.
	}
	p := &prompt{w: w, file: raw}
	p.call = p.write
	return p
}

// Write implements io.Writer. What can't be written at once, and all errors, are left to the file.
func (w *prompt) Write(p []byte) (written int, err error) {
	for written < len(p) {
		w.p, w.n = p[written:min(written+promptly, len(p))], 0
		if w.file.Control(w.call) != nil || w.n == 0 {
			break
		}
		written += w.n
	}
	w.p = nil
	if written == len(p) {
		return written, nil
	}
	n, err := w.w.Write(p[written:])
	return written + n, err
}

// write is one call. Of a partial one the rest is tried again.
func (w *prompt) write(fd uintptr) {
	v := unix.Iovec{Base: unsafe.SliceData(w.p)}
	v.SetLen(len(w.p))
	here := ^uintptr(0) // the file's own position, or its end, in both halves
	n, _, errno := syscall.RawSyscall6(unix.SYS_PWRITEV2, fd, uintptr(unsafe.Pointer(&v)), 1, here, here, unix.RWF_NOWAIT)
	if errno == 0 {
		w.n = int(n)
	}
}
