package listener

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/penstock/penstock/proxy/snapshot"
)

func (s *Set) accept(sock *socket) {
	if sock.accepting {
		return
	}
	sock.accepting = true
	s.accepts.Go(func() { s.acceptLoop(sock) })
}

func (s *Set) acceptLoop(sock *socket) {
	for {
		conn, err := sock.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, most likely. Waiting lets connections end; leaving would end the service.
			s.options.Log.Error("accepting failed", "listener", sock.listener.Name, "error", err)
			time.Sleep(acceptPause)
			continue
		}
		s.counters.accepted.Add(1)
		if !s.census.enter() {
			s.counters.refuse(conn, overConnections)
			continue
		}
		s.conns.Add(1)
		go s.attend(conn, &sock.listener)
	}
}

// acceptPause is how long a listener rests after it failed to accept.
const acceptPause = 50 * time.Millisecond

// attend takes a connection to its end.
func (s *Set) attend(conn *net.TCPConn, l *snapshot.Listener) {
	about := s.admit(conn, l)
	switch {
	case about == nil:
	case l.Protocol == snapshot.HTTPS:
		s.encrypt(conn, about)
	default:
		s.hand(conn, about)
	}
}

// admit takes a connection through what precedes TLS and HTTP. It returns nil if that is the connection's end. What it needs of the
// stack is not there any more when requests are served, as it would be if it were inlined: with it they don't do with 4 KiB.
//
//go:noinline
func (s *Set) admit(conn *net.TCPConn, l *snapshot.Listener) *Connection {
	about := &Connection{Listener: l.Name, Scheme: "http", Peer: peerOf(conn)}
	if !s.introduce(conn, about) {
		s.leave()
		return nil
	}
	return about
}

// encrypt makes the TLS handshake and hands the connection over.
func (s *Set) encrypt(conn *net.TCPConn, about *Connection) {
	secured := s.handshake(conn, about)
	if secured == nil {
		conn.Close()
		s.census.leaveAs(about.Peer.Addr())
		s.leave()
		return
	}
	// The handshake has made the stack of this goroutine large. An idle connection shall not hold it.
	go s.hand(secured, about)
}

// introduce finds out who the client is, and whether it may have one more connection. If not it closes the connection.
func (s *Set) introduce(conn *net.TCPConn, about *Connection) bool {
	if s.isProxy(about.Peer.Addr()) {
		if why := s.readProxyHeader(conn, about); why != admitted {
			s.counters.refuse(conn, why)
			return false
		}
	}
	if !s.census.enterAs(about.Peer.Addr()) {
		s.counters.refuse(conn, overClient)
		return false
	}
	return true
}

// hand has the connection served to its end.
func (s *Set) hand(conn net.Conn, about *Connection) {
	defer s.leave()
	defer s.census.leaveAs(about.Peer.Addr())
	s.options.Serve(conn, about)
}

func (s *Set) leave() {
	s.census.leave()
	s.conns.Done()
}

func peerOf(conn *net.TCPConn) netip.AddrPort {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok { // not so if the peer has reset the connection already
		return unmapped(a.AddrPort())
	}
	return netip.AddrPort{}
}

// unmapped turns an IPv4 address in the form of IPv6, as a socket for both has it, into itself.
func unmapped(p netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()) }
