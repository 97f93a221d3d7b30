package extauth

import (
	"cmp"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"weak"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/live"
)

// Clients are those of the services that speak gRPC, one for each cluster: connections outlive a table. A client ends once the last
// filter that asks it is collected. Clients is safe for concurrent use.
type Clients struct {
	mu        sync.Mutex
	byCluster map[*live.Cluster]weak.Pointer[client]
}

// NewClients returns an empty Clients.
func NewClients() *Clients { return &Clients{byCluster: map[*live.Cluster]weak.Pointer[client]{}} }

// client asks the endpoints of one cluster in turn.
type client struct {
	authv3.AuthorizationClient
	conn *grpc.ClientConn
}

// hasEndpoints is a cluster that can be asked for its endpoints.
type hasEndpoints interface{ Live() *live.Cluster }

func (c *Clients) checker(config *Config, cluster exchange.Handler) (checker, error) {
	h, ok := cluster.(hasEndpoints)
	if !ok {
		return nil, fmt.Errorf("cluster of type %T has no endpoints to connect to", cluster)
	}
	shared, err := c.client(h.Live())
	if err != nil {
		return nil, err
	}
	return &grpcChecker{client: shared, headers: config.Headers}, nil
}

func (c *Clients) client(cluster *live.Cluster) (*client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if shared := c.byCluster[cluster].Value(); shared != nil {
		return shared, nil
	}
	conn, err := dial(cluster)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", cluster.Name, err)
	}
	shared := &client{authv3.NewAuthorizationClient(conn), conn}
	c.byCluster[cluster] = weak.Make(shared)
	runtime.AddCleanup(shared, func(conn *grpc.ClientConn) {
		_ = conn.Close() // it fails only if it has been closed
		c.forget(cluster)
	}, conn)
	return shared, nil
}

// forget drops a cluster, unless a new client took its place in the meantime.
func (c *Clients) forget(cluster *live.Cluster) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byCluster[cluster].Value() == nil {
		delete(c.byCluster, cluster)
	}
}

// maxMessage bounds a service's answer, in bytes.
const maxMessage = 256 << 10

// dial returns a connection that follows the endpoints of a cluster. It connects when it is first used.
func dial(cluster *live.Cluster) (*grpc.ClientConn, error) {
	return grpc.NewClient(scheme+":///"+cluster.Name,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(authority(cluster.Name)),
		grpc.WithResolvers(builder{cluster}),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithNoProxy(),
	)
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
		// It fails where there is no endpoint: then calls wait for one.
		_ = f.conn.UpdateState(resolver.State{Addresses: addresses(f.cluster.Endpoints())})
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
func addresses(e *live.Endpoints) (out []resolver.Address) {
	list := e.Ready
	if len(list) == 0 {
		list = e.Draining
	}
	for _, endpoint := range list {
		out = append(out, resolver.Address{Addr: endpoint.Address.String()})
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
