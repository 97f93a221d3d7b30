// Package listener owns the sockets that a gateway accepts on: it opens and closes them as listeners come and go, takes each
// connection through what precedes HTTP (bounds, a PROXY header, the TLS handshake), and hands it to the engine. A listener
// that stays is not touched, so a swap closes no connection.
package listener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// Connection is what is known of a connection when HTTP begins on it.
type Connection struct {
	// Listener is the name of the listener that accepted it; Scheme is http or https.
	Listener, Scheme string
	// Peer is the client: the other end of the socket, or whom a trusted PROXY header names.
	Peer netip.AddrPort
	// TLS is what was negotiated; nil without TLS.
	TLS *exchange.TLS
	// Ahead is what the client has sent behind a PROXY header and was read with it; at most 4 KiB.
	Ahead []byte
}

// Serve takes over one connection and returns when it has ended.
type Serve func(conn net.Conn, about *Connection)

// Options are what a Set needs.
type Options struct {
	// Address is where sockets listen; the zero address means every address, IPv4 and IPv6.
	Address netip.Addr
	Bounds  Bounds
	// ProxyProtocolFrom are the peers whose connections begin with a PROXY header, version 1 or 2. One that doesn't is closed.
	// From all others such a header is what it looks like: a malformed request.
	ProxyProtocolFrom []netip.Prefix
	Serve             Serve
	Log               *slog.Logger
}

// Bounds bound what clients may do before HTTP begins. What is beyond them is closed at once.
type Bounds struct {
	// Connections is how many connections may be open in all; 0 means no bound.
	Connections int
	// PerClient is how many of them one client may have open: an IPv4 address, or an IPv6 network of 64 bits, which is what
	// one customer has at least; 0 means no bound.
	PerClient int
	// Opening is how long a client may take until HTTP can begin: for a PROXY header and the TLS handshake together.
	// 0: DefaultOpening.
	Opening time.Duration
}

// DefaultOpening is patient enough for slow mobile networks.
const DefaultOpening = 10 * time.Second

// Set is the sockets of one gateway. It is safe for concurrent use.
type Set struct {
	options  Options
	counters counters
	census   census
	secrets  certificates
	places   chan struct{} // for handshakes that compute; see door
	conns    sync.WaitGroup

	mu      sync.Mutex
	sockets map[string]*socket
	serving bool
	closed  bool
	accepts sync.WaitGroup
}

type socket struct {
	listener snapshot.Listener
	*net.TCPListener
	accepting bool
}

// New makes a set without sockets.
func New(o Options) *Set {
	if o.Bounds.Opening == 0 {
		o.Bounds.Opening = DefaultOpening
	}
	s := &Set{options: o, places: make(chan struct{}, handshakePlaces()), sockets: map[string]*socket{}}
	s.census.init(o.Bounds)
	s.secrets.init(o.Log)
	return s
}

// Secure makes these policies, with the certificates among the secrets, those of handshakes from now on. Connections live on.
func (s *Set) Secure(policies *radix.Tree[snapshot.TLSPolicy], secrets *radix.Tree[snapshot.Secret]) {
	s.secrets.apply(policies, secrets)
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
		if err := s.listen(l); err != nil {
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

// Quiet returns when no connection has come for so long, or with the context's error.
func (s *Set) Quiet(ctx context.Context, still time.Duration) error {
	timer := time.NewTimer(still)
	defer timer.Stop()
	for before := s.counters.accepted.Load(); ; {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		now := s.counters.accepted.Load()
		if now == before {
			return nil
		}
		before = now
		timer.Reset(still)
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

// Wait returns, after Close, when the last connection has ended, be it before HTTP began; or with the context's error.
func (s *Set) Wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		s.conns.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Open is the number of connections that have not ended.
func (s *Set) Open() int64 { return s.census.open.Load() }

// Addr is the address that the listener of that name is bound to; nil if it is not open.
func (s *Set) Addr(name string) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sock := s.sockets[name]; sock != nil {
		return sock.Addr()
	}
	return nil
}

func (s *Set) listen(l *snapshot.Listener) error {
	address := net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.options.Address, l.Port)).String()
	config := net.ListenConfig{Control: boundUnsent}
	config.SetMultipathTCP(false) // what the engine asks of a socket is for TCP
	ln, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	sock := &socket{listener: *l, TCPListener: ln.(*net.TCPListener)}
	s.sockets[l.Name] = sock
	if s.serving {
		s.accept(sock)
	}
	return nil
}

func (s *Set) drop(name string) {
	if err := s.sockets[name].Close(); err != nil {
		s.options.Log.Warn("closing a listener failed", "listener", name, "error", err)
	}
	delete(s.sockets, name)
}
