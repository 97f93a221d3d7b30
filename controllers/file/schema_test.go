package file

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/penstock/penstock/proxy/yield"
)

// With one processor, the network is asked again and again within each check of a large object, so that requests don't wait for its end.
func TestRequestsAreServedWhileALargeObjectIsChecked(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	admissions() // made once, in one go
	const rules, matches = 16, 32
	text := strings.TrimSuffix(routeNamed("large"), rule) + strings.Repeat(rule+"    matches:\n"+
		strings.Repeat("    - {path: {type: PathPrefix, value: /users}, headers: [{name: tenant, value: a}]}\n", matches), rules)

	var asked atomic.Int32
	var ended atomic.Bool
	var network sync.WaitGroup
	network.Go(func() {
		var bell yield.Bell
		defer bell.Close()
		for !ended.Load() {
			if err := bell.Ring(); err != nil {
				t.Error(err)
				return
			}
			asked.Add(1)
		}
	})
	var turns yield.Turns
	turns.Next()
	var read manifest
	read.decode([]byte(text), nil, &turns)
	ended.Store(true)
	network.Wait()
	for _, d := range read.documents {
		if len(d.problems) > 0 {
			t.Fatal(d.problems)
		}
	}
	if n := asked.Load(); n < 2*rules {
		t.Errorf("the network was asked %d times while %d rules with %d matches each were checked", n, rules, matches)
	}
}

// rule is what routeNamed ends with.
const rule = "  - backends: [{service: users, port: 80}]\n"
