package replicas

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/penstock/penstock/controllers/status"
)

// View is what is known of the replicas that get requests. A replica does while it says that it is there, and for as long as it is
// among the ready endpoints of the Service in front: one that hangs, or is cut off from the API server, still serves what it had. It is
// safe for concurrent use.
type View struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	known map[string]known // by Lease
	front map[string]bool  // the ready addresses of the Service in front; nil if there is none
	// changed is called after something has changed.
	changed func()
}

// known is a replica, and when that was last heard of it by our own clock: those of others may be wrong.
type known struct {
	Replica
	resourceVersion string
	heard           time.Time
}

// NewView returns a View of nothing.
func NewView(log *slog.Logger, now func() time.Time) *View {
	return &View{log: log, now: now, known: map[string]known{}, changed: func() {}}
}

// Notify has f called after each change, from now on.
func (v *View) Notify(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changed = f
}

// Replace tells all Leases there are.
func (v *View) Replace(leases []*coordinationv1.Lease) {
	v.mu.Lock()
	next := make(map[string]known, len(leases))
	for _, l := range leases {
		next[l.Name] = v.read(l)
	}
	v.known = next
	changed := v.changed
	v.mu.Unlock()
	changed()
}

func (v *View) read(l *coordinationv1.Lease) known {
	if k, ok := v.known[l.Name]; ok && k.resourceVersion == l.ResourceVersion {
		return k
	}
	r, err := Parse(l)
	if err != nil {
		v.log.Warn("a replica's report is not understood; it counts as serving nothing", "error", err)
	}
	r.Name = cmp.Or(r.Name, l.Name)
	return known{Replica: r, resourceVersion: l.ResourceVersion, heard: v.now()}
}

// SetFront tells the ready addresses of the Service in front of the replicas; nil if none is known.
func (v *View) SetFront(addresses map[string]bool) {
	v.mu.Lock()
	v.front = addresses
	changed := v.changed
	v.mu.Unlock()
	changed()
}

// Furthest is the latest of the changes that the other replicas take into account.
func (v *View) Furthest(self string) Positions {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := Positions{}
	for _, k := range v.known {
		if k.Name == self || !v.counts(k) {
			continue
		}
		out = Furthest(out, k.Latest())
	}
	return out
}

// Verdict says which of the replicas that get requests have not got somewhere.
type Verdict struct {
	Total int
	Lags  []status.Lag
}

// Judge asks for those that have not reached a position, to which the first came at since.
func (v *View) Judge(need Positions, since time.Time) Verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out Verdict
	unheard := make(map[string]bool, len(v.front))
	for a := range v.front {
		unheard[a] = true
	}
	for _, k := range v.known {
		for _, a := range k.Addresses {
			delete(unheard, a)
		}
		if !v.counts(k) {
			continue
		}
		out.Total++
		if k.Positions.Reached(need) {
			continue
		}
		lag := status.Lag{Replica: k.Name, Since: since}
		if v.isSilent(k) {
			lag.Since = k.heard
		}
		out.Lags = append(out.Lags, lag)
	}
	for a := range unheard {
		out.Total++
		out.Lags = append(out.Lags, status.Lag{Replica: a, Since: since})
	}
	slices.SortFunc(out.Lags, func(a, b status.Lag) int { return cmp.Compare(a.Replica, b.Replica) })
	return out
}

// counts reports whether a replica may get requests.
func (v *View) counts(k known) bool {
	return !v.isSilent(k) || slices.ContainsFunc(k.Addresses, func(a string) bool { return v.front[a] })
}

func (v *View) isSilent(k known) bool { return v.now().Sub(k.heard) > Silence }

var info = prometheus.NewDesc("gateway_replica_info",
	"1 for each replica that gets requests: the version of its program, and the digest of the snapshot that it serves as of its last report.",
	[]string{"replica", "release", "version"}, nil)

// Describe is that of prometheus.Collector.
func (v *View) Describe(ch chan<- *prometheus.Desc) { ch <- info }

// Collect is that of prometheus.Collector.
func (v *View) Collect(ch chan<- prometheus.Metric) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, k := range v.known {
		if v.counts(k) {
			ch <- prometheus.MustNewConstMetric(info, prometheus.GaugeValue, 1, k.Name, k.Release, k.Version)
		}
	}
}
