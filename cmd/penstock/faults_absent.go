//go:build !faults && !quickstart

package main

import (
	"log/slog"

	"github.com/penstock/penstock/controllers"
)

// withFaults returns g: only a build with the tag faults, which tests use, can be made to fail.
func withFaults(g controllers.Gateway, _ *slog.Logger) controllers.Gateway { return g }
