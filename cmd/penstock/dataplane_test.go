package main

import (
	"math"
	"testing"
)

func TestConnectionBounds(t *testing.T) {
	const gib = 1 << 30
	for _, tt := range []struct {
		name                   string
		flags                  dataPlane
		descriptors            uint64
		memory                 int64
		connections, perClient int
	}{
		{"plenty of everything", dataPlane{}, 1 << 20, 64 * gib, 100_000, 50_000},
		{"no limit at all", dataPlane{}, math.MaxUint64, math.MaxInt64, 100_000, 50_000},
		{"few descriptors, half of them for backends", dataPlane{}, 1024, math.MaxInt64, 512, 256},
		{"little memory, half of it for requests", dataPlane{}, 1 << 20, gib / 4, 5461, 2731},
		{"next to nothing", dataPlane{}, 64, 1 << 20, 100, 50},
		{"as the flags say", dataPlane{maxConnections: 200_000, maxPerClient: 7}, 1024, gib, 200_000, 7},
		{"a client's share of what the flag says", dataPlane{maxConnections: 1}, 1024, gib, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.flags.bounds(tt.descriptors, tt.memory)
			if got.Connections != tt.connections || got.PerClient != tt.perClient {
				t.Errorf("got %+v, want %d and %d", got, tt.connections, tt.perClient)
			}
		})
	}
}
