package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/penstock/penstock/proxy/buffer"
	"github.com/penstock/penstock/proxy/engine"
	"github.com/penstock/penstock/proxy/listener"
)

// dataPlane are the flags of the commands that serve.
type dataPlane struct {
	bindAddress       string
	adminAddress      string
	debugAddress      string
	trustedProxies    []string
	proxyProtocolFrom []string
	mergeSlashes      bool
	accessLog         string
	logLevel          string
	drainDelay        time.Duration
	drainTimeout      time.Duration
	idleTimeout       time.Duration
	headTimeout       time.Duration
	handshakeTimeout  time.Duration
	maxConnections    int
	maxPerClient      int
	maxRequests       int64
	jwksHosts         []string
	rateLimits        rateLimits
}

func (d *dataPlane) add(f *pflag.FlagSet) {
	f.StringVar(&d.bindAddress, "bind-address", "", "address that listeners bind; empty for all, IPv4 and IPv6")
	f.StringVar(&d.adminAddress, "admin-address", ":8081", "address of /metrics, /healthz and /readyz")
	f.StringVar(&d.debugAddress, "debug-address", "127.0.0.1:8082", "loopback address of /debug/snapshot, /debug/table, /debug/endpoints and /debug/pprof; empty for none")
	f.StringSliceVar(&d.trustedProxies, "trusted-proxies", nil, "CIDRs of proxies whose X-Forwarded-* and Forwarded fields are believed")
	f.StringSliceVar(&d.proxyProtocolFrom, "proxy-protocol-from", nil, "CIDRs of load balancers whose connections begin with a PROXY protocol header, version 1 or 2")
	f.BoolVar(&d.mergeSlashes, "merge-slashes", true, "treat several slashes in a path as one")
	f.StringVar(&d.accessLog, "access-log", "stdout", "where the access log goes: stdout, stderr, off or a file's path")
	f.StringVar(&d.logLevel, "log-level", "info", "least severe level that is logged: debug, info, warn or error")
	f.DurationVar(&d.drainDelay, "drain-delay", 5*time.Second, "how long to serve on after SIGTERM while load balancers take notice")
	f.DurationVar(&d.drainTimeout, "drain-timeout", 30*time.Second, "how long requests in flight may take to finish after --drain-delay")
	f.DurationVar(&d.headTimeout, "head-timeout", 10*time.Second, "how long a client may take to send a request's head")
	f.DurationVar(&d.idleTimeout, "idle-timeout", 75*time.Second, "how long a client's connection may be idle between requests")
	f.DurationVar(&d.handshakeTimeout, "handshake-timeout", listener.DefaultOpening, "how long a client may take for the TLS handshake, and a load balancer for a PROXY protocol header")
	f.IntVar(&d.maxConnections, "max-connections", 0, "how many connections of clients may be open; further ones are closed at once. 0: up to 100,000, as descriptors and memory allow")
	f.IntVar(&d.maxPerClient, "max-connections-per-client", 0, "how many of them one IPv4 address or IPv6 /64 network may have. 0: half of --max-connections")
	f.Int64Var(&d.maxRequests, "max-requests-in-flight", engine.DefaultMaxExchanges, "how many requests may be in flight; further ones are answered with 503")
	f.StringSliceVar(&d.jwksHosts, "jwks-hosts", nil, "hosts, such as keycloak.identity.svc or *.corp.example.com, from which the keys of token issuers (jwt.providers[].remoteJWKS) may be fetched though their addresses are not public; all may with --allow-external-backends")
	d.rateLimits.add(f)
}

// hosts are those from which keys may be fetched at addresses that are not public.
func (d *dataPlane) hosts() (out []string, err error) {
	for _, h := range d.jwksHosts {
		h = strings.ToLower(h)
		if _, err := netip.ParseAddr(h); err != nil && len(validation.IsDNS1123Subdomain(strings.TrimPrefix(h, "*."))) > 0 {
			return nil, fmt.Errorf("--jwks-hosts: %q is neither a host, which may start with \"*.\", nor an address", h)
		}
		out = append(out, h)
	}
	return out, nil
}

// prefixes parses the CIDRs of a flag.
func prefixes(flag string, values []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range values {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// bounds are those of connections, where that many descriptors and that many bytes of memory may be used.
func (d *dataPlane) bounds(descriptors uint64, memory int64) listener.Bounds {
	b := listener.Bounds{Connections: d.maxConnections, PerClient: d.maxPerClient, Opening: d.handshakeTimeout}
	if b.Connections <= 0 {
		// Each may have one to a backend besides, and half of the memory is for what requests need.
		b.Connections = int(min(mostConnections, int64(min(descriptors, mostConnections*4))/2, memory/2/connectionSize))
		b.Connections = max(b.Connections, leastConnections)
	}
	if b.PerClient <= 0 {
		b.PerClient = (b.Connections + 1) / 2
	}
	return b
}

// bufferMemory is how much of that memory, in bytes, large heads and bodies may pass through.
func bufferMemory(memory int64) int64 { return min(buffer.DefaultLimit, memory/8) }

const (
	mostConnections  = 100_000
	leastConnections = 100
	connectionSize   = 24 << 10 // bytes of memory of one that is idle, with TLS
)

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
