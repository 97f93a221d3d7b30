package mesh

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/penstock/penstock/proxy/limit/sharing"
)

const (
	// patience is how long an answer may take.
	patience = time.Second
	// farewell is how long this replica takes to say that it leaves.
	farewell = 200 * time.Millisecond
	// rest is the longest time between two attempts to connect.
	rest = time.Second
	// buffer is that of a connection in each direction, in bytes; it grows no further.
	buffer = 8 << 10
)

// Options are what a Mesh needs.
type Options struct {
	Limiter  *sharing.Limiter
	Identity Identity
	// Trusted are the keys of replicas, besides those that SetPeers names.
	Trusted []Key
	Log     *slog.Logger
}

// Peer is another replica.
type Peer struct {
	// Address is where it listens.
	Address netip.AddrPort
	// Key is its public key; zero if it is among those trusted in any case.
	Key Key
}

// Mesh connects this replica with others. It is safe for concurrent use.
type Mesh struct {
	options Options
	trust   atomic.Pointer[map[Key]struct{}]
	counters

	mu      sync.Mutex
	peers   []Peer
	links   map[netip.AddrPort]context.CancelFunc
	start   func(netip.AddrPort) context.CancelFunc // nil unless Run runs
	running sync.WaitGroup
}

type counters struct{ sent, failed, refused atomic.Uint64 }

// New makes a Mesh without peers.
func New(o Options) *Mesh {
	m := &Mesh{options: o, links: map[netip.AddrPort]context.CancelFunc{}}
	m.SetPeers(nil)
	return m
}

// SetPeers tells which other replicas there are. At most sharing.MaxPeers are connected.
func (m *Mesh) SetPeers(peers []Peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peers = peers
	trust := map[Key]struct{}{}
	for _, k := range m.options.Trusted {
		trust[k] = struct{}{}
	}
	for _, p := range peers {
		if p.Key != (Key{}) {
			trust[p.Key] = struct{}{}
		}
	}
	m.trust.Store(&trust)
	m.connect()
}

func (m *Mesh) trusts(k Key) bool {
	_, ok := (*m.trust.Load())[k]
	return ok
}

// connect begins links to peers that are new and ends those to peers that are no more. The Mesh is locked.
func (m *Mesh) connect() {
	if m.start == nil {
		return
	}
	gone := maps.Clone(m.links)
	for _, p := range m.peers {
		delete(gone, p.Address)
	}
	for address, end := range gone {
		end()
		delete(m.links, address)
	}
	for _, p := range m.peers {
		if _, ok := m.links[p.Address]; !ok && len(m.links) < sharing.MaxPeers {
			m.links[p.Address] = m.start(p.Address)
		}
	}
}

// Run serves on a listener, which it closes, and talks to the peers, until ctx ends. Then it tells them that this replica leaves.
func (m *Mesh) Run(ctx context.Context, ln net.Listener) error {
	config := m.options.Identity.config(m.trusts)
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(config)), grpc.ForceServerCodecV2(codec{}),
		grpc.MaxRecvMsgSize(sharing.MaxMessage), grpc.MaxConcurrentStreams(4), grpc.ConnectionTimeout(patience),
		grpc.ReadBufferSize(buffer), grpc.WriteBufferSize(buffer),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: time.Minute}),
	)
	server.RegisterService(&service, m)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(netutil.LimitListener(ln, 4*sharing.MaxPeers)) }()
	talking, stop := context.WithCancel(ctx)
	m.begin(talking, credentials.NewTLS(config))
	go m.tick(talking)
	defer func() {
		m.end()
		stop()
		m.running.Wait()
		server.Stop()
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("peers on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
		return nil
	}
}

// begin lets links begin.
func (m *Mesh) begin(ctx context.Context, c credentials.TransportCredentials) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.start = func(to netip.AddrPort) context.CancelFunc {
		ctx, cancel := context.WithCancel(ctx)
		link := m.options.Limiter.NewLink()
		m.running.Go(func() { m.talk(ctx, to, link, c) })
		return cancel
	}
	m.connect()
}

// end lets no more links begin.
func (m *Mesh) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.start = nil
	clear(m.links)
}

func (m *Mesh) tick(ctx context.Context) {
	t := time.NewTicker(sharing.Interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			m.options.Limiter.Tick()
		}
	}
}

// talk sends what there is to say to a peer until ctx ends.
func (m *Mesh) talk(ctx context.Context, to netip.AddrPort, link *sharing.Link, c credentials.TransportCredentials) {
	defer link.Close()
	conn, err := dial(to, c)
	if err != nil {
		m.options.Log.Error("a peer can't be connected", "peer", to, "error", err)
		return
	}
	defer func() { _ = conn.Close() }() // it can only be closed already
	due := time.NewTicker(sharing.Interval)
	defer due.Stop()
	log := contact{log: m.options.Log.With("peer", to)}
	for {
		select {
		case <-ctx.Done():
			m.leave(ctx, conn)
			return
		case <-due.C:
		}
		message, ok := link.Next()
		if !ok {
			continue
		}
		answer, err := m.send(ctx, conn, message)
		if err == nil {
			link.Answered(answer)
		}
		if ctx.Err() == nil {
			log.note(err, time.Now())
		}
	}
}

func dial(to netip.AddrPort, c credentials.TransportCredentials) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+to.String(),
		grpc.WithTransportCredentials(c), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(sharing.MaxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: sharing.Interval, Multiplier: 1.6, Jitter: 0.2, MaxDelay: rest},
			MinConnectTimeout: patience,
		}),
		grpc.WithReadBufferSize(buffer), grpc.WithWriteBufferSize(buffer), grpc.WithNoProxy(), grpc.WithDisableServiceConfig())
}

func (m *Mesh) send(ctx context.Context, conn *grpc.ClientConn, message sharing.Message) (answer sharing.Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m.sent.Add(1)
	if err = conn.Invoke(ctx, exchange, &message, &answer); err != nil {
		m.failed.Add(1)
	}
	return answer, err
}

// leave tells a peer that this replica admits nothing any more, if it is the process that ends and not the peer that has gone.
func (m *Mesh) leave(ctx context.Context, conn *grpc.ClientConn) {
	m.mu.Lock()
	ends := m.start == nil
	m.mu.Unlock()
	if !ends {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	// Who doesn't hear it waits for sharing.Timeout instead.
	_, _ = m.send(ctx, conn, m.options.Limiter.Farewell())
}

// hear is called for each message that comes.
func (m *Mesh) hear(ctx context.Context, message sharing.Message) (sharing.Answer, error) {
	if err := sender(ctx, m.trusts); err != nil {
		m.refused.Add(1)
		return sharing.Answer{}, err
	}
	return m.options.Limiter.Hear(message), nil
}
