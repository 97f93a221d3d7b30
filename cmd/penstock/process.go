package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/proxy"
	"github.com/penstock/penstock/proxy/engine"
	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/basicauth"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/proxy/filter/extauth"
	"github.com/penstock/penstock/proxy/filter/jwt"
	"github.com/penstock/penstock/proxy/filter/jwt/jwks"
	"github.com/penstock/penstock/proxy/i18n"
	"github.com/penstock/penstock/proxy/listener"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/router"
	"github.com/penstock/penstock/proxy/snapshot"
)

// process is what serve and standalone have in common: a gateway, how it is seen, and how it ends. Where its
// configuration comes from is theirs.
type process struct {
	flags     dataPlane
	log       *slog.Logger
	metrics   *prometheus.Registry
	collector *collector
	pages     *hugePages
	settle    sync.Once
	settled   chan struct{} // closed once the first configuration serves, and its memory is as it stays
	config    observe.Config
	accessLog *observe.AccessLog
	limiter   *limiter
	tokens    *jwt.Store
	filters   filter.Registry
	gateway   *proxy.Gateway
	draining  atomic.Bool
}

// newProcess builds a process whose routes may reach outside the cluster if external says so.
func newProcess(flags dataPlane, external bool) (*process, error) {
	p := &process{flags: flags, metrics: observe.NewRegistry(version), collector: newCollector(), pages: newHugePages(), settled: make(chan struct{})}
	var level slog.Level
	if err := level.UnmarshalText([]byte(flags.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	p.log = observe.NewLogger(os.Stderr, level)
	bind, err := flags.bind()
	if err != nil {
		return nil, err
	}
	proxies, err := prefixes("proxy-protocol-from", flags.proxyProtocolFrom)
	if err != nil {
		return nil, err
	}
	memory, bounds, err := p.limit()
	if err != nil {
		return nil, err
	}
	hosts, err := flags.hosts()
	if err != nil {
		return nil, err
	}
	p.tokens = jwt.NewStore(p.log, jwks.Reach{Everywhere: external, Hosts: hosts})
	if err := p.buildFilters(); err != nil {
		return nil, err
	}
	p.gateway = proxy.New(proxy.Options{
		Address:           bind,
		Filters:           p.filters,
		Path:              exchange.PathOptions{KeepSlashes: !flags.mergeSlashes},
		Bounds:            bounds,
		ProxyProtocolFrom: proxies,
		MaxRequests:       flags.maxRequests,
		BufferMemory:      bufferMemory(memory),
		Timeouts:          engine.Timeouts{Head: flags.headTimeout, KeepAlive: flags.idleTimeout},
		Log:               p.log,
		Now:               time.Now,
	})
	p.metrics.MustRegister(&p.config)
	p.metrics.MustRegister(p.gateway.Metrics()...)
	return p, nil
}

// limit bounds memory, in bytes, and connections by what this process may have.
func (p *process) limit() (memory int64, b listener.Bounds, err error) {
	memory, err = limitMemory(os.DirFS("/"))
	if err != nil {
		p.log.Warn("the control group's memory limit is unknown", "error", err)
	}
	var descriptors syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &descriptors); err != nil {
		return memory, b, fmt.Errorf("limit of descriptors: %w", err)
	}
	b = p.flags.bounds(descriptors.Cur, memory)
	p.log.Info("limits", "memory", memory, "descriptors", descriptors.Cur, "connections", b.Connections, "connectionsPerClient", b.PerClient)
	return memory, b, nil
}

func (p *process) buildFilters() error {
	trusted, err := prefixes("trusted-proxies", p.flags.trustedProxies)
	if err != nil {
		return err
	}
	catalogue, err := i18n.Embedded()
	if err != nil {
		return err
	}
	out, err := accessLogTarget(p.flags.accessLog)
	if err != nil {
		return fmt.Errorf("--access-log: %w", err)
	}
	p.accessLog = observe.NewAccessLog(out)
	requests, decisions := observe.NewRequests(0), observe.NewDecisions()
	p.metrics.MustRegister(requests, decisions, p.accessLog.Metrics())
	if p.limiter, err = p.flags.rateLimits.build(p.log, p.metrics); err != nil {
		return err
	}
	p.filters = builtin.Registry(builtin.Deps{
		AccessLog: p.accessLog, Requests: requests, Decisions: decisions, Catalogue: catalogue, TrustedProxies: trusted,
		Tokens: p.tokens, Passwords: basicauth.NewStore(), AuthClients: extauth.NewClients(), RateLimits: p.limiter.Deps,
	})
	return nil
}

func accessLogTarget(name string) (io.Writer, error) {
	switch name {
	case "off":
		return io.Discard, nil
	case "stdout":
		return os.Stdout, nil
	case "stderr":
		return os.Stderr, nil
	}
	return os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
}

// source feeds the gateway with configuration until its context ends.
type source func(context.Context) error

// run serves what the source says until ctx ends, and then drains. It fails if a port can't be bound, or the source fails.
func (p *process) run(ctx context.Context, listeners []*snapshot.Listener, feed source, ready readiness) error {
	defer p.accessLog.Close()
	// Configuration and probes go on while connections drain.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if err := p.gateway.Listen(listeners); err != nil {
		return err
	}
	if err := p.listenAdmin(serving, ready); err != nil {
		return err
	}
	go p.gateway.Run(serving)
	go p.limiter.run(serving)
	go p.collector.run(serving, ready)
	go p.pages.run(serving, p.settled)
	failed := make(chan error, 1)
	go func() { failed <- feed(serving) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	p.drain()
	stop()
	return <-failed
}

// drain ends service. At first it only reports that it is not ready, so that load balancers look elsewhere. For the second half of the
// delay each answer sends its client there, while nothing is closed on which a request may be on its way. As long as clients come all the
// same, for a load balancer that is slow to notice, ports stay open, but for half of the timeout at most, so that requests in flight have the
// other half. What is idle after that is closed.
func (p *process) drain() {
	delay, timeout := p.flags.drainDelay, p.flags.drainTimeout
	p.log.Info("draining", "delay", delay, "timeout", timeout)
	p.draining.Store(true)
	time.Sleep(delay / 2)
	p.gateway.Part()
	still := delay / 5 // It belongs to the delay.
	time.Sleep(delay - delay/2 - still)
	ctx, cancel := context.WithTimeout(context.Background(), still+timeout)
	defer cancel()
	coming, enough := context.WithTimeout(ctx, still+timeout/2)
	defer enough()
	p.gateway.Quiet(coming, still)
	if left := p.gateway.Drain(ctx); left > 0 {
		p.log.Warn("connections were cut short", "connections", left)
	}
}

func (p *process) listenAdmin(ctx context.Context, ready readiness) error {
	alive := func() (bool, string) {
		if p.draining.Load() {
			return false, "draining"
		}
		ok, why := ready()
		if !ok {
			return ok, why
		}
		select {
		case <-p.settled:
			return ok, why
		default:
			return false, "the first configuration has been applied just now"
		}
	}
	if err := listenAdmin(ctx, p.log, p.flags.adminAddress, adminServer(p.metrics, alive)); err != nil {
		return fmt.Errorf("--admin-address: %w", err)
	}
	if p.flags.debugAddress == "" {
		return nil
	}
	if a, err := netip.ParseAddrPort(p.flags.debugAddress); err != nil || !a.Addr().IsLoopback() {
		return fmt.Errorf("--debug-address: %q is not an address and port on loopback", p.flags.debugAddress)
	}
	if err := listenAdmin(ctx, p.log, p.flags.debugAddress, debugServer(p.gateway)); err != nil {
		return fmt.Errorf("--debug-address: %w", err)
	}
	return nil
}

// apply makes the gateway serve s and shows it in the metrics.
func (p *process) apply(s *snapshot.Snapshot) []router.Problem {
	problems := p.gateway.Apply(s)
	p.config.Applied(s.Version, time.Now())
	p.log.Info("snapshot applied", "version", s.Version, "routes", s.Routes.Len(), "clusters", s.Clusters.Len())
	p.settle.Do(func() {
		p.pages.look(all) // now, when load balancers send nothing yet
		close(p.settled)
	})
	return problems
}
