package listener

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

// recorded is the bytes that a client begins with.
func recorded(f *testing.F, config *tls.Config) []byte {
	f.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		defer client.Close()
		_ = tls.Client(client, config).Handshake() // It never gets an answer.
	}()
	b := make([]byte, 16<<10)
	n, err := server.Read(b)
	if err != nil {
		f.Fatal(err)
	}
	return b[:n]
}

// FuzzHello gives whatever to the server's side of a handshake, on a socket that has nothing more to say. It must fail, and hold
// nothing afterwards.
func FuzzHello(f *testing.F) {
	for _, config := range []*tls.Config{
		trusting("a.example.com"), trusting("x.example.com"), trusting("unknown.org"), nameless(),
		{ServerName: "a.example.com", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12},
		{ServerName: "a.example.com", InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}},
	} {
		f.Add(recorded(f, config))
	}
	for _, text := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x00\x00\x04\x01\x00\x00\x00", "\x15\x03\x01\x00\x02\x02\x28"} {
		f.Add([]byte(text))
	}
	s := New(Options{Log: slog.New(slog.DiscardHandler)})
	s.secure([]string{"*.example.com a 1.3", "a.example.com a"}, map[string]secret{"a": issue(f, "a")})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &door{TCPConn: new(net.TCPConn), ahead: b, places: s.places, until: time.Now().Add(patience)}
		err := tls.Server(d, s.secrets.server).Handshake()
		if d.open(); err == nil || len(s.places) != 0 {
			t.Errorf("error %v, %d places held", err, len(s.places))
		}
		if d.blame(err) == full {
			t.Errorf("%v counts as success", err)
		}
	})
}

// FuzzFind compares the look-up of a host with the definition of its order.
func FuzzFind(f *testing.F) {
	for _, name := range []string{"a.example.com", "b.a.example.com", "example.com", ".example.com", "", "com", "a..example.com", "x.y.org"} {
		f.Add(name)
	}
	t := &table{hosts: map[string]*policy{}}
	for _, key := range []string{"", ".com", ".example.com", ".a.example.com", "a.example.com", "example.com"} {
		t.hosts[key] = new(policy)
	}
	f.Fuzz(func(tt *testing.T, name string) {
		best := ""
		for key := range t.hosts {
			if strings.HasPrefix(key, ".") && len(name) > len(key) && strings.HasSuffix(name, key) && len(key) > len(best) {
				best = key
			}
		}
		if t.hosts[name] != nil {
			best = name
		}
		if t.find(name) != t.hosts[best] {
			tt.Errorf("%q has not the policy of %q", name, best)
		}
	})
}
