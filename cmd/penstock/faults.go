//go:build faults && !quickstart

package main

import (
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/penstock/penstock/controllers"
	"github.com/penstock/penstock/proxy/snapshot"
)

// withFaults returns a gateway that takes up no snapshot between SIGUSR1 and SIGUSR2, while everything else goes on: what a replica that
// hangs looks like to the others. It is for tests; released binaries have the other withFaults.
func withFaults(g controllers.Gateway, log *slog.Logger) controllers.Gateway {
	h := &holdable{Gateway: g}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	go h.obey(signals, log)
	return h
}

type holdable struct {
	controllers.Gateway
	held sync.RWMutex
}

// obey holds the gateway with one signal, and lets go of it with the next.
func (h *holdable) obey(signals <-chan os.Signal, log *slog.Logger) {
	for {
		await(signals, syscall.SIGUSR1)
		h.held.Lock()
		log.Warn("fault: snapshots are held back")
		await(signals, syscall.SIGUSR2)
		h.held.Unlock()
		log.Warn("fault: snapshots are let go")
	}
}

func await(signals <-chan os.Signal, want os.Signal) {
	for s := range signals {
		if s == want {
			return
		}
	}
}

func (h *holdable) Apply(s *snapshot.Snapshot) []controllers.Problem {
	h.held.RLock()
	defer h.held.RUnlock()
	return h.Gateway.Apply(s)
}
