package observe_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/penstock/penstock/proxy/observe"
)

// counted counts the writes that may wait.
type counted struct {
	*os.File
	writes int
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes++
	return c.File.Write(p)
}

// numbered are lines of so many bytes in all, or a few more.
func numbered(size int) (lines [][]byte) {
	for n := 0; n < size; {
		l := fmt.Appendf(nil, "%09d\n", len(lines))
		n += len(l)
		lines = append(lines, l)
	}
	return lines
}

// pipe returns what comes out of a pipe, once its end has come.
func pipe(t *testing.T) (in *counted, out func() []byte) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return &counted{File: w}, func() []byte {
		t.Helper()
		all, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
}

func TestWhatAPipeHasRoomForIsWrittenByCallsThatDoNotWait(t *testing.T) {
	w, out := pipe(t)
	l := observe.NewAccessLog(w)
	lines := numbered(32 << 10)
	for _, line := range lines {
		l.Add(line)
	}
	l.Close()
	if w.writes != 0 {
		t.Errorf("%d writes may have waited", w.writes)
	}
	_ = w.Close() // else the reader finds no end, and says so
	if got := out(); !bytes.Equal(got, bytes.Join(lines, nil)) {
		t.Errorf("%d bytes came out, not those of the %d lines", len(got), len(lines))
	}
}

func TestNothingIsLostInAPipeThatIsFull(t *testing.T) {
	w, out := pipe(t)
	l := observe.NewAccessLog(w)
	lines := numbered(512 << 10)
	for _, line := range lines {
		l.Add(line)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		l.Close()
		_ = w.Close() // else the reader finds no end, and says so
	}()
	got := out()
	<-closed
	if !bytes.Equal(got, bytes.Join(lines, nil)) || dropped(t, l) != 0 {
		t.Errorf("%d bytes came out, not those of the %d lines; %v dropped", len(got), len(lines), dropped(t, l))
	}
	if w.writes == 0 {
		t.Error("eight times what a pipe holds was written without waiting")
	}
}

func TestAFileIsAppendedTo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(name, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	l := observe.NewAccessLog(f)
	lines := numbered(200 << 10)
	for _, line := range lines {
		l.Add(line)
	}
	l.Close()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if want := append([]byte("before\n"), bytes.Join(lines, nil)...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes are in the file, want %d: %v", len(got), len(want), err)
	}
}

func TestLinesForAPipeThatIsClosedCountAsDropped(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close() // that is the case
	l := observe.NewAccessLog(w)
	l.Add([]byte("a\n"))
	l.Close()
	if n := dropped(t, l); n != 1 {
		t.Errorf("%v lines count as dropped, want 1", n)
	}
}
