package replicas

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fixture is a View with a clock of its own.
type fixture struct {
	*testing.T
	*View
	clock time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, clock: began}
	f.View = NewView(slog.New(slog.DiscardHandler), func() time.Time { return f.clock })
	return f
}

// lease is one of a replica that is at a position.
func (f *fixture) lease(name, resourceVersion, address, at string) *coordinationv1.Lease {
	f.Helper()
	text, err := json.Marshal(Report{Incarnation: "1", Release: "v1", Addresses: []string{address}, Version: "digest", Positions: Positions{"Kind": at}})
	if err != nil {
		f.Fatal(err)
	}
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: resourceVersion, Annotations: map[string]string{reportAnnotation: string(text)}},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &name},
	}
}

// expect asks who lags behind a position that was first reached when everything began.
func (f *fixture) expect(at string, total int, lagging ...string) {
	f.Helper()
	v := f.Judge(Positions{"Kind": at}, began)
	if v.Total != total || len(v.Lags) != len(lagging) {
		f.Fatalf("got %+v, want %v of %d", v, lagging, total)
	}
	for i, name := range lagging {
		if v.Lags[i].Replica != name {
			f.Errorf("got %+v, want %v", v.Lags, lagging)
		}
	}
}

func TestWhoHasNotReachedAPositionLags(t *testing.T) {
	f := newFixture(t)
	f.expect("1", 0)
	f.Replace([]*coordinationv1.Lease{f.lease("a", "1", "10.0.0.1", "9"), f.lease("b", "2", "10.0.0.2", "10")})
	f.expect("9", 2)
	f.expect("10", 2, "a") // as numbers
	f.expect("11", 2, "a", "b")
	f.Replace([]*coordinationv1.Lease{f.lease("b", "2", "10.0.0.2", "10")})
	f.expect("10", 1)
}

func TestAPositionCanGoBack(t *testing.T) {
	f := newFixture(t)
	f.Replace([]*coordinationv1.Lease{f.lease("a", "1", "10.0.0.1", "9")})
	f.expect("9", 1)
	f.Replace([]*coordinationv1.Lease{f.lease("a", "2", "10.0.0.1", "")}) // it has started anew
	f.expect("9", 1, "a")
}

func TestASilentReplicaCountsWhileItGetsRequests(t *testing.T) {
	f := newFixture(t)
	f.SetFront(map[string]bool{"10.0.0.1": true})
	f.Replace([]*coordinationv1.Lease{f.lease("a", "1", "10.0.0.1", "9")})
	f.clock = began.Add(Silence + 1)
	f.expect("10", 1, "a")
	if since := f.Judge(Positions{"Kind": "10"}, f.clock).Lags[0].Since; since != began {
		t.Errorf("it lags since %v, want since it was last heard, %v", since, began)
	}
	f.SetFront(map[string]bool{})
	f.expect("10", 0)
	f.Replace([]*coordinationv1.Lease{f.lease("a", "2", "10.0.0.1", "9")}) // it speaks again
	f.expect("10", 1, "a")
}

func TestAnAddressOfWhichNobodyReportsLags(t *testing.T) {
	f := newFixture(t)
	f.SetFront(map[string]bool{"10.0.0.1": true, "10.0.0.2": true})
	f.Replace([]*coordinationv1.Lease{f.lease("a", "1", "10.0.0.1", "9")})
	f.expect("9", 2, "10.0.0.2")
}

func TestAReportThatIsNotUnderstoodServesNothing(t *testing.T) {
	f := newFixture(t)
	l := f.lease("a", "1", "10.0.0.1", "9")
	l.Annotations[reportAnnotation] = "{"
	f.Replace([]*coordinationv1.Lease{l})
	f.expect("1", 1, "a")
}

func TestTheFurthestIsThatOfTheOthers(t *testing.T) {
	f := newFixture(t)
	f.Replace([]*coordinationv1.Lease{f.lease("a", "1", "", "9"), f.lease("b", "2", "", "10"), f.lease("c", "3", "", "11")})
	if got := f.Furthest("c"); got["Kind"] != "10" {
		t.Errorf("got %v, want 10", got)
	}
}

// A list is further than any change, and what has no changes behind it can't be awaited.
func TestTheFurthestIsThatOfChanges(t *testing.T) {
	f := newFixture(t)
	l := f.lease("a", "1", "", "9")
	l.Annotations[reportAnnotation] = `{"positions":{"Kind":"12"},"changes":{}}`
	f.Replace([]*coordinationv1.Lease{l, f.lease("b", "2", "", "10")})
	if got := f.Furthest("c"); got["Kind"] != "10" {
		t.Errorf("got %v, want the 10 of b", got)
	}
	f.expect("12", 2, "b")
}

func TestChangesAreTold(t *testing.T) {
	f := newFixture(t)
	n := 0
	f.Notify(func() { n++; f.Judge(nil, began) })
	f.Replace(nil)
	f.SetFront(nil)
	if n != 2 {
		t.Errorf("was told %d times, want twice", n)
	}
}

func TestTheMetricNamesWhoGetsRequests(t *testing.T) {
	f := newFixture(t)
	r := prometheus.NewRegistry()
	r.MustRegister(f.View)
	series := func() (n int) {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			n += len(family.GetMetric())
		}
		return n
	}
	f.Replace([]*coordinationv1.Lease{f.lease("a", "1", "", "9")})
	if n := series(); n != 1 {
		t.Errorf("%d series, want one", n)
	}
	f.clock = began.Add(Silence + 1)
	if n := series(); n != 0 {
		t.Errorf("%d series of a replica that is gone, want none", n)
	}
}

func TestTheNameOfALeaseIsPossible(t *testing.T) {
	for identity, want := range map[Identity]string{
		{Class: "penstock", Name: "penstock-0"}: "penstock-penstock-0",
		{Class: "penstock", Name: "A/b"}:        "penstock-3646f792d48811a3",
	} {
		if got := identity.lease(); got != want {
			t.Errorf("%v: got %s, want %s", identity, got, want)
		}
	}
}
