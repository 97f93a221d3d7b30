package listener

import (
	"crypto/tls"
	"testing"
)

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
