package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"

	"github.com/penstock/penstock/proxy/filter/ratelimit"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/limit/redis"
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
		return l, l.share(r.peers, log, metrics)
	}
	if r.peers.bind != "" {
		return nil, errors.New("--rate-limit-store and --rate-limit-peers-bind exclude each other")
	}
	server, err := r.server()
	if err != nil {
		return nil, err
	}
	store := redis.New(redis.Options{Server: server, Replica: replicaName(), Local: local, Log: log})
	metrics.MustRegister(store)
	l.Cluster, l.run = store, store.Run
	return l, nil
}

// share lets replicas hold limits together without a store, if that is asked for.
func (l *limiter) share(f peerFlags, log *slog.Logger, metrics prometheus.Registerer) (err error) {
	l.peers, err = f.build(l.Local, log, metrics)
	if l.peers != nil {
		l.Cluster, l.run = l.peers.store, l.peers.run
	}
	return err
}

func (r *rateLimits) server() (*goredis.UniversalOptions, error) {
	o, err := redis.ParseURL(r.store)
	if err != nil {
		return nil, fmt.Errorf("--rate-limit-store: %w", err)
	}
	if r.passwordFile != "" {
		password, err := os.ReadFile(r.passwordFile)
		if err != nil {
			return nil, fmt.Errorf("--rate-limit-store-password-file: %w", err)
		}
		o.Password = strings.TrimSpace(string(password))
	}
	if r.caFile == "" {
		return o, nil
	}
	if o.TLSConfig == nil {
		return nil, errors.New("--rate-limit-store-ca-file: --rate-limit-store is not a rediss:// URL")
	}
	pem, err := os.ReadFile(r.caFile)
	if err != nil {
		return nil, fmt.Errorf("--rate-limit-store-ca-file: %w", err)
	}
	o.TLSConfig.RootCAs = x509.NewCertPool()
	if !o.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--rate-limit-store-ca-file: %s holds no certificate", r.caFile)
	}
	return o, nil
}

// replicaName tells this process from others that share a store, also from those on the same host.
func replicaName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%d", host, os.Getpid(), time.Now().UnixNano())
}
