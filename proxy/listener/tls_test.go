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
func repeat(c net.Conn, about Connection) {
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
	s := listening(t, https, Options{Serve: func(c net.Conn, about Connection) { c.Close(); got <- about }})
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

func TestRotationReachesNewConnectionsAndClosesNone(t *testing.T) {
	s := listening(t, https, Options{Serve: repeat})
	first, second := issue(t, "first"), issue(t, "second")
	policies := []string{"a.example.com a"}
	s.secure(policies, map[string]secret{"a": first})
	open, err := shake(t, s, trusting("a.example.com"))
	if err != nil || !first.isShown(open.ConnectionState()) {
		t.Fatalf("error %v, or not the first certificate", err)
	}
	s.secure(policies, map[string]secret{"a": second})
	if c, err := shake(t, s, trusting("a.example.com")); err != nil || !second.isShown(c.ConnectionState()) {
		t.Errorf("error %v, or not the second certificate", err)
	} else {
		c.Close()
	}
	if got := exchanged(t, open, "still there"); got != "https a.example.com 127.0.0.1 still there" {
		t.Errorf("the connection from before got %q", got)
	}
	open.Close()
}

func TestTheLastGoodCertificateStays(t *testing.T) {
	good, other := issue(t, "good"), issue(t, "other")
	for _, tt := range []struct {
		name    string
		secrets map[string]secret
	}{
		{"the Secret is gone", nil},
		{"the Secret is empty", map[string]secret{"a": {}}},
		{"the certificate is no PEM", map[string]secret{"a": {[]byte("certificate"), good.key}}},
		{"the key belongs to another certificate", map[string]secret{"a": {good.certificate, other.key}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listening(t, https, Options{Serve: hello})
			policies := []string{"a.example.com a"}
			s.secure(policies, map[string]secret{"a": good})
			for range 2 { // a broken one must not become the last one
				s.secure(policies, tt.secrets)
				s.secure(append(policies, "b.example.com a"), tt.secrets)
			}
			c, err := shake(t, s, trusting("a.example.com"))
			if err != nil || !good.isShown(c.ConnectionState()) {
				t.Errorf("error %v, or not the last good certificate", err)
			}
			c.Close()
			if _, err := shake(t, s, trusting("b.example.com")); !isAlert(err, unrecognizedName) {
				t.Errorf("a host that never had one: %v", err)
			}
			for state, want := range map[string]float64{"current": 0, "stale": 1, "missing": 1} {
				if got := metric(t, s, "gateway_tls_certificates", state); got != want {
					t.Errorf("%v hosts are %s, want %v", got, state, want)
				}
			}
			s.secure(policies, map[string]secret{"a": other})
			c, err = shake(t, s, trusting("a.example.com"))
			if err != nil || !other.isShown(c.ConnectionState()) {
				t.Errorf("error %v, or not the certificate of the repaired Secret", err)
			}
			c.Close()
		})
	}
}

func TestAHostWithoutCertificateFallsBackToTheDefault(t *testing.T) {
	s := listening(t, https, Options{Serve: hello})
	fallback := issue(t, "fallback")
	s.secure([]string{"- fallback", "a.example.com missing"}, map[string]secret{"fallback": fallback})
	c, err := shake(t, s, trusting("a.example.com"))
	if err != nil || !fallback.isShown(c.ConnectionState()) {
		t.Errorf("error %v, or not the default certificate", err)
	}
	c.Close()
}

// resumes makes two connections with one client, changing what it asks for and what serves between them, and tells whether
// the second one resumed the session of the first.
func resumes(t *testing.T, s *Set, first, second string, between func()) bool {
	t.Helper()
	// One store for all hosts: a client must not do that, and an attacker would.
	sessions := &oneSession{}
	ask := func(host string) bool {
		config := trusting(host)
		config.ClientSessionCache = sessions
		c, err := shake(t, s, config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		exchanged(t, c, "so that the ticket arrives")
		return c.ConnectionState().DidResume
	}
	ask(first)
	if sessions.state == nil {
		t.Fatal("no ticket came")
	}
	between()
	return ask(second)
}

type oneSession struct{ state *tls.ClientSessionState }

func (s *oneSession) Get(string) (*tls.ClientSessionState, bool) { return s.state, s.state != nil }
func (s *oneSession) Put(_ string, cs *tls.ClientSessionState) {
	if cs != nil {
		s.state = cs
	}
}

func TestSessionsAreResumedUnderTheirPolicyOnly(t *testing.T) {
	secrets := map[string]secret{"a": issue(t, "a"), "b": issue(t, "b")}
	policies := []string{"a.org a", "a2.org a", "b.org b", "strict.org a 1.3"}
	other := map[string]secret{"a": issue(t, "a"), "b": secrets["b"]}
	for _, tt := range []struct {
		name          string
		first, second string
		between       func(*Set)
		want          bool
	}{
		{"the same host", "a.org", "a.org", func(*Set) {}, true},
		{"the same host after a change of others", "a.org", "a.org", func(s *Set) { s.secure(append(policies, "x.org b"), secrets) }, true},
		{"a host with an equal policy", "a.org", "a2.org", func(*Set) {}, true},
		{"a host with another certificate", "a.org", "b.org", func(*Set) {}, false},
		{"a host with another minimum version", "a.org", "strict.org", func(*Set) {}, false},
		{"the same host after rotation", "a.org", "a.org", func(s *Set) { s.secure(policies, other) }, false},
		{"the same host under another policy", "a.org", "a.org", func(s *Set) { s.secure([]string{"a.org b"}, secrets) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listening(t, https, Options{Serve: repeat})
			s.secure(policies, secrets)
			if got := resumes(t, s, tt.first, tt.second, func() { tt.between(s) }); got != tt.want {
				t.Errorf("resumed: %v", got)
			}
		})
	}
}

func TestSessionsOfTLS12AreNotResumed(t *testing.T) {
	s := listening(t, https, Options{Serve: repeat})
	s.secure([]string{"a.org a"}, map[string]secret{"a": issue(t, "a")})
	sessions := &oneSession{}
	config := trusting("a.org")
	config.MaxVersion, config.ClientSessionCache = tls.VersionTLS12, sessions
	c, err := shake(t, s, config)
	if err != nil {
		t.Fatal(err)
	}
	exchanged(t, c, "by now a ticket would have come")
	c.Close()
	if sessions.state != nil {
		t.Error("a ticket came")
	}
}

func TestNoSessionIsResumedForAnUnknownHost(t *testing.T) {
	s := listening(t, https, Options{Serve: repeat})
	s.secure([]string{"a.org a"}, map[string]secret{"a": issue(t, "a")})
	sessions := &oneSession{}
	config := trusting("a.org")
	config.ClientSessionCache = sessions
	c, err := shake(t, s, config)
	if err != nil {
		t.Fatal(err)
	}
	exchanged(t, c, "so that the ticket arrives")
	c.Close()
	config = trusting("unknown.org")
	config.ClientSessionCache = sessions
	if _, err := shake(t, s, config); !isAlert(err, unrecognizedName) {
		t.Errorf("got %v, want the alert", err)
	}
}

// A client that goes on after its hello only when it likes must not keep others from theirs.
func TestSlowHandshakesHoldUpNoOther(t *testing.T) {
	s := listening(t, https, Options{Serve: repeat})
	s.secure([]string{"a.org a"}, map[string]secret{"a": issue(t, "a")})
	for range 4 * cap(s.places) {
		c := dial(t, s.Addr("https"))
		defer c.Close()
		// It never hears what the server answers to its hello.
		deaf := tls.Client(deafConn{c}, trusting("a.org"))
		if err := deaf.Handshake(); !errors.Is(err, errDeaf) {
			t.Fatal(err)
		}
	}
	c, err := shake(t, s, trusting("a.org"))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestHandshakesWaitForAPlaceAsLongAsTheirPatience(t *testing.T) {
	const opening = 50 * time.Millisecond
	s := listening(t, https, Options{Serve: repeat, Bounds: Bounds{Opening: opening}})
	s.secure([]string{"a.org a"}, map[string]secret{"a": issue(t, "a")})
	for range cap(s.places) {
		s.places <- struct{}{}
	}
	c := tls.Client(dial(t, s.Addr("https")), trusting("a.org"))
	failed := make(chan error)
	go func() { failed <- c.Handshake() }()
	<-time.After(2 * opening)
	for range cap(s.places) {
		<-s.places
	}
	if err := <-failed; err == nil {
		t.Error("a handshake was answered after its time")
	}
	s.wait(t)
	if got := metric(t, s, "gateway_tls_handshakes_total", "timeout"); got != 1 {
		t.Errorf("%v counted", got)
	}
	if len(s.places) != 0 {
		t.Errorf("%d places are held", len(s.places))
	}
}

var errDeaf = errors.New("deaf")

// deafConn writes, and reads nothing.
type deafConn struct{ net.Conn }

func (deafConn) Read([]byte) (int, error) { return 0, errDeaf }
