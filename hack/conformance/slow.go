package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// attackers connect from an address each, which run.sh adds, with attackEach connections.
	attackers  = 4
	attackEach = 1000
	// idlers are addresses as well, with idleEach connections.
	idlers   = 10
	idleEach = 1000
	// maxConnections has room for them all. The default depends on the descriptors of the machine, half of which are for clients.
	maxConnections = "12000"
	// mayTake is by how much the 99th percentile of good clients may grow, and rounds of how many the median counts.
	mayTake = 2.0
	rounds  = 3
)

// siege is what happens beside the good clients. It begins when start is called and is at its height when that returns.
type siege struct {
	name        string
	connections int
	start       func(context.Context, options) (stop func() error, err error)
}

var sieges = []siege{
	{"slow heads", attackers * attackEach, slowhttptest("-H", "-i", "5", "-x", "24")},
	{"slow bodies", attackers * attackEach, slowhttptest("-B", "-i", "5", "-s", "8192", "-x", "10", "-t", "POST")},
	{"slow readers", attackers * attackEach, slowhttptest("-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32")},
	{"idle connections", idlers * idleEach, idle},
}

// slow asks how much longer good clients wait while others are slow.
func slow(ctx context.Context, o options, details *os.File) (line string, err error) {
	large := bytes.Repeat([]byte("x"), 1<<20)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			_, _ = w.Write(large)
			return
		}
		origin(w, r)
	})
	// The garbage of clients and backends is collected between measurements (tidy): else it would keep the gateway's processor for 20 ms.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	rest, err := stayAwake(ctx, o)
	if err != nil {
		return "", err
	}
	defer rest()
	if err := goFirst(); err != nil {
		return "", err
	}
	var failures []error
	for _, s := range sieges {
		ratio, err := s.median(ctx, o, handler, details)
		line += fmt.Sprintf("%s %.2fx, ", s.name, ratio)
		if err == nil && ratio > mayTake {
			err = fmt.Errorf("the p99 of good clients grew %.2f times", ratio)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return line + fmt.Sprintf("of the p99 of good clients without (%.0fx are allowed)", mayTake), errors.Join(failures...)
}

// stayAwake keeps the gateway's processors from being halted: whatever else there is goes before what it starts. The host of a virtual machine
// gives a halted processor to others, and good clients would wait for milliseconds until it comes back. That of the attackers may be halted:
// from a virtual machine that uses all its processors, the host takes one away all the more often.
func stayAwake(ctx context.Context, o options) (rest func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	rest = cancel
	last, err := strconv.Atoi(o.attackers)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("the attackers' processor: %w", err)
	}
	for cpu := range last {
		cmd := exec.CommandContext(ctx, "taskset", "-c", strconv.Itoa(cpu), "chrt", "--idle", "0", "sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			rest()
			return nil, err
		}
		others := rest
		rest = func() {
			others()
			_ = cmd.Wait() // It was killed.
		}
	}
	return rest, nil
}

// goFirst has good clients and backends run as soon as they have something to do, as if they had a processor of their own: the gateway, with
// which they share one, would else keep it for a slice of some milliseconds where it has much to do that can wait, such as to collect garbage.
// Who has the shorter slice goes first since Linux 6.12; the threads that follow inherit it, and processes would.
func goFirst() error {
	const slice = 100 * time.Microsecond // the shortest that there is
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Runtime: uint64(slice)}
		if err := unix.SchedSetAttr(id, &attr, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("a thread's slice: %w", err)
		}
	}
	return nil
}

// median runs the siege some times and returns the median of the ratios. Each time has a gateway of its own: one that still tidies up after
// the siege before would be slower without a siege.
func (s siege) median(ctx context.Context, o options, handler http.Handler, details *os.File) (float64, error) {
	var ratios []float64
	for range rounds {
		err := beside(ctx, o, "slow", handler, func() error {
			ratio, err := s.round(ctx, o, details)
			ratios = append(ratios, ratio)
			return err
		}, "--max-connections", maxConnections)
		if err != nil {
			return 0, err
		}
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2], nil
}

// tidy collects the garbage of clients and backends, and waits until the gateway has little to do.
func tidy(ctx context.Context) error {
	debug.FreeOSMemory()
	return awaitRest(ctx)
}

// round measures good clients without and with the siege.
func (s siege) round(ctx context.Context, o options, details *os.File) (ratio float64, err error) {
	if err := tidy(ctx); err != nil {
		return 0, err
	}
	without, err := askWell(ctx)
	if err != nil {
		return 0, err
	}
	before, err := metric("gateway_connections_total")
	if err != nil {
		return 0, err
	}
	stop, err := s.start(ctx, o)
	if err != nil {
		return 0, err
	}
	// Some few of the connections are those with which slowhttptest asks how the attack goes.
	if err := awaitMetric(ctx, "gateway_connections_total", before+float64(s.connections)); err != nil {
		return 0, errors.Join(err, stop())
	}
	// Thousands that come within two seconds are a load of their own, whatever they do afterwards. That is what is asked about here.
	if err := tidy(ctx); err != nil {
		return 0, errors.Join(err, stop())
	}
	atStart, err := metric("gateway_connections_open")
	if err != nil {
		return 0, errors.Join(err, stop())
	}
	with, err := askWell(ctx)
	atEnd, metricErr := metric("gateway_connections_open")
	if err := errors.Join(err, metricErr, stop()); err != nil {
		return 0, err
	}
	fmt.Fprintf(details, "%-18s p99 without %v, with %v; open connections %.0f to %.0f\n", s.name, without, with, atStart, atEnd)
	return float64(with) / float64(without), awaitQuiet(ctx)
}

// slowhttptest starts an attack with these flags, from every attacker's address.
func slowhttptest(flags ...string) func(context.Context, options) (func() error, error) {
	return func(ctx context.Context, o options) (func() error, error) {
		ctx, cancel := context.WithCancel(ctx)
		stop := cancel
		_, port, _ := net.SplitHostPort(gatewayAddr)
		for i := range attackers {
			// Who connects to an address of the same machine does so from that address.
			target := fmt.Sprintf("http://192.0.2.%d:%s/large", 10+i, port)
			log, err := os.Create(filepath.Join(o.out, fmt.Sprintf("slowhttptest-%d.log", i)))
			if err != nil {
				stop()
				return nil, err
			}
			args := []string{"-c", o.attackers, "slowhttptest", "-c", strconv.Itoa(attackEach), "-r", "500", "-l", "30", "-p", "5", "-u", target}
			cmd := exec.CommandContext(ctx, "taskset", append(args, flags...)...)
			cmd.Stdout, cmd.Stderr = log, log
			if err := cmd.Start(); err != nil {
				stop()
				return nil, errors.Join(err, log.Close())
			}
			others := stop
			stop = func() {
				others()
				_ = cmd.Wait() // It was killed.
				_ = log.Close()
			}
		}
		return func() error { stop(); return nil }, nil
	}
}

// idle opens connections that make one request each and then nothing.
func idle(ctx context.Context, _ options) (stop func() error, err error) {
	_, port, _ := net.SplitHostPort(gatewayAddr)
	all := make([]*talk, idlers*idleEach)
	failures := make([]error, len(all))
	sideBySide(len(all), func(i int) {
		t, err := dial(ctx, fmt.Sprintf("192.0.2.%d:%s", 20+i%idlers, port))
		if err == nil {
			_, err = fmt.Fprintf(t.conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", authority)
		}
		if err == nil {
			_, err = t.hear(&http.Request{Method: http.MethodGet})
		}
		all[i], failures[i] = t, err
	})
	stop = func() error {
		open, err := metric("gateway_connections_open")
		for _, t := range all {
			t.close()
		}
		if err == nil && int(open) < len(all) {
			err = fmt.Errorf("%.0f of %d idle connections were kept", open, len(all))
		}
		return err
	}
	if err := errors.Join(failures...); err != nil {
		return nil, fmt.Errorf("an idle connection: %w", err)
	}
	return stop, nil
}
