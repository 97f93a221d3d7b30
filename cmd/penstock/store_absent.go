//go:build quickstart

package main

import (
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// keepInStore stands in for the real one in a build without the client of Redis, whose one package takes half a minute to
// compile: the quickstart has no store.
func (*limiter) keepInStore(*rateLimits, *slog.Logger, prometheus.Registerer) error {
	return errors.New("--rate-limit-store: this build, with the tag quickstart, has no client of Redis: build without it")
}
