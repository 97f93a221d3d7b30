package standalone

import (
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// startOther starts a program that is not ours, whose binary the environment names in variable, and waits until it listens at all
// addresses. It returns what kills it.
func startOther(t *testing.T, variable string, addresses []string, flags ...string) (kill func()) {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatal(variable + " must name a binary; make test builds one")
	}
	c := exec.Command(path, flags...)
	log := &lines{}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("%s:\n%s", path, log)
		}
	})
	for _, address := range addresses {
		eventually(t, path+" to listen at "+address, func() bool {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				return false
			}
			conn.Close()
			return true
		})
	}
	return kill
}
