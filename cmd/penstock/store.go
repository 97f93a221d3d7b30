//go:build !quickstart

package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"

	"github.com/penstock/penstock/proxy/limit/redis"
)

// keepInStore has replicas hold limits together in the store that the flags name.
func (l *limiter) keepInStore(r *rateLimits, log *slog.Logger, metrics prometheus.Registerer) error {
	server, err := r.server()
	if err != nil {
		return err
	}
	store := redis.New(redis.Options{Server: server, Replica: replicaName(), Local: l.Local, Log: log})
	metrics.MustRegister(store)
	l.Cluster, l.run = store, store.Run
	return nil
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
