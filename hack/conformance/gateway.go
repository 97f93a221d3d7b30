package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Addresses in the network namespace that run.sh makes.
const (
	gatewayAddr = "127.0.0.1:18080"
	adminAddr   = "127.0.0.1:18081"
	originAddr  = "127.0.0.1:19001"
	securePort  = "18443"
)

//go:embed manifests.yaml
var manifests []byte

// gateway is a running `penstock standalone`, which sends all requests to originAddr. But for its addresses it has the default
// configuration, where a suite does not say otherwise.
type gateway struct {
	cmd *exec.Cmd
	log *os.File
	// ended is closed when the process is gone.
	ended chan struct{}
}

// startGateway starts the gateway and waits until it is ready. Its logs go into a file named after the suite.
func startGateway(ctx context.Context, o options, name string, flags []string) (*gateway, error) {
	dir := filepath.Join(o.out, name+"-manifests")
	if err := writeManifests(dir); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(o.out, name+".log"))
	if err != nil {
		return nil, err
	}
	g := &gateway{log: log, ended: make(chan struct{})}
	_, port, _ := net.SplitHostPort(gatewayAddr)
	// It is scheduled as any process is, however this one is.
	where := []string{"--other", "0", o.binary, "standalone", "-f", dir, "--http-port", port, "--https-port", securePort, "--admin-address", adminAddr, "--debug-address", ""}
	g.cmd = exec.CommandContext(ctx, "chrt", slices.Concat(where, []string{"--drain-delay", "0s", "--drain-timeout", "1s"}, flags)...)
	g.cmd.Stdout, g.cmd.Stderr = log, log
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = g.cmd.Wait()
		close(g.ended)
	}()
	if err := g.waitReady(ctx); err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return g, nil
}

func writeManifests(dir string) error {
	secret, err := secretManifest()
	return errors.Join(err, os.RemoveAll(dir), os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "manifests.yaml"), manifests, 0o644),
		os.WriteFile(filepath.Join(dir, "secret.json"), secret, 0o600))
}

// waitReady asks until the admin port says yes, for ten seconds.
func (g *gateway) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-g.ended:
			return fmt.Errorf("the gateway ended: see %s", g.log.Name())
		case <-ctx.Done():
			return fmt.Errorf("the gateway did not get ready: see %s", g.log.Name())
		}
		if resp, err := http.Get("http://" + adminAddr + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
}

// stop ends the gateway, which must have lived until now.
func (g *gateway) stop() error {
	defer g.log.Close()
	select {
	case <-g.ended:
		return fmt.Errorf("the gateway died: see %s", g.log.Name())
	default:
	}
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-g.ended
	return nil
}

// beside runs f beside a gateway with further flags and a backend with the given handler.
func beside(ctx context.Context, o options, name string, handler http.Handler, f func() error, flags ...string) error {
	ln, err := net.Listen("tcp", originAddr)
	if err != nil {
		return err
	}
	origin := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ConnContext: frugal}
	go func() { _ = origin.Serve(ln) }()
	defer func() { _ = origin.Close() }()
	g, err := startGateway(ctx, o, name, flags)
	if err != nil {
		return err
	}
	return errors.Join(f(), g.stop())
}

// frugal has the kernel hold little of what a backend sends. Its megabytes for each connection would count as the gateway's, since here
// they share a kernel, whose memory for TCP has a bound.
func frugal(ctx context.Context, c net.Conn) context.Context {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(64 << 10) // a hint
	}
	return ctx
}
