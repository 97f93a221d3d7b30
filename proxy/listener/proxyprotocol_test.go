package listener

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/penstock/penstock/proxy/snapshot"
)

var plainHTTP = &snapshot.Listener{Name: "http", Protocol: snapshot.HTTP}

// v2 makes a header of version 2 from its command and family, addresses and ports, and whatever follows them.
func v2(command, family byte, content ...byte) string {
	b := append(bytes.Clone(proxyproto.SIGV2), command, family)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(content))), content...))
}

const (
	local, proxied = 0x20, 0x21
	unspec, tcp4   = 0x00, 0x11
	tcp6, udp4     = 0x21, 0x12
)

var (
	ipv4Block = []byte{192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0, 80}
	ipv6Block = append(append(netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("2001:db8::1").AsSlice()...), 0x30, 0x39, 0, 80)
	mapped    = append(append(netip.MustParseAddr("::ffff:192.0.2.7").AsSlice(), netip.MustParseAddr("::ffff:192.0.2.1").AsSlice()...), 0x30, 0x39, 0, 80)
)

// headerCases are what connections may begin with, and the client that the rest is said to come from; empty if they are closed.
var headerCases = []struct{ name, header, client string }{
	{"version 1, IPv4", "PROXY TCP4 192.0.2.7 198.51.100.1 12345 80\r\n", "192.0.2.7"},
	{"version 1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 12345 80\r\n", "2001:db8::7"},
	{"version 1, unknown", "PROXY UNKNOWN\r\n", "127.0.0.1"},
	{"version 1, unknown with something", "PROXY UNKNOWN ffff:f...f:ffff 65535\r\n", "127.0.0.1"},
	{"version 2, IPv4", v2(proxied, tcp4, ipv4Block...), "192.0.2.7"},
	{"version 2, IPv6", v2(proxied, tcp6, ipv6Block...), "2001:db8::7"},
	{"version 2, IPv4 in IPv6", v2(proxied, tcp6, mapped...), "192.0.2.7"},
	{"version 2, with more about the client", v2(proxied, tcp4, append(bytes.Clone(ipv4Block), 4, 0, 2, 'x', 'y')...), "192.0.2.7"},
	{"version 2, local", v2(local, unspec), "127.0.0.1"},
	{"version 2, local with addresses", v2(local, tcp4, ipv4Block...), "127.0.0.1"},
	{"version 2, no TCP", v2(proxied, udp4, ipv4Block...), "127.0.0.1"},
	{"none", "GET / HTTP/1.1\r\n", ""},
	{"none, of the same first letter", "POST / HTTP/1.1\r\n", ""},
	{"version 1, too long", "PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n", ""},
	{"version 1, without return", "PROXY TCP4 192.0.2.7 198.51.100.1 12345 80\n", ""},
	{"version 1, an address of the other kind", "PROXY TCP4 2001:db8::7 2001:db8::1 12345 80\r\n", ""},
	{"version 1, a port that is none", "PROXY TCP4 192.0.2.7 198.51.100.1 123456 80\r\n", ""},
	{"version 2, of a later version", v2(0x31, tcp4, ipv4Block...), ""},
	{"version 2, addresses cut short", v2(proxied, tcp4, ipv4Block[:11]...), ""},
	{"version 2, too long", v2(proxied, tcp4, make([]byte, 5000)...), ""},
	{"the last byte of the signature wrong", strings.Replace(v2(local, unspec), "QUIT\n", "QUIT\r", 1), ""},
}

var fromLoopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// closes reports whether the other side ends the connection without a word.
func closes(c net.Conn) bool {
	n, err := io.Copy(io.Discard, c)
	return n == 0 && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestProxyHeadersAreReadFromProxies(t *testing.T) {
	for _, tt := range headerCases {
		t.Run(tt.name, func(t *testing.T) {
			s := listening(t, plainHTTP, Options{Serve: repeat, ProxyProtocolFrom: fromLoopback})
			for _, pieces := range [][]string{
				{tt.header + "hello\n"},
				{tt.header, "hello\n"},
				{tt.header[:1], tt.header[1:9], tt.header[9:] + "hel", "lo\n"},
			} {
				c := dial(t, s.Addr("http"))
				for _, p := range pieces {
					if _, err := io.WriteString(c, p); err != nil && tt.client != "" {
						t.Fatal(err)
					}
				}
				if tt.client == "" {
					if !closes(c) {
						t.Error("the connection was not closed")
					}
				} else if err := c.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				} else if got := read(t, c); got != "http cleartext "+tt.client+" hello\n" {
					t.Errorf("got %q, want it from %s", got, tt.client)
				}
			}
			s.wait(t)
			refused := metric(t, s, "gateway_connections_refused_total", "proxy_header")
			if want := map[bool]float64{true: 3}[tt.client == ""]; refused != want {
				t.Errorf("%v counted as refused, want %v", refused, want)
			}
		})
	}
}

func TestProxyHeadersOfOthersAreNotBelieved(t *testing.T) {
	s := listening(t, plainHTTP, Options{Serve: repeat, ProxyProtocolFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	c := dial(t, s.Addr("http"))
	if got := exchanged(t, c, "PROXY TCP4 192.0.2.7 198.51.100.1 12345 80\r"); got != "http cleartext 127.0.0.1 PROXY TCP4 192.0.2.7 198.51.100.1 12345 80" {
		t.Errorf("got %q", got)
	}
	c.Close()
}

func TestProxyHeadersPrecedeTLS(t *testing.T) {
	s := listening(t, https, Options{Serve: repeat, ProxyProtocolFrom: fromLoopback})
	s.secure([]string{"a.org a"}, map[string]secret{"a": issue(t, "a")})
	for _, header := range []string{"PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\n", v2(proxied, tcp4, ipv4Block...)} {
		for _, together := range []bool{true, false} {
			raw := dial(t, s.Addr("https"))
			under := net.Conn(&prefixed{Conn: raw, first: header})
			if !together {
				if _, err := io.WriteString(raw, header); err != nil {
					t.Fatal(err)
				}
				under = raw
			}
			c := tls.Client(under, trusting("a.org"))
			if got := exchanged(t, c, "hello"); got != "https a.org 192.0.2.7 hello" {
				t.Errorf("got %q", got)
			}
			c.Close()
		}
	}
}

// prefixed sends something in one write with the first that is written.
type prefixed struct {
	net.Conn
	first string
}

func (p *prefixed) Write(b []byte) (int, error) {
	whole := append([]byte(p.first), b...)
	p.first = ""
	_, err := p.Conn.Write(whole)
	return len(b), err
}

func TestSlowProxyHeadersAreEnded(t *testing.T) {
	for name, part := range map[string]string{"nothing": "", "a part": "PROXY TCP4 192"} {
		t.Run(name, func(t *testing.T) {
			s := listening(t, plainHTTP, Options{Serve: repeat, ProxyProtocolFrom: fromLoopback, Bounds: Bounds{Opening: 20 * time.Millisecond}})
			c := dial(t, s.Addr("http"))
			_, _ = io.WriteString(c, part) // It may have been closed by now.
			if !closes(c) {
				t.Error("the connection was not closed")
			}
			s.wait(t)
			if got := metric(t, s, "gateway_connections_refused_total", "proxy_header_timeout"); got != 1 {
				t.Errorf("%v counted", got)
			}
		})
	}
}

func TestTheHeadersTimeIsNotTheRequests(t *testing.T) {
	const opening = 50 * time.Millisecond
	s := set(t, Options{Serve: repeat, ProxyProtocolFrom: fromLoopback, Bounds: Bounds{Opening: opening}})
	if err := s.Sync([]*snapshot.Listener{plainHTTP}); err != nil {
		t.Fatal(err)
	}
	c := dial(t, s.Addr("http"))
	if _, err := io.WriteString(c, "PROXY UNKNOWN\r\n"); err != nil {
		t.Fatal(err)
	}
	s.Start()
	exchanged(t, c, "the header has been read")
	<-time.After(2 * opening) // until a deadline that was left behind would be over
	if got := exchanged(t, c, "hello"); got != "http cleartext 127.0.0.1 hello" {
		t.Errorf("got %q", got)
	}
	c.Close()
}

func FuzzHeader(f *testing.F) {
	for _, tt := range headerCases {
		f.Add([]byte(tt.header + "rest"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := headerLength(b)
		if err != nil || n == 0 {
			return
		}
		if n > len(b) || n > headerRoom {
			t.Fatalf("length %d of %d bytes", n, len(b))
		}
		// What is beyond the header must not matter, nor in how many pieces it came.
		for cut := range n {
			if m, err := headerLength(b[:cut]); m != 0 || err != nil {
				t.Fatalf("length %d, %v of the first %d bytes of %d", m, err, cut, n)
			}
		}
		client, server := net.Pipe()
		defer server.Close()
		go func() {
			defer client.Close()
			_, _ = client.Write(b)
		}()
		buffer := make([]byte, headerRoom)
		source, rest, err := readHeader(server, buffer)
		if err == nil && !bytes.HasPrefix(b[n:], rest) {
			t.Fatalf("source %s, rest %q of %q", source, rest, b[n:])
		}
	})
}
