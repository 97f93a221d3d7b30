package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/penstock/penstock/proxy/filter/ratelimit"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/observe"
)

// rateLimits are the flags of rate limits.
type rateLimits struct {
	keys         int
	store        string
	passwordFile string
	caFile       string
	peers        peerFlags
}

func (r *rateLimits) add(f *pflag.FlagSet) {
	f.IntVar(&r.keys, "rate-limit-keys", 1_000_000, "how many keys of rate limits are remembered, for each algorithm; beyond that, those not seen for longest are forgotten")
	f.StringVar(&r.store, "rate-limit-store", "", "Redis or Valkey in which replicas hold limits of scope Cluster together: redis://HOST:PORT/DATABASE, rediss:// for TLS, several hosts with ?cluster=true or ?sentinel=NAME")
	f.StringVar(&r.passwordFile, "rate-limit-store-password-file", "", "file with the password for --rate-limit-store")
	f.StringVar(&r.caFile, "rate-limit-store-ca-file", "", "file with the certificates, in PEM, by one of which that of --rate-limit-store must be signed; by default the system's")
	r.peers.add(f)
}

// limiter is what decides about rate limits, whatever table is served.
type limiter struct {
	ratelimit.Deps
	// run talks to other replicas until its context ends.
	run func(context.Context)
	// peers are nil unless replicas share limits without a store.
	peers *peers
}

func (r *rateLimits) build(log *slog.Logger, metrics prometheus.Registerer) (*limiter, error) {
	if r.keys < 1 {
		return nil, fmt.Errorf("--rate-limit-keys: %d is less than 1", r.keys)
	}
	local := limit.NewLocal(r.keys, time.Now)
	l := &limiter{
		Deps: ratelimit.Deps{Local: local, Cluster: limit.Alone{Local: local}, Meters: observe.NewLimits()},
		run:  func(context.Context) {},
	}
	metrics.MustRegister(local, l.Meters)
	if r.store == "" {
		if r.passwordFile != "" || r.caFile != "" {
			return nil, errors.New("--rate-limit-store-password-file and --rate-limit-store-ca-file need --rate-limit-store")
		}
		return l, l.share(r.peers, log, metrics)
	}
	if r.peers.bind != "" {
		return nil, errors.New("--rate-limit-store and --rate-limit-peers-bind exclude each other")
	}
	return l, l.keepInStore(r, log, metrics)
}

// share lets replicas hold limits together without a store, if that is asked for.
func (l *limiter) share(f peerFlags, log *slog.Logger, metrics prometheus.Registerer) (err error) {
	l.peers, err = f.build(l.Local, log, metrics)
	if l.peers != nil {
		l.Cluster, l.run = l.peers.store, l.peers.run
	}
	return err
}
