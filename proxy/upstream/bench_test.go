package upstream

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/snapshot"
)

// lean answers without an allocation, so that what is counted is the gateway's. It looks for ends of heads only.
func lean(answer []byte) func(*peer) {
	return func(p *peer) {
		b, end := make([]byte, 4<<10), []byte("\r\n\r\n")
		for {
			n, err := p.Read(b)
			if err != nil {
				return
			}
			if !bytes.HasSuffix(b[:n], end) {
				panic("a request in two parts")
			}
			if _, err := p.Write(answer); err != nil {
				return
			}
		}
	}
}

// round is one exchange as an engine makes it, with everything pooled.
func round(tb testing.TB, h exchange.Handler, x *exchange.Exchange, sink []byte) {
	tb.Helper()
	x.Reset()
	x.Request.Method, x.Request.Path, x.Request.Authority = http.MethodGet, "/", "users.test"
	if err := h.Serve(x); err != nil {
		tb.Fatal(err)
	}
	if b := x.Response.Body; b != nil {
		for {
			if _, err := b.Read(sink); err != nil {
				break
			}
		}
		b.Close()
	}
}

const leanAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 10\r\n\r\n0123456789"

func BenchmarkRoundTrip(b *testing.B) {
	addr := backend(b, lean([]byte(leanAnswer)))
	store := live.NewStore(NewPool)
	u := New(Options{Store: store})
	if err := store.SetEndpoints(clusterName, []snapshot.Endpoint{{Address: addr.Addr().String(), Port: addr.Port()}}); err != nil {
		b.Fatal(err)
	}
	h := u.Handler(&snapshot.Cluster{Name: clusterName, Balancer: snapshot.LeastRequest})
	for _, limits := range []exchange.Timeouts{{}, {Backend: time.Minute, Idle: time.Minute}} {
		name := "without limits"
		if limits.Backend != 0 {
			name = "with limits"
		}
		limited := exchange.HandlerFunc(func(x *exchange.Exchange) error {
			x.Timeouts = limits
			return h.Serve(x)
		})
		b.Run(name, func(b *testing.B) {
			x, sink := &exchange.Exchange{}, make([]byte, 4<<10)
			b.ReportAllocs()
			for b.Loop() {
				round(b, limited, x, sink)
			}
		})
	}
}
