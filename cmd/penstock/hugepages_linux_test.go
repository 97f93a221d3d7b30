package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestDenseMemoryIsBackedByHugePages(t *testing.T) {
	h := newHugePages()
	if h.size == 0 { // This system has none.
		if h.look(all); len(h.has) > 0 {
			t.Errorf("tried %d times", len(h.has))
		}
		return
	}
	size := int(h.size)
	p := region(t, h, 4)
	touch(p[:3*size+size/2])
	at := func(i int) uintptr { return address(p[i*size:]) }

	h.look(all)
	for i, want := range []bool{true, true, true, false} {
		if h.has[at(i)] != want {
			t.Errorf("huge page %d: %v, want %v", i, h.has[at(i)], want)
		}
	}
	if got := backed(t, p); got < 3*h.size {
		t.Errorf("%d bytes are in huge pages, want three of %d", got, h.size)
	}

	// What was given back in part is no longer one, and is again when it is in use again.
	if err := unix.Madvise(p[size:size+size/2], unix.MADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	if h.look(all); h.has[at(1)] {
		t.Error("a huge page of which half was given back is taken for one")
	}
	touch(p[size : 2*size])
	h.look(all)
	if got := backed(t, p); !h.has[at(1)] || got < 3*h.size {
		t.Errorf("in use again: %v, %d bytes in huge pages", h.has[at(1)], got)
	}

	// No more at a time than some.
	touch(p[3*size:])
	more := region(t, h, 1)
	touch(more)
	if h.look(1); h.has[at(3)] && h.has[address(more)] {
		t.Error("two were made where one may be")
	}
	h.look(all)
	if !h.has[at(3)] || !h.has[address(more)] {
		t.Error("what was left at one look is not made at the next")
	}
}

func TestMemoryOfFilesAndStacksIsLeftAlone(t *testing.T) {
	found, err := anonymous()
	if err != nil {
		t.Fatal(err)
	}
	has := func(at uintptr) bool {
		return slices.ContainsFunc(found, func(m mapping) bool { return m.start <= at && at < m.end })
	}
	if heap := address(make([]byte, 1<<20)); !has(heap) {
		t.Errorf("the heap, at %x, is not among %x", heap, found)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "mapped"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	file, err := unix.Mmap(int(f.Fd()), 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(file)
	if found, err = anonymous(); err != nil || has(address(file)) {
		t.Errorf("a file's memory is among them (%v)", err)
	}
}

// region is memory in a mapping of its own, aligned, of so many huge pages.
func region(t *testing.T, h *hugePages, n int) []byte {
	t.Helper()
	size := int(h.size)
	whole, err := unix.Mmap(-1, 0, (n+2)*size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(whole); err != nil {
			t.Error(err)
		}
	})
	skip := size - int(address(whole))%size
	part := whole[skip : skip+n*size]
	if err := unix.Mprotect(part, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		t.Fatal(err)
	}
	return part
}

func address(p []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p))) }

func touch(p []byte) {
	for i := 0; i < len(p); i += os.Getpagesize() {
		p[i] = 1
	}
}

// backed returns how much of a mapping is in huge pages, in bytes.
func backed(t *testing.T, p []byte) uintptr {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, of, ok := strings.Cut(string(smaps), fmt.Sprintf("\n%x-%x ", address(p), address(p)+uintptr(len(p))))
	if !ok {
		t.Fatalf("no mapping at %x", address(p))
	}
	_, of, _ = strings.Cut(of, "\nAnonHugePages:")
	kib, err := strconv.ParseUint(strings.Fields(of)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return uintptr(kib) << 10
}
