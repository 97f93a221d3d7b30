package listener

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"slices"

	"github.com/penstock/penstock/proxy/snapshot"
)

// configs are the configurations of one policy, by the version that the client gets.
type configs struct {
	tls13 *tls.Config
	tls12 *tls.Config // nil if the policy has a newer minimum
}

// newConfigs makes the configurations of one policy. Only sessions of TLS 1.3 can be resumed: they get new keys, where a ticket of TLS 1.2
// opens all that was ever said in its session to whoever learns the key that tickets have this week (RFC 9325 §3.4).
func newConfigs(p *pair, least snapshot.TLSVersion, s session) (c configs) {
	c.tls13 = newConfig(p)
	c.tls13.MinVersion, c.tls13.WrapSession, c.tls13.UnwrapSession = tls.VersionTLS13, s.wrap, s.unwrap
	if least != snapshot.TLS13 {
		c.tls12 = newConfig(p)
		c.tls12.MaxVersion, c.tls12.CipherSuites, c.tls12.SessionTicketsDisabled = tls.VersionTLS12, suites12, true
	}
	return c
}

// newConfig makes what all have in common. Curves are crypto/tls's own, the hybrid X25519MLKEM768 first.
func newConfig(p *pair) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{p.parsed},
		NextProtos:   protocols,
		// Small records at first would show a slow client the beginning of an answer earlier, at a dozen times as many records.
		DynamicRecordSizingDisabled: true,
	}
}

// suites12 are the cipher suites of TLS 1.2: those with forward secrecy and authenticated encryption (RFC 9325 §4.2). The ones of
// TLS 1.3 are not for choice.
var suites12 = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// session puts the mark of one configuration into its session tickets, and takes only those back that bear it. Otherwise the
// tickets of all would be alike, and who has been let in under one policy could go on under another.
type session struct {
	keys *tls.Config
	mark uint64
}

func (s session) wrap(cs tls.ConnectionState, state *tls.SessionState) ([]byte, error) {
	state.Extra = append(state.Extra, binary.BigEndian.AppendUint64(nil, s.mark))
	return s.keys.EncryptTicket(cs, state)
}

// unwrap returns nil for what is no ticket of this configuration; a full handshake follows then.
func (s session) unwrap(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
	state, err := s.keys.DecryptTicket(ticket, cs)
	if state == nil || err != nil {
		return nil, err
	}
	mark := binary.BigEndian.AppendUint64(nil, s.mark)
	if !slices.ContainsFunc(state.Extra, func(b []byte) bool { return bytes.Equal(b, mark) }) {
		return nil, nil
	}
	return state, nil
}
