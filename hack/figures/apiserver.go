package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// gatewayUser is the gateway's name at the API server.
const gatewayUser = "penstock"

// auditPolicy has the API server log what the gateway lists and watches.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [` + gatewayUser + `]
  verbs: [list, watch]
- level: None
`

// configure has the API server keep its certificates when it restarts, and keep an audit log.
func (l *lab) configure() error {
	policy := filepath.Join(l.dir, "audit.yaml")
	s := l.env.ControlPlane.GetAPIServer()
	s.CertDir = l.dir
	s.Configure().
		// In a namespace without a default route it can't find an address of its own to announce.
		Set("advertise-address", "192.0.2.2").
		Set("audit-policy-file", policy).
		Set("audit-log-path", l.auditLog())
	return os.WriteFile(policy, []byte(auditPolicy), 0o600)
}

func (l *lab) auditLog() string { return filepath.Join(l.dir, "audit.log") }

// restartAPIServer returns once the new one is healthy. etcd stays.
func (l *lab) restartAPIServer() error {
	s := l.env.ControlPlane.GetAPIServer()
	if err := s.Stop(); err != nil {
		return err
	}
	return s.Start()
}

// audited returns what the gateway has listed and watched after a place in the log, and the place of its end.
func (l *lab) audited(after int) ([]auditv1.Event, int, error) {
	b, err := os.ReadFile(l.auditLog())
	if err != nil {
		return nil, 0, err
	}
	end := bytes.LastIndexByte(b, '\n') + 1 // what follows is half written
	var events []auditv1.Event
	for line := range bytes.Lines(b[after:end]) {
		var e auditv1.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, 0, fmt.Errorf("audit log: %w", err)
		}
		events = append(events, e)
	}
	return events, end, nil
}

// sent is how many objects the present API server has sent to watchers of a resource as the state to begin with: a list is nothing else
// to an informer (KEP-3157).
func (l *lab) sent(resource string) (int, error) {
	page, err := l.kubectl("get", "--raw", "/metrics")
	if err != nil {
		return 0, err
	}
	label := fmt.Sprintf("resource=%q", resource)
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "apiserver_init_events_total{") && strings.Contains(line, label) {
			n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, '}')+1:]), 64)
			return int(n), err
		}
	}
	return 0, nil // until there is one there is no sample
}

// kubectl runs kubectl as an administrator, and returns what it printed.
func (l *lab) kubectl(args ...string) (string, error) {
	user, err := l.env.AddUser(envtest.User{Name: "administrator", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return "", err
	}
	k, err := user.Kubectl()
	if err != nil {
		return "", err
	}
	stdout, stderr, err := k.Run(args...)
	printed, err1 := io.ReadAll(stdout)
	complaint, err2 := io.ReadAll(stderr)
	if err := errors.Join(err, err1, err2); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", args[0], err, complaint)
	}
	return string(printed), nil
}

// gate is a way to an address that can be shut.
type gate struct {
	address, to string
	shut        func()
}

// newGate opens one at a port of its own.
func newGate(ctx context.Context, to string) (*gate, error) {
	g := &gate{address: "127.0.0.1:0", to: to}
	return g, g.open(ctx)
}

// open opens it until shut is called or ctx ends; the connections through it end then.
func (g *gate) open(ctx context.Context) error {
	ln, err := net.Listen("tcp", g.address)
	if err != nil {
		return err
	}
	g.address = ln.Addr().String()
	ctx, cancel := context.WithCancel(ctx)
	g.shut = func() {
		cancel()
		_ = ln.Close()
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go g.pass(ctx, c)
		}
	}()
	return nil
}

// pass copies both ways until either side ends.
func (g *gate) pass(ctx context.Context, c net.Conn) {
	defer c.Close()
	d, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer d.Close()
	defer context.AfterFunc(ctx, func() { _ = errors.Join(c.Close(), d.Close()) })()
	go func() {
		_, _ = io.Copy(d, c)
		_ = d.Close()
	}()
	_, _ = io.Copy(c, d)
}
