package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/limit/sharing"
	"github.com/penstock/penstock/proxy/limit/sharing/mesh"
)

// peerFlags are the flags of replicas that hold limits together without a store.
type peerFlags struct {
	bind       string
	addresses  []string
	secretFile string
}

func (p *peerFlags) add(f *pflag.FlagSet) {
	f.StringVar(&p.bind, "rate-limit-peers-bind", "", "address and port at which other replicas tell how much of limits of scope Cluster they have used, if there is no --rate-limit-store; empty: each replica allows the whole limit")
	f.StringSliceVar(&p.addresses, "rate-limit-peers", nil, "HOST:PORT of other replicas, where no cluster tells them; all addresses of a host count, and this replica may be among them")
	f.StringVar(&p.secretFile, "rate-limit-peers-secret-file", "", "file with the secret by which the replicas of --rate-limit-peers know each other: 32 characters or more. Of several lines the first is used and all are accepted")
}

// peers is the mesh of replicas, as the commands that serve see it.
type peers struct {
	*mesh.Mesh
	store *sharing.Limiter
	key   mesh.Key
	port  uint16
	run   func(context.Context)
}

// build binds the socket. It is nil without one.
func (p *peerFlags) build(local *limit.Local, log *slog.Logger, metrics prometheus.Registerer) (*peers, error) {
	if p.bind == "" {
		if len(p.addresses) > 0 || p.secretFile != "" {
			return nil, errors.New("--rate-limit-peers and --rate-limit-peers-secret-file need --rate-limit-peers-bind")
		}
		return nil, nil
	}
	identities, err := p.identities()
	if err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", p.bind)
	if err != nil {
		return nil, fmt.Errorf("--rate-limit-peers-bind: %w", err)
	}
	o := mesh.Options{Limiter: sharing.New(sharing.Options{Local: local, Now: time.Now}), Identity: identities[0], Log: log}
	if p.secretFile != "" {
		for _, i := range identities {
			o.Trusted = append(o.Trusted, i.Key)
		}
	}
	out := &peers{Mesh: mesh.New(o), store: o.Limiter, key: identities[0].Key}
	if a, ok := ln.Addr().(*net.TCPAddr); ok {
		out.port = a.AddrPort().Port()
	}
	out.run = func(ctx context.Context) {
		if len(p.addresses) > 0 {
			go p.follow(ctx, out.SetPeers, log)
		}
		if err := out.Run(ctx, ln); err != nil {
			log.Error("rate limits are not shared any more", "error", err)
		}
	}
	metrics.MustRegister(out.Metrics()...)
	return out, nil
}

// identities are those of the secret, or else a new one, which others are told.
func (p *peerFlags) identities() ([]mesh.Identity, error) {
	for _, a := range p.addresses {
		if _, port, err := net.SplitHostPort(a); err != nil {
			return nil, fmt.Errorf("--rate-limit-peers: %w", err)
		} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil, fmt.Errorf("--rate-limit-peers: %q has no port", a)
		}
	}
	if p.secretFile == "" {
		if len(p.addresses) > 0 {
			return nil, errors.New("--rate-limit-peers needs --rate-limit-peers-secret-file")
		}
		i, err := mesh.NewIdentity()
		return []mesh.Identity{i}, err
	}
	text, err := os.ReadFile(p.secretFile)
	if err != nil {
		return nil, fmt.Errorf("--rate-limit-peers-secret-file: %w", err)
	}
	all, err := mesh.SharedIdentities(string(text))
	if err != nil {
		return nil, fmt.Errorf("--rate-limit-peers-secret-file: %s: %w", p.secretFile, err)
	}
	return all, nil
}

// lookupEvery is how often the hosts of --rate-limit-peers are looked up.
const lookupEvery = 5 * time.Second

// follow sets the peers to the addresses of the hosts until ctx ends.
func (p *peerFlags) follow(ctx context.Context, set func([]mesh.Peer), log *slog.Logger) {
	t := time.NewTicker(lookupEvery)
	defer t.Stop()
	var last []mesh.Peer
	for failing := false; ; {
		found, err := p.lookup(ctx)
		if err != nil && !failing {
			log.Warn("peers were not found, will retry", "error", err)
		}
		failing = err != nil
		// A name that can't be looked up may lead to replicas that are there still.
		if !slices.Equal(found, last) && (err == nil || len(found) > len(last)) {
			set(found)
			last = found
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (p *peerFlags) lookup(ctx context.Context) (found []mesh.Peer, failed error) {
	for _, a := range p.addresses {
		host, port, _ := net.SplitHostPort(a)        // checked at the start
		number, _ := strconv.ParseUint(port, 10, 16) // as well
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			failed = fmt.Errorf("--rate-limit-peers: %w", err)
			continue
		}
		for _, ip := range ips {
			found = append(found, mesh.Peer{Address: netip.AddrPortFrom(ip.Unmap(), uint16(number))})
		}
	}
	slices.SortFunc(found, func(a, b mesh.Peer) int { return a.Address.Compare(b.Address) })
	return slices.Compact(found), failed
}
