package listener

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/snapshot"
)

var https = &snapshot.Listener{Name: "https", Protocol: snapshot.HTTPS}

// repeat answers each line with the connection's scheme and what was negotiated, and the line.
func repeat(c net.Conn, about *Connection) {
	defer c.Close()
	negotiated := about.TLS
	if negotiated == nil {
		negotiated = &exchange.TLS{ServerName: "cleartext"}
	}
	for in := bufio.NewScanner(io.MultiReader(strings.NewReader(string(about.Ahead)), c)); in.Scan(); {
		if _, err := fmt.Fprintf(c, "%s %s %s %s\n", about.Scheme, negotiated.ServerName, about.Peer.Addr(), in.Text()); err != nil {
			return
		}
	}
}

// trusting is the configuration of a client that asks for a host and takes any certificate.
func trusting(host string) *tls.Config {
	return &tls.Config{ServerName: host, InsecureSkipVerify: true}
}

// nameless makes a client say no host.
func nameless() *tls.Config { return trusting("127.0.0.1") }

// shake makes a connection with a handshake.
func shake(t *testing.T, s *Set, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	c := tls.Client(dial(t, s.Addr("https")), config)
	return c, c.Handshake()
}

// exchanged sends a line and returns the answer.
func exchanged(t *testing.T, c net.Conn, line string) string {
	t.Helper()
	if _, err := fmt.Fprintln(c, line); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(answer, "\n")
}

// alerts, as crypto/tls numbers them for clients that want to know.
const (
	protocolVersion       = "tls: protocol version not supported"
	unrecognizedName      = "tls: unrecognized name"
	noApplicationProtocol = "tls: no application protocol"
)

func isAlert(err error, text string) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && op.Err.Error() == text
}

func TestTheServerNameChoosesTheCertificate(t *testing.T) {
	all := map[string]secret{}
	for _, name := range []string{"a", "wild", "deep", "fallback"} {
		all[name] = issue(t, name)
	}
	hosts := []string{"*.b.example.com deep", "*.example.com wild", "a.example.com a"}
	withDefault := append([]string{"- fallback"}, hosts...)
	for _, tt := range []struct {
		name     string
		policies []string
		client   *tls.Config
		want     string // the secret; empty for none
	}{
		{"an exact host", hosts, trusting("a.example.com"), "a"},
		{"an exact host in capitals", hosts, trusting("A.Example.COM"), "a"},
		{"a wildcard", hosts, trusting("x.example.com"), "wild"},
		{"a wildcard over several labels", hosts, trusting("x.y.example.com"), "wild"},
		{"the longer of two wildcards", hosts, trusting("x.b.example.com"), "deep"},
		{"a wildcard's own domain", hosts, trusting("example.com"), ""},
		{"an unknown host", hosts, trusting("example.org"), ""},
		{"no name", hosts, nameless(), ""},
		{"an unknown host with a default", withDefault, trusting("example.org"), "fallback"},
		{"no name with a default", withDefault, nameless(), "fallback"},
		{"an exact host in spite of a default", withDefault, trusting("a.example.com"), "a"},
		{"no policy at all", nil, trusting("a.example.com"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listening(t, https, Options{Serve: repeat})
			s.secure(tt.policies, all)
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				config := tt.client.Clone()
				config.MaxVersion = version
				c, err := shake(t, s, config)
				if tt.want == "" {
					if !isAlert(err, unrecognizedName) {
						t.Errorf("%s: got %v, want the alert", tls.VersionName(version), err)
					}
					continue
				}
				if err != nil || !all[tt.want].isShown(c.ConnectionState()) {
					t.Errorf("%s: error %v, not the certificate %q", tls.VersionName(version), err, tt.want)
					continue
				}
				c.Close()
			}
		})
	}
}

func TestWhatWasNegotiatedIsHandedOver(t *testing.T) {
	got := make(chan Connection, 1)
	s := listening(t, https, Options{Serve: func(c net.Conn, about *Connection) { c.Close(); got <- *about }})
	s.secure([]string{"a.example.com a"}, map[string]secret{"a": issue(t, "a")})
	c, err := shake(t, s, &tls.Config{
		ServerName: "A.example.com", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	about := <-got
	want := exchange.TLS{ServerName: "a.example.com", Version: tls.VersionTLS12, CipherSuite: c.ConnectionState().CipherSuite}
	if about.TLS == nil || *about.TLS != want || about.Scheme != "https" || about.Listener != "https" {
		t.Errorf("got %+v with %+v, want %+v", about, about.TLS, want)
	}
	if about.Peer.String() != c.LocalAddr().String() {
		t.Errorf("peer %s, want %s", about.Peer, c.LocalAddr())
	}
	if p := c.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
		t.Errorf("protocol %q", p)
	}
}

func TestHandshakesThatFailSayWhyAndAreCounted(t *testing.T) {
	policies := []string{"a.example.com a", "strict.example.com a 1.3"}
	old := trusting("strict.example.com")
	old.MaxVersion = tls.VersionTLS12
	ancient := trusting("a.example.com")
	ancient.MinVersion, ancient.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	weak := trusting("a.example.com")
	weak.MaxVersion, weak.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	distrusting := &tls.Config{ServerName: "a.example.com"}
	for _, tt := range []struct {
		name   string
		client *tls.Config
		alert  string // empty if the client fails
		result string
	}{
		{"an older version than the policy's", old, protocolVersion, "version"},
		{"a version that no policy has", ancient, protocolVersion, "version"},
		{"a host that nobody has", trusting("b.example.com"), unrecognizedName, "unknown_host"},
		{"a cipher suite without authenticated encryption", weak, "tls: handshake failure", "malformed"},
		{"another protocol than HTTP/1.1", &tls.Config{
			ServerName: "a.example.com", InsecureSkipVerify: true, NextProtos: []string{"h2"},
		}, noApplicationProtocol, "malformed"},
		{"a client that doesn't know the issuer", distrusting, "", "client_alert"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listening(t, https, Options{Serve: repeat})
			s.secure(policies, map[string]secret{"a": issue(t, "a")})
			_, err := shake(t, s, tt.client)
			if tt.alert != "" && !isAlert(err, tt.alert) || err == nil {
				t.Errorf("got %v, want %q", err, tt.alert)
			}
			s.wait(t)
			if got := metric(t, s, "gateway_tls_handshakes_total", tt.result); got != 1 {
				t.Errorf("%v counted as %s", got, tt.result)
			}
		})
	}
}

// wait waits until no connection is left.
func (s *Set) wait(t *testing.T) {
	t.Helper()
	s.Close()
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoHandshakeIsEndedAndCounted(t *testing.T) {
	for _, tt := range []struct {
		name, sent, result string
		leaves             bool // rather than wait for the end
		patience           time.Duration
	}{
		{"cleartext", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "malformed", false, patience},
		{"silence", "", "timeout", false, 20 * time.Millisecond},
		{"a part of a hello", "\x16\x03\x01\x02\x00\x01", "timeout", false, 20 * time.Millisecond},
		{"nothing", "", "closed", true, patience},
		{"a part of a hello and the end", "\x16\x03\x01\x02\x00\x01", "closed", true, patience},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listening(t, https, Options{Serve: repeat, Bounds: Bounds{Opening: tt.patience}})
			s.secure([]string{"a.org a"}, map[string]secret{"a": issue(t, "a")})
			c := dial(t, s.Addr("https"))
			_, _ = io.WriteString(c, tt.sent) // It may have been closed by now.
			if tt.leaves {
				c.Close()
			} else if !closes(c) {
				t.Error("the connection was not closed")
			}
			s.wait(t)
			if got := metric(t, s, "gateway_tls_handshakes_total", tt.result); got != 1 {
				t.Errorf("%v counted as %s", got, tt.result)
			}
		})
	}
}

func TestTheHandshakesTimeIsNotTheRequests(t *testing.T) {
	const opening = 500 * time.Millisecond
	s := listening(t, https, Options{Serve: repeat, Bounds: Bounds{Opening: opening}})
	s.secure([]string{"a.org a"}, map[string]secret{"a": issue(t, "a")})
	over := time.After(opening + 100*time.Millisecond)
	c, err := shake(t, s, trusting("a.org"))
	if err != nil {
		t.Fatal(err)
	}
	<-over // as a deadline that was left behind would be
	if got := exchanged(t, c, "hello"); got != "https a.org 127.0.0.1 hello" {
		t.Errorf("got %q", got)
	}
	c.Close()
}
