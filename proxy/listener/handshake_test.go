package listener

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"
)

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
