package listener

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// isProxy reports whether connections from there begin with a PROXY header.
func (s *Set) isProxy(a netip.Addr) bool {
	return slices.ContainsFunc(s.options.ProxyProtocolFrom, func(p netip.Prefix) bool { return p.Contains(a.WithZone("")) })
}

// readProxyHeader reads the header and sets Peer and Ahead by it. A proxy that speaks for itself (the command LOCAL, a health
// check for instance) stays the peer.
func (s *Set) readProxyHeader(conn *net.TCPConn, about *Connection) refusal {
	if conn.SetReadDeadline(time.Now().Add(s.options.Bounds.Opening)) != nil {
		return noProxyHeader // The connection is gone.
	}
	b := headers.Get().(*[headerRoom]byte)
	defer headers.Put(b)
	source, rest, err := readHeader(conn, b[:])
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return slowProxyHeader
	case err != nil:
		s.options.Log.Debug("no PROXY header", "proxy", about.Peer, "error", err)
		return noProxyHeader
	}
	if source.IsValid() {
		about.Peer = source
	}
	about.Ahead = bytes.Clone(rest)
	_ = conn.SetReadDeadline(time.Time{}) // The next read fails if the connection is gone.
	return admitted
}

// headerRoom bounds a header with what is read behind it, in bytes. Headers are within 300 bytes, or within 1.5 KiB with
// the TLS details that some proxies add.
const headerRoom = 4 << 10

var headers = sync.Pool{New: func() any { return new([headerRoom]byte) }}

var (
	errNoHeader      = errors.New("the connection begins with something else")
	errHeaderTooLong = fmt.Errorf("header longer than %d bytes", headerRoom)
)

// readHeader reads a PROXY header into b. It returns whom the header names, if it names a TCP client, and what b has beyond it.
// It is patient with a header that arrives in pieces, which the library that reads its content is not.
func readHeader(conn net.Conn, b []byte) (source netip.AddrPort, rest []byte, err error) {
	have, length := 0, 0
	for length == 0 {
		if have == len(b) {
			return source, nil, errHeaderTooLong
		}
		n, err := conn.Read(b[have:])
		if err != nil {
			return source, nil, err
		}
		have += n
		if length, err = headerLength(b[:have]); err != nil {
			return source, nil, err
		}
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b[:length]), length))
	if err != nil {
		return source, nil, err
	}
	if tcp, _, ok := h.TCPAddrs(); ok && h.Command == proxyproto.PROXY {
		source = unmapped(tcp.AddrPort())
	}
	return source, b[length:have], nil
}

// headerLength returns the length of the header that b begins with, or 0 if that takes more of it to tell or to have it whole.
func headerLength(b []byte) (int, error) {
	switch {
	case beginsLike(b, proxyproto.SIGV2):
		if len(b) < v2Fixed {
			return 0, nil
		}
		length := v2Fixed + int(binary.BigEndian.Uint16(b[v2Fixed-2:]))
		if length > headerRoom {
			return 0, errHeaderTooLong
		}
		if len(b) < length {
			return 0, nil
		}
		return length, nil
	case beginsLike(b, proxyproto.SIGV1):
		end := bytes.IndexByte(b[:min(len(b), v1Longest)], '\n')
		if end < 0 && len(b) >= v1Longest {
			return 0, errHeaderTooLong
		}
		return end + 1, nil
	}
	return 0, errNoHeader
}

// From the specification, https://www.haproxy.org/download/3.4/doc/proxy-protocol.txt.
const (
	v1Longest = 107 // bytes, with the line's end
	v2Fixed   = 16  // bytes: signature, command, family, and the length of what follows
)

// beginsLike reports whether b, as far as it goes, begins with the signature.
func beginsLike(b, signature []byte) bool {
	n := min(len(b), len(signature))
	return bytes.Equal(b[:n], signature[:n])
}
