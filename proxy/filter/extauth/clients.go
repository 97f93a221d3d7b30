package extauth

import (
	"cmp"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"

	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/shared"
	"github.com/penstock/penstock/proxy/live"
)

// Clients are those of the services that connections to backends don't do for, because they speak gRPC or TLS: one for each cluster
// and each way to verify it, since connections outlive a table. A client ends once the last filter that asks it is collected. Clients is
// safe for concurrent use.
type Clients struct {
	grpc  shared.Pool[peer, client]
	https shared.Pool[peer, secured]
}

// NewClients returns an empty Clients.
func NewClients() *Clients { return new(Clients) }

// client asks the endpoints of one cluster in turn.
type client struct{ authv3.AuthorizationClient }

// hasEndpoints is a cluster that can be asked for its endpoints.
type hasEndpoints interface{ Live() *live.Cluster }

// checker returns what asks the service as a configuration says.
func (c *Clients) checker(config *Config, env filter.Env) (checker, error) {
	cluster, err := env.Cluster(env.Clusters[0])
	if err != nil {
		return nil, err
	}
	if config.Protocol != ProtocolGRPC && config.TLS == nil {
		return newHTTPChecker(config, cluster), nil
	}
	h, ok := cluster.(hasEndpoints)
	if !ok {
		return nil, fmt.Errorf("cluster of type %T has no endpoints to connect to", cluster)
	}
	p, err := config.peer(h.Live(), env.Secret)
	if err != nil {
		return nil, err
	}
	if config.Protocol == ProtocolGRPC {
		return c.grpcChecker(config, p)
	}
	s, err := c.https.Get(p, func() (*secured, error) { return newSecured(p) })
	return newHTTPChecker(config, s), err
}

func (c *Clients) grpcChecker(config *Config, p peer) (checker, error) {
	shared, err := c.grpc.Get(p, func() (*client, error) { return dial(p) })
	return &grpcChecker{client: shared, headers: config.Headers}, err
}

// maxMessage bounds a service's answer, in bytes.
const maxMessage = 256 << 10

// retries are how often an endpoint is tried to which no connection can be made. Requests don't wait for it: they fail at once.
var retries = backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: time.Second}

// dial returns a client that follows the endpoints of a cluster. It connects when it is first used.
func dial(p peer) (*client, error) {
	config, err := p.config()
	if err != nil {
		return nil, err
	}
	transport, name := insecure.NewCredentials(), authority(p.cluster.Name)
	if config != nil {
		transport, name = credentials.NewTLS(config), p.name
	}
	conn, err := grpc.NewClient(scheme+":///"+p.cluster.Name,
		grpc.WithTransportCredentials(transport),
		grpc.WithAuthority(name),
		grpc.WithResolvers(builder{p.cluster}),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retries, MinConnectTimeout: 5 * time.Second}),
		grpc.WithNoProxy(),
	)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", p.cluster.Name, err)
	}
	c := &client{authv3.NewAuthorizationClient(conn)}
	runtime.AddCleanup(c, func(conn *grpc.ClientConn) { _ = conn.Close() }, conn) // it fails only if it has been closed
	return c, nil
}

// authority makes a name of a host of a cluster's: "shop/opa:9191" becomes "opa.shop:9191".
func authority(cluster string) string {
	namespace, service, ok := strings.Cut(cluster, "/")
	if !ok {
		return cluster
	}
	name, port, _ := strings.Cut(service, ":")
	return name + "." + namespace + ":" + cmp.Or(port, "80")
}

const scheme = "penstock"

// builder makes resolvers for one cluster.
type builder struct{ cluster *live.Cluster }

func (builder) Scheme() string { return scheme }

func (b builder) Build(_ resolver.Target, conn resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	f := &follower{cluster: b.cluster, conn: conn, stop: make(chan struct{})}
	f.running.Go(f.run)
	return f, nil
}

// follower tells a connection of each change of a cluster's endpoints.
type follower struct {
	cluster *live.Cluster
	conn    resolver.ClientConn
	stop    chan struct{}
	running sync.WaitGroup
}

func (f *follower) run() {
	for {
		changed := f.cluster.Changed()
		var state resolver.State
		for _, a := range addresses(f.cluster.Endpoints()) {
			state.Addresses = append(state.Addresses, resolver.Address{Addr: a.String()})
		}
		// It fails where there is no endpoint: then calls fail until there is one.
		_ = f.conn.UpdateState(state)
		select {
		case <-changed:
		case <-f.cluster.Retired():
			return
		case <-f.stop:
			return
		}
	}
}

// addresses are those of the endpoints that are ready, or, without any, of those that still serve.
func addresses(e *live.Endpoints) (out []netip.AddrPort) {
	list := e.Ready
	if len(list) == 0 {
		list = e.Draining
	}
	for _, endpoint := range list {
		out = append(out, endpoint.Address)
	}
	return out
}

// ResolveNow does nothing: changes come by themselves.
func (*follower) ResolveNow(resolver.ResolveNowOptions) {}

// Close ends the follower.
func (f *follower) Close() {
	close(f.stop)
	f.running.Wait()
}
