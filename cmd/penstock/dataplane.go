package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/pflag"
)

// dataPlane are the flags of the commands that serve.
type dataPlane struct {
	bindAddress    string
	adminAddress   string
	debugAddress   string
	trustedProxies []string
	mergeSlashes   bool
	accessLog      string
	logLevel       string
	drainDelay     time.Duration
	drainTimeout   time.Duration
	idleTimeout    time.Duration
	headTimeout    time.Duration
}

func (d *dataPlane) add(f *pflag.FlagSet) {
	f.StringVar(&d.bindAddress, "bind-address", "", "address that listeners bind; empty for all, IPv4 and IPv6")
	f.StringVar(&d.adminAddress, "admin-address", ":8081", "address of /metrics, /healthz and /readyz")
	f.StringVar(&d.debugAddress, "debug-address", "127.0.0.1:8082", "loopback address of /debug/snapshot, /debug/table, /debug/endpoints and /debug/pprof; empty for none")
	f.StringSliceVar(&d.trustedProxies, "trusted-proxies", nil, "CIDRs of proxies whose X-Forwarded-* and Forwarded fields are believed")
	f.BoolVar(&d.mergeSlashes, "merge-slashes", true, "treat several slashes in a path as one")
	f.StringVar(&d.accessLog, "access-log", "stdout", "where the access log goes: stdout, stderr, off or a file's path")
	f.StringVar(&d.logLevel, "log-level", "info", "least severe level that is logged: debug, info, warn or error")
	f.DurationVar(&d.drainDelay, "drain-delay", 5*time.Second, "how long to serve on after SIGTERM while load balancers take notice")
	f.DurationVar(&d.drainTimeout, "drain-timeout", 30*time.Second, "how long requests in flight may take to finish after --drain-delay")
	f.DurationVar(&d.headTimeout, "head-timeout", 10*time.Second, "how long a client may take to send a request's head")
	f.DurationVar(&d.idleTimeout, "idle-timeout", 75*time.Second, "how long a client's connection may be idle between requests")
}

func (d *dataPlane) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range d.trustedProxies {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %w", err)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func (d *dataPlane) bind() (netip.Addr, error) {
	if d.bindAddress == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(d.bindAddress)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("--bind-address: %w", err)
	}
	return a, nil
}
