// Command demo is the backend of `make run`: it answers every request with JSON that says which service was reached and
// what arrived there. At /echo it is a WebSocket that says what it hears.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// answer is the body of every reply but /healthz's.
type answer struct {
	Service string              `json:"service"`
	Method  string              `json:"method"`
	Host    string              `json:"host"`
	Path    string              `json:"path"`
	Query   string              `json:"query,omitempty"`
	Headers map[string][]string `json:"headers,omitempty"`
}

// shown are the request headers worth a look behind a gateway.
var shown = []string{
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Trace-Id", "X-Demo", "User-Agent",
}

func main() {
	name := flag.String("name", "demo", "the service's name in its answers")
	addr := flag.String("addr", "127.0.0.1:9101", "host:port to listen on")
	flag.Parse()

	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("service", *name)
	if err := serve(*name, *addr); err != nil {
		log.Error("demo backend ended", "error", err)
		os.Exit(1)
	}
}

// serve answers on addr until SIGINT or SIGTERM, then finishes what is in flight.
func serve(name, addr string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	server := &http.Server{Addr: addr, Handler: handler(name), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}

	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return cmp.Or(server.Shutdown(grace), ignoreClosed(<-ended))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// handler is the service called name.
func handler(name string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /echo", echo)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(describe(name, r)) // the client left: nobody to tell
	})
	return mux
}

func describe(name string, r *http.Request) answer {
	a := answer{
		Service: name,
		Method:  r.Method,
		Host:    r.Host,
		Path:    r.URL.Path,
		Query:   r.URL.RawQuery,
		Headers: map[string][]string{},
	}
	for _, h := range shown {
		if values := r.Header.Values(h); len(values) > 0 {
			a.Headers[h] = values
		}
	}
	return a
}
