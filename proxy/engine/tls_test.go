package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

// certificate is one for a test, signed by itself.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secured connects a client to an engine over TLS. It returns the raw connection beneath as well.
func secured(t *testing.T, o Options) (over, beneath *client) {
	t.Helper()
	f := start(t, o) // for its engine; connections are handed over here
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		f.engine.ServeConn(tls.Server(nc, config), &Connection{Listener: "https", Scheme: "https", TLS: &exchange.TLS{ServerName: "x"}})
	}()
	f.addr = ln.Addr().String()
	beneath = f.dial()
	nc := tls.Client(beneath.Conn, &tls.Config{InsecureSkipVerify: true}) // The certificate is the test's own.
	c := &client{T: t, Conn: nc, r: beneath.r}
	c.r.Reset(nc)
	return c, beneath
}

func TestRequestsOverTLS(t *testing.T) {
	c, _ := secured(t, Options{Handler: exchange.HandlerFunc(echo)})
	for range 3 {
		c.send(get)
		c.expect("GET", want{200, "GET / ", false})
	}
	c.send(get + get + "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
	c.expect("GET", want{200, "GET / ", false})
	c.expect("GET", want{200, "GET / ", false})
	c.expect("POST", want{200, "POST / abc", false})
}

func TestAClientThatLeavesOverTLSCancelsItsExchange(t *testing.T) {
	began, done := make(chan struct{}, 1), make(finished, 1)
	c, beneath := secured(t, Options{Handler: waiting(began, func(x *exchange.Exchange) { x.SetFinishers(done.list()) })})
	c.send(get)
	<-began
	beneath.Close()
	if e := <-done; e.err == nil || e.err.Status != exchange.StatusClientClosed {
		t.Errorf("the exchange ended with %v", e.err)
	}
}

// TestACutAnswerOverTLSLooksCut: the answer ends with the connection, so the end must not be one that TLS vouches for.
func TestACutAnswerOverTLSLooksCut(t *testing.T) {
	c, _ := secured(t, Options{Handler: exchange.HandlerFunc(func(x *exchange.Exchange) error {
		x.Reply(200)
		body, feed := io.Pipe()
		go func() {
			_, _ = feed.Write([]byte("half"))
			feed.CloseWithError(errors.New("broken"))
		}()
		x.Response.Body, x.Response.ContentLength = body, exchange.Unknown
		return nil
	})})
	c.send("GET / HTTP/1.0\r\nHost: x\r\n\r\n")
	if b, err := io.ReadAll(c.r); err == nil {
		t.Errorf("the answer %q seems complete", b)
	}
}
