//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// audit counts what Penstock wrote, by resource and subresource, as the API server's log has it.
type audit map[string]int

// stateOf names a file of the cluster.
func stateOf(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("CLUSTER_STATE")
	if dir == "" {
		t.Fatal("CLUSTER_STATE is not set: hack/cluster/cluster exec sets it")
	}
	return filepath.Join(dir, name)
}

func readAudit(t *testing.T) audit {
	t.Helper()
	f, err := os.Open(stateOf(t, "log/audit"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := audit{}
	for d := json.NewDecoder(f); ; {
		var e auditv1.Event
		if err := d.Decode(&e); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // the last one is being written
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		if o := e.ObjectRef; o != nil && strings.HasPrefix(e.User.Username, "system:serviceaccount:"+system+":") {
			out[strings.TrimSuffix(o.Resource+"/"+o.Subresource, "/")]++
		}
	}
}

// since returns what was written after before was read.
func (a audit) since(before audit) audit {
	out := maps.Clone(a)
	for what, n := range before {
		if out[what] -= n; out[what] == 0 {
			delete(out, what)
		}
	}
	return out
}

func (a audit) String() string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(a)) {
		parts = append(parts, fmt.Sprintf("%d %s", a[what], what))
	}
	return strings.Join(parts, ", ")
}
