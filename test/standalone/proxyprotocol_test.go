package standalone

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"
)

// peerHeaders are PROXY headers that name 192.0.2.7 and 2001:db8::7.
var peerHeaders = map[string]string{
	"PROXY TCP4 192.0.2.7 198.51.100.1 12345 80\r\n":         "192.0.2.7",
	"PROXY TCP6 2001:db8::7 2001:db8::1 12345 80\r\n":        "2001:db8::7",
	proxyHeader2(192, 0, 2, 7, 198, 51, 100, 1, 0, 1, 0, 80): "192.0.2.7",
}

// proxyHeader2 is a header of version 2 for TCP over IPv4.
func proxyHeader2(block ...byte) string {
	return "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00" + string(append([]byte{byte(len(block))}, block...))
}

func sayPeer(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Forwarded-For")) }

func TestTheClientIsWhomThePROXYHeaderNames(t *testing.T) {
	upstream := backend(t, sayPeer)
	g, address := startTLS(t, map[string]string{
		"r.yaml":      securedRoute("r", "a.example.com", "secretName: a", upstream),
		"secret.yaml": secretManifest("a", certificate(t, 1, "a.example.com")),
	}, "--proxy-protocol-from=127.0.0.0/8")
	for header, client := range peerHeaders {
		c, id := g.dial(t), traceID()
		c.send("%sGET / HTTP/1.1\r\nHost: a.example.com\r\nX-Trace-ID: %s\r\n\r\n", header, id)
		if r := c.receive(); r.StatusCode != http.StatusOK || r.body != client {
			t.Errorf("%q: got %d %q", header, r.StatusCode, r.body)
		}
		if l := g.log(t, id); l.Client != client {
			t.Errorf("%q: logged as %q", header, l.Client)
		}
		c = dialTo(t, address)
		c.send("%s", header)
		over := tls.Client(c.Conn, unverified("a.example.com"))
		s := newClient(t, over)
		s.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
		if r := s.receive(); r.body != client {
			t.Errorf("%q with TLS: got %q", header, r.body)
		}
	}
	bare := g.dial(t)
	bare.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
	bare.ended()
}

func TestAPROXYHeaderOfAnybodyIsAMalformedRequest(t *testing.T) {
	g := start(t, map[string]string{"r.yaml": route("r", "a.example.com", "/", backend(t, sayPeer))})
	for header := range peerHeaders {
		c := g.dial(t)
		c.send("%sGET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n", header)
		if r := c.receive(); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: got %d", header, r.StatusCode)
		}
	}
}
