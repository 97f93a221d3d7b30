//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// pidOf finds the process of a program in a Pod, as seen from the machine.
func pidOf(t *testing.T, p *corev1.Pod, program string) int {
	t.Helper()
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, path := range groups {
		group, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(group, []byte("pod"+string(p.UID))) {
			continue // it has ended, or is another's
		}
		process := filepath.Dir(path)
		command, err := os.ReadFile(filepath.Join(process, "cmdline"))
		if err != nil || !strings.HasPrefix(string(command), program+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, pid)
	}
	if len(found) != 1 {
		t.Fatalf("%d processes %s were found in %s, want 1", len(found), program, p.Name)
	}
	return found[0]
}

// signal sends a signal to the program of a Pod.
func signal(t *testing.T, p *corev1.Pod, program string, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pidOf(t, p, program), s); err != nil {
		t.Fatalf("%v to %s in %s: %v", s, program, p.Name, err)
	}
}

// resident is how much memory of the program of a Pod is in RAM, in bytes.
func resident(t *testing.T, p *corev1.Pod, program string) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pidOf(t, p, program)), "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatalf("memory of %s: %v", p.Name, err)
	}
	return kib << 10
}
