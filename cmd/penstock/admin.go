package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/penstock/penstock/proxy"
)

// readiness says whether this process should get traffic, and if not, why.
type readiness func() (ready bool, reason string)

// adminServer serves metrics and probes. It is meant for the cluster's own network: nothing of it shows configuration.
func adminServer(metrics prometheus.Gatherer, ready readiness) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		ok, reason := ready()
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, reason)
	})
	return mux
}

// debugServer shows what is served, and profiles. It listens on loopback only, since configuration is not public.
func debugServer(g *proxy.Gateway) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/snapshot", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, g.Snapshot()) })
	mux.HandleFunc("GET /debug/endpoints", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, g.Statistics()) })
	// Here, too, an error means that the reader left.
	mux.HandleFunc("GET /debug/table", func(w http.ResponseWriter, _ *http.Request) { _ = g.Table().Dump(w) })
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	// An error means that the reader left.
	_ = e.Encode(v)
}

// listenAdmin serves h on address until ctx ends. The socket is bound when it returns.
func listenAdmin(ctx context.Context, log *slog.Logger, address string, h http.Handler) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	go func() {
		if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("admin server ended", "address", address, "error", err)
		}
	}()
	return nil
}
