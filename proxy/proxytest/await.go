package proxytest

import (
	"context"
	"testing"
	"time"
)

// Await waits up to 30 s for something that comes by itself and that nobody tells of.
func Await(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-ctx.Done():
			tb.Fatalf("in vain: %s", what)
		}
	}
}
