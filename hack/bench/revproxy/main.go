// Command revproxy is a peer in the comparison: the standard library's server, ServeMux and httputil.ReverseProxy, tuned as
// one would in production, with the same table of hosts and paths as every other target.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const bufferSize = 32 << 10 // bytes, what ReverseProxy would allocate for each body

func main() {
	addr := flag.String("addr", "127.0.0.1:8220", "host:port to listen on")
	upstreams := flag.String("upstreams", "", "comma-separated host:port of the endpoints")
	hosts := flag.Int("hosts", 1000, "number of hosts app0.example.com, app1.example.com, ...")
	flag.Parse()

	server := &http.Server{
		Addr:              *addr,
		Handler:           table(*hosts, proxy(strings.Split(*upstreams, ","))),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       75 * time.Second,
	}
	slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("revproxy ended", "error", server.ListenAndServe())
	os.Exit(1)
}

// table routes three paths of each host to h; anything else is a 404.
func table(hosts int, h http.Handler) http.Handler {
	mux := http.NewServeMux()
	for i := range hosts {
		for _, path := range []string{"/api/v1/", "/static/", "/"} {
			mux.Handle(fmt.Sprintf("app%d.example.com%s", i, path), h)
		}
	}
	return mux
}

// proxy forwards to the upstreams in turn.
func proxy(upstreams []string) http.Handler {
	var turn atomic.Uint64
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.Out.URL.Host = upstreams[turn.Add(1)%uint64(len(upstreams))]
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 1024,
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true,
		},
		BufferPool: &buffers{},
	}
}

// buffers is safe for concurrent use.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
