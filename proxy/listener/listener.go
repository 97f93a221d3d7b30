// Package listener owns the sockets that a gateway accepts on: it opens and closes them as listeners come and go,
// and hands each connection to the engine. A listener that stays is not touched, so a swap closes no connection.
package listener

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/penstock/penstock/proxy/snapshot"
)

// Serve takes over one accepted connection and returns when it has ended.
type Serve func(conn net.Conn, listener string)

// Set is the sockets of one gateway. It is safe for concurrent use.
type Set struct {
	address netip.Addr
	serve   Serve
	log     *slog.Logger

	mu      sync.Mutex
	sockets map[string]*socket
	serving bool
	closed  bool
	accepts sync.WaitGroup
}

type socket struct {
	listener snapshot.Listener
	net.Listener
	accepting bool
}

// New makes a set whose sockets listen on address; the zero address means every address, IPv4 and IPv6.
func New(address netip.Addr, serve Serve, log *slog.Logger) *Set {
	return &Set{address: address, serve: serve, log: log, sockets: map[string]*socket{}}
}

// Sync opens what is wanted and not open, and closes what is open and not wanted. Connections that were accepted live on.
// What can't be opened is reported, one error for each, and does not hinder the others.
func (s *Set) Sync(want []*snapshot.Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	keep := map[string]bool{}
	for _, l := range want {
		if sock := s.sockets[l.Name]; sock != nil && sock.listener == *l {
			keep[l.Name] = true
		}
	}
	for name := range s.sockets {
		if !keep[name] {
			s.drop(name)
		}
	}
	var errs []error
	for _, l := range want {
		if keep[l.Name] {
			continue
		}
		if err := s.open(l); err != nil {
			errs = append(errs, fmt.Errorf("listener %s: %w", l.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Start begins to accept. Before it, sockets are bound and connections wait in the kernel's queue: clients that come
// while the first table is being built wait for it, rather than being told that there is no route.
func (s *Set) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving = true
	for _, sock := range s.sockets {
		s.accept(sock)
	}
}

// Close closes every socket and waits until none accepts any more. Accepted connections live on.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	for name := range s.sockets {
		s.drop(name)
	}
	s.mu.Unlock()
	s.accepts.Wait()
}

// Addr is the address that the listener of that name is bound to; nil if it is not open.
func (s *Set) Addr(name string) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sock := s.sockets[name]; sock != nil {
		return sock.Addr()
	}
	return nil
}

func (s *Set) open(l *snapshot.Listener) error {
	host := ""
	if s.address.IsValid() {
		host = s.address.String()
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(l.Port)))
	if err != nil {
		return err
	}
	sock := &socket{listener: *l, Listener: ln}
	s.sockets[l.Name] = sock
	if s.serving {
		s.accept(sock)
	}
	return nil
}

func (s *Set) drop(name string) {
	if err := s.sockets[name].Close(); err != nil {
		s.log.Warn("closing a listener failed", "listener", name, "error", err)
	}
	delete(s.sockets, name)
}

func (s *Set) accept(sock *socket) {
	if sock.accepting {
		return
	}
	sock.accepting = true
	s.accepts.Go(func() { s.acceptLoop(sock) })
}

func (s *Set) acceptLoop(sock *socket) {
	for {
		conn, err := sock.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, most likely. Waiting lets connections end; leaving would end the service.
			s.log.Error("accepting failed", "listener", sock.listener.Name, "error", err)
			time.Sleep(acceptPause)
			continue
		}
		go s.serve(conn, sock.listener.Name)
	}
}

// acceptPause is how long a listener rests after it failed to accept.
const acceptPause = 50 * time.Millisecond
