package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/penstock/penstock/proxy/yield"
)

const (
	// hugePagesEvery is how often it looks for memory that has come into use.
	hugePagesEvery = 10 * time.Second
	// dense is the least share of a huge page, in eighths, that must be in use for the rest to be spent on it.
	dense = 7
)

// hugePages has memory that is in use anyway backed by huge pages. A request touches some thirty pages of the heap, and with hundreds of
// connections each time others: the processor finds few of them in its TLB, and in a virtual machine it searches two page tables for each.
// It takes memory as it finds it, and next to none more. It is used by one goroutine at a time.
type hugePages struct {
	size uintptr // of a huge page, in bytes; 0 if there are none
	// has are the addresses at which there is one, or can't be.
	has      map[uintptr]bool
	resident []byte // by mincore, a byte a page
	turns    yield.Turns
}

// newHugePages asks the system: it may have none, or not want them ("never"), or not make them on demand, as before Linux 6.1.
func newHugePages() *hugePages {
	const settings = "/sys/kernel/mm/transparent_hugepage/"
	h := &hugePages{has: map[uintptr]bool{}}
	enabled, err := os.ReadFile(settings + "enabled")
	if err != nil || bytes.Contains(enabled, []byte("[never]")) || collapse(0, 0) != 0 {
		return h
	}
	size, err := os.ReadFile(settings + "hpage_pmd_size")
	if err != nil {
		return h
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 10, 32)
	if err != nil || n < uint64(os.Getpagesize()) {
		return h
	}
	h.size, h.resident = uintptr(n), make([]byte, n/uint64(os.Getpagesize()))
	return h
}

// run looks now and then, from the moment at which somebody else has looked for the first time, until ctx ends.
func (h *hugePages) run(ctx context.Context, first <-chan struct{}) {
	if h.size == 0 {
		return
	}
	select {
	case <-ctx.Done():
		return
	case <-first:
	}
	t := time.NewTicker(hugePagesEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			h.look(1)
		}
	}
}

// all is what look may make before there is load.
const all = math.MaxInt

// look backs memory that is densely used. Each huge page that it makes takes what copying it takes, with what lies there out of reach, so
// it makes no more than some.
func (h *hugePages) look(most int) {
	if h.size == 0 {
		return
	}
	mappings, err := anonymous()
	if err != nil {
		return // There is nothing that it would have to do.
	}
	had := h.has
	h.has = make(map[uintptr]bool, len(had))
	for _, m := range mappings {
		for at := (m.start + h.size - 1) &^ (h.size - 1); at+h.size <= m.end; at += h.size {
			h.turns.Next()
			switch {
			case !h.isDense(at):
			case had[at]:
				h.has[at] = true
			case most > 0:
				h.has[at] = h.back(at)
				most--
			}
		}
	}
}

// isDense reports whether most of the memory is in use.
func (h *hugePages) isDense(at uintptr) bool {
	_, _, errno := unix.RawSyscall(unix.SYS_MINCORE, at, h.size, uintptr(unsafe.Pointer(unsafe.SliceData(h.resident))))
	if errno != 0 {
		return false
	}
	used := 0
	for _, r := range h.resident {
		used += int(r & 1)
	}
	return used >= len(h.resident)*dense/8
}

// back makes a huge page, and reports whether trying once more is in vain.
func (h *hugePages) back(at uintptr) bool {
	switch collapse(at, h.size) {
	case unix.EAGAIN, unix.EBUSY, unix.ENOMEM: // None is free now, or the memory is busy.
		return false
	}
	return true
}

// collapse asks for memory to be backed by huge pages now.
func collapse(at, size uintptr) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, at, size, unix.MADV_COLLAPSE)
	return errno
}

// mapping is a part of the address space.
type mapping struct{ start, end uintptr }

// anonymous returns the mappings that the runtime's memory may be in: private, written to, and of no file; not the stack that the system
// made, which grows.
func anonymous() (found []mapping, _ error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		// "650628000000-650670000000 rw-p 00000000 00:00 0    [anon: Go: heap]"
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || fields[1] != "rw-p" || fields[4] != "0" || len(fields) > 5 && fields[5] != "[anon:" {
			continue
		}
		var m mapping
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.start, &m.end); err != nil {
			return nil, fmt.Errorf("/proc/self/maps: %q: %w", fields[0], err)
		}
		found = append(found, m)
	}
	return found, nil
}
