package accesslog

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
)

func TestStampsAreThoseOfTheTimePackage(t *testing.T) {
	var s stamper
	base := time.Date(2026, 12, 31, 23, 59, 58, 0, time.FixedZone("", 3600))
	for range 1000 {
		at := base.Add(time.Duration(rand.Int64N(int64(5 * time.Second))))
		if got, want := string(s.append(nil, at)), at.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Fatalf("%v: got %s, want %s", at, got, want)
		}
	}
}

func BenchmarkLine(b *testing.B) {
	x := &exchange.Exchange{
		Protocol: exchange.HTTP11, Start: time.Now(), Client: netip.MustParseAddr("192.0.2.7"),
		Route:    &exchange.Route{ID: "shop/users/0", Patterns: []string{"/users"}},
		Upstream: exchange.Upstream{Cluster: "shop/users:80", Address: netip.MustParseAddrPort("10.0.0.8:8080"), Attempts: 1},
		Outcome:  exchange.Outcome{ResponseBytes: 100, Duration: 1234567},
	}
	x.Request.Method, x.Request.Host, x.Request.Path = "GET", "shop.example.com", "/users/42"
	x.Request.Head.Add("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36")
	x.Response.Status = 200
	a, line := &accessLog{}, make([]byte, 0, lineSize)
	b.ReportAllocs()
	for b.Loop() {
		line = a.appendLine(line[:0], x)
	}
}
