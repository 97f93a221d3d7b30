//go:build e2e

package e2e

import "testing"

const (
	// mostIdle is how much memory a replica may take where nothing happens, in bytes.
	mostIdle = 60 << 20
	// quiet is how many renewals of a Lease a cluster is watched for.
	quiet = 6
)

// Where nothing happens, nothing is written but Leases.
func TestIdle(t *testing.T) {
	pods := installed(t)
	newApp(t, "idle")
	awaitRenewals(t, pods[0], 1) // what the route gave rise to has been said
	before := readAudit(t)
	awaitRenewals(t, pods[0], quiet)
	writes := readAudit(t).since(before)
	t.Logf("figure: idle for %d renewals of a Lease: writes of %d replicas: %s", quiet, len(pods), writes)
	if len(writes) != 1 || writes["leases"] == 0 {
		t.Errorf("want Leases to be written, and nothing else")
	}
	for _, p := range pods {
		rss := resident(t, p, "/penstock")
		t.Logf("figure: %s takes %.1f MiB", p.Name, float64(rss)/(1<<20))
		if rss > mostIdle {
			t.Errorf("%s takes %d bytes, want at most %d", p.Name, rss, mostIdle)
		}
	}
}
