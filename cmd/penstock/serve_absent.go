//go:build quickstart

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// serveCommand stands in for the real one in a build without the client of Kubernetes, which is half of all there is to
// compile: `make run` needs none.
func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "serve",
		Short:              "Serve the GatewayRoutes of a cluster (not in this build)",
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("this build, with the tag quickstart, has no client of Kubernetes: build without it")
		},
	}
}
