// Command conformance holds the shipped binary against suites that others wrote: cases of HTTP/1.1 and WebSocket from a folder
// of third-party data, and tools of Debian. It starts `penstock standalone` beside backends of its own on loopback, prints a
// line a suite, writes the details into a folder, and exits non-zero if a suite failed, could not run or ran fewer cases
// than are pinned here. See docs/conformance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

// suite is one comparison. Run writes what it found, case by case, and returns the line to print.
type suite struct {
	name, about string
	run         func(context.Context, options, *os.File) (line string, err error)
}

var suites = []suite{
	{"http11probe", "malformed, ambiguous and unusual requests of Http11Probe", http11probe},
	{"llhttp", "the request tests of llhttp, Node.js's parser", llhttp},
	{"autobahn", "WebSocket frames of the Autobahn test suite, direct and through the gateway", autobahn},
	{"slow", "slowhttptest's attacks, and idle connections, beside good clients", slow},
	{"tls", "testssl.sh against the listener for HTTPS", secure},
	{"jws", "the JSON Web Signatures of Wycheproof through the verifier of the jwt filter", jwsSuite},
}

// options are where things are.
type options struct {
	// binary is the gateway's, data the folder with cases, out the folder for details and logs.
	binary, data, out string
	// attackers is the processor on which slow clients run.
	attackers string
}

func main() {
	var o options
	flag.StringVar(&o.attackers, "attackers", "0", "the `processor` on which slow clients run")
	flag.StringVar(&o.binary, "binary", "bin/penstock", "the binary to test")
	flag.StringVar(&o.data, "data", os.Getenv("CONFORMANCE_DIR"), "folder with the cases of others")
	flag.StringVar(&o.out, "out", "hack/conformance/out", "folder for details")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: conformance [flags] [suite...]")
		for _, s := range suites {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-12s %s\n", s.name, s.about)
		}
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runAll(ctx, o, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "conformance: %v\n", err)
		os.Exit(1)
	}
}

// runAll runs the named suites, or all of them, even if one fails.
func runAll(ctx context.Context, o options, names []string) error {
	for _, n := range names {
		if !slices.ContainsFunc(suites, func(s suite) bool { return s.name == n }) {
			return fmt.Errorf("no suite %s", n)
		}
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	var failed []error
	for _, s := range suites {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		line, err := s.runInto(ctx, o)
		verdict := "ok  "
		if err != nil {
			verdict, failed = "FAIL", append(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		fmt.Printf("%s %-12s %s\n", verdict, s.name, line)
	}
	return errors.Join(failed...)
}

func (s suite) runInto(ctx context.Context, o options) (string, error) {
	details, err := os.Create(filepath.Join(o.out, s.name+".txt"))
	if err != nil {
		return "", err
	}
	line, err := s.run(ctx, o, details)
	return line, errors.Join(err, details.Close())
}
