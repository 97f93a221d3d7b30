// Package testredis runs real Redis servers for tests, on ports of their own, and lets them fail.
package testredis

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a Redis server of a test. It is used by one goroutine at a time.
type Server struct {
	// Address is where it listens, Dir where its files are.
	Address, Dir string
	args         []string
	cmd          *exec.Cmd
}

// Start starts a server with these arguments besides its port, and ends it with the test.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	port := freePort(tb)
	s := &Server{Address: fmt.Sprint("127.0.0.1:", port), Dir: tb.TempDir()}
	s.args = append([]string{"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", s.Dir, "--save", ""}, args...)
	s.Start(tb)
	tb.Cleanup(func() { s.Kill(tb) })
	return s
}

// StartSentinel starts a sentinel with that configuration file, which it writes to.
func StartSentinel(tb testing.TB, config string) *Server {
	tb.Helper()
	port := freePort(tb)
	s := &Server{Address: fmt.Sprint("127.0.0.1:", port), Dir: tb.TempDir()}
	s.args = []string{config, "--sentinel", "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", s.Dir}
	s.Start(tb)
	tb.Cleanup(func() { s.Kill(tb) })
	return s
}

// freePort is one that nobody uses now, and that is far from those that the system gives out.
func freePort(tb testing.TB) int {
	tb.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port - 20000 // a cluster's node also takes the port 10000 above its own
		_ = l.Close()
		if port < 1024 {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	tb.Fatal("no free port")
	return 0
}

// Start starts a server that was killed, on the same port, and waits until it takes connections.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		tb.Fatal("redis-server is needed: apt-get install redis-server")
	}
	s.cmd = exec.Command(path, s.args...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	said := awaitReady(out)
	if said != "" {
		tb.Fatalf("redis-server ended: %s", said)
	}
}

// awaitReady returns what the server said if it ended instead of getting ready.
func awaitReady(out interface{ Read([]byte) (int, error) }) string {
	ready := make(chan string, 1)
	go func() {
		var all strings.Builder
		told := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if text := lines.Text(); !told {
				all.WriteString(text + "\n")
				if strings.Contains(text, "eady to accept connections") || strings.Contains(text, "Sentinel ID is") {
					ready <- ""
					told = true
				}
			}
		}
		if !told {
			ready <- all.String()
		}
	}()
	return <-ready
}

// Kill ends the server at once.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	if s.cmd == nil {
		return
	}
	s.signal(tb, syscall.SIGKILL)
	_ = s.cmd.Wait() // which reports the signal
	s.cmd = nil
}

// Hang keeps the server from doing anything until Continue.
func (s *Server) Hang(tb testing.TB) { tb.Helper(); s.signal(tb, syscall.SIGSTOP) }

// Continue ends a Hang.
func (s *Server) Continue(tb testing.TB) { tb.Helper(); s.signal(tb, syscall.SIGCONT) }

func (s *Server) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		tb.Errorf("signal to redis-server: %v", err)
	}
}

// File writes a file for the server and returns its path.
func File(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Slow forwards connections to an address and holds each answer back for a time that can be changed.
type Slow struct {
	// Address is where it listens.
	Address string

	mu    sync.Mutex // guards delay
	delay time.Duration
}

// Delay sets how long answers are held back from now on.
func (s *Slow) Delay(d time.Duration) { s.mu.Lock(); s.delay = d; s.mu.Unlock() }

func (s *Slow) now() time.Duration { s.mu.Lock(); defer s.mu.Unlock(); return s.delay }

// StartSlow starts a Slow that ends with the test.
func StartSlow(tb testing.TB, to string) *Slow {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	s := &Slow{Address: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.forward(c, to)
		}
	}()
	return s
}

func (s *Slow) forward(c net.Conn, to string) {
	defer c.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		pipe(server, c, func() time.Duration { return 0 })
		_ = server.Close()
	}()
	pipe(c, server, s.now)
}

func pipe(to, from net.Conn, delay func() time.Duration) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		time.Sleep(delay())
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}
