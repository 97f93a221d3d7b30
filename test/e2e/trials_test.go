//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/penstock/penstock/api/v1alpha1"
)

const (
	// usualTries is how often Ready is put to the test in each scenario, unless $E2E_TRIES says otherwise.
	usualTries = 200
	// lanes is how many routes are tried at a time.
	lanes = 100
)

// tries is how often Ready is put to the test.
func tries(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("E2E_TRIES"), strconv.Itoa(usualTries)))
	if err != nil {
		t.Fatalf("E2E_TRIES: %v", err)
	}
	return n
}

// trials put Ready to the test: routes are changed, and as soon as a watch shows that a change is Ready, every replica that is Ready
// itself is asked at once. A replica that becomes Ready is asked for all that was Ready before.
type trials struct {
	*testing.T
	fleet *fleet
	lanes map[string]*lane
	stop  context.CancelFunc
	began time.Time
	work  sync.WaitGroup

	mu      sync.Mutex
	figures trialFigures
}

// trialFigures are what the trials came to.
type trialFigures struct {
	// tries are changes that were seen to be Ready, answers those of replicas that were asked then or when they joined.
	tries, answers, joins int
	// silent counts questions to replicas that were gone or going.
	silent int
	old    []string
	waits  []time.Duration // from a change to Ready
}

// lane is one route under trial.
type lane struct {
	*trials
	host  string
	route *v1alpha1.GatewayRoute // as it was last written
	// latest is the route as the watch last showed it.
	latest chan *v1alpha1.GatewayRoute

	mu sync.Mutex
	// shown is the route as last seen; served is the number of the last change that was seen to be Ready.
	shown  *v1alpha1.GatewayRoute
	served int
	// asking says that replicas are being asked, of which one that is stopped does not answer.
	asking bool
	lines  map[types.UID]*line // used by the lane's own goroutine
}

// startTrials makes the routes and begins.
func startTrials(t *testing.T) *trials {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	tr := &trials{T: t, lanes: map[string]*lane{}, stop: stop}
	for i := range lanes {
		l := &lane{
			trials: tr, host: fmt.Sprintf("trial-%d.example.com", i), route: said(fmt.Sprintf("trial-%d", i), numbered(0)),
			latest: make(chan *v1alpha1.GatewayRoute, 1), lines: map[types.UID]*line{},
		}
		create(t, l.route)
		tr.lanes[l.route.Name] = l
	}
	tr.fleet = followFleet(t, func(p *corev1.Pod) { tr.join(ctx, p) })
	tr.work.Go(func() {
		observe(ctx, &v1alpha1.GatewayRouteList{}, []client.ListOption{client.InNamespace(apps)}, func(_ watch.EventType, r *v1alpha1.GatewayRoute) {
			if l := tr.lanes[r.Name]; l != nil {
				l.show(r)
			}
		})
	})
	tr.began = time.Now()
	for _, l := range tr.lanes {
		tr.work.Go(func() { l.run(ctx) })
	}
	t.Cleanup(func() { stop(); tr.work.Wait() })
	return tr
}

func numbered(n int) string { return fmt.Sprintf("answer %d", n) }

// numberOf is n of a text that numbered gave; -1 of another one.
func numberOf(text string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(text, "answer "))
	if err != nil {
		return -1
	}
	return n
}

// show takes notice of the route as the watch has it.
func (l *lane) show(r *v1alpha1.GatewayRoute) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown = r
	select { // the one before is of no interest any more
	case <-l.latest:
	default:
	}
	l.latest <- r
}

// run makes one change after another until ctx ends.
func (l *lane) run(ctx context.Context) {
	for n := 1; ctx.Err() == nil; n++ {
		began := time.Now()
		generation, err := l.change(ctx, n)
		if err != nil || !l.awaitServed(ctx, generation) {
			return
		}
		took := time.Since(began)
		l.enter(n, true)
		l.askAll(ctx, n)
		l.enter(n, false)
		l.count(func(f *trialFigures) { f.tries++; f.waits = append(f.waits, took) })
	}
}

func (l *lane) enter(served int, asking bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.served, l.asking = served, asking
}

// change gives the route its nth text and returns the generation that has it. It tries until the API server takes it.
func (l *lane) change(ctx context.Context, n int) (generation int64, err error) {
	patch := fmt.Appendf(nil, `[{"op":"replace","path":"/spec/rules/0/filters/directResponse/body","value":%q}]`, numbered(n))
	err = wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		return admin.Patch(ctx, l.route, client.RawPatch(types.JSONPatchType, patch)) == nil, nil
	})
	return l.route.Generation, err
}

func (l *lane) awaitServed(ctx context.Context, generation int64) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case r := <-l.latest:
			if r.Generation == generation && isServed(r) {
				return true
			}
		}
	}
}

// askAll asks every replica that is Ready for the nth text, all at once.
func (l *lane) askAll(ctx context.Context, n int) {
	var asking sync.WaitGroup
	for _, p := range l.fleet.ready() {
		kept := l.lines[p.UID]
		if kept == nil {
			kept = &line{}
			l.lines[p.UID] = kept
		}
		asking.Go(func() { l.judge(ctx, kept, p, n, "") })
	}
	asking.Wait()
}

// judge asks one replica, which must have the nth text or a later one.
func (l *lane) judge(ctx context.Context, kept *line, p *corev1.Pod, n int, when string) {
	asked := time.Now()
	text, err := kept.ask(ctx, direct(p), l.host)
	if ctx.Err() != nil {
		return
	}
	l.count(func(f *trialFigures) {
		switch {
		case err != nil:
			f.silent++
		case numberOf(text) < n:
			f.old = append(f.old, fmt.Sprintf("%s: %s asked %s%s, wanted %d or later, got %q", asked.Format("15:04:05.000"), p.Name, l.host, when, n, text))
		default:
			f.answers++
		}
	})
}

// join asks a replica that has become Ready for all that was Ready before.
func (tr *trials) join(ctx context.Context, p *corev1.Pod) {
	want := map[*lane]int{}
	for _, l := range tr.lanes {
		l.mu.Lock()
		want[l] = l.served
		l.mu.Unlock()
	}
	tr.count(func(f *trialFigures) { f.joins++ })
	var kept line
	for l, n := range want {
		l.judge(ctx, &kept, p, n, " as it joined")
	}
	if kept.c != nil {
		kept.c.close()
	}
}

func (tr *trials) count(change func(*trialFigures)) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	change(&tr.figures)
}

func (tr *trials) done() (n int) {
	tr.count(func(f *trialFigures) { n = f.tries })
	return n
}

// await waits until so many more tries are done.
func (tr *trials) await(more int) {
	tr.Helper()
	want := tr.done() + more
	tr.until(fmt.Sprintf("%d more tries are done", more), func() bool { return tr.done() >= want })
}

// until waits for something that the trials themselves bring about.
func (tr *trials) until(what string, ok func() bool) {
	tr.Helper()
	if err := wait.PollUntilContextTimeout(tr.Context(), pace, patience, true, func(context.Context) (bool, error) { return ok(), nil }); err != nil {
		tr.Fatalf("waited in vain until %s", what)
	}
}

// awaitLag waits until no lane gets on, since its route says that a replica, and it alone, does not serve it.
func (tr *trials) awaitLag(p *corev1.Pod) {
	tr.Helper()
	tr.until("all routes wait for "+p.Name, func() bool { return tr.waitFor(p) })
}

// waitFor reports whether no lane gets on for that reason.
func (tr *trials) waitFor(p *corev1.Pod) bool {
	waiting := 0
	for _, l := range tr.lanes {
		switch asking, lags := l.waitsFor(p); {
		case lags:
			waiting++
		case !asking:
			return false
		}
	}
	return waiting > 0
}

// waitsFor reports whether the lane waits for a replica to answer, or its route for that replica to serve it.
func (l *lane) waitsFor(p *corev1.Pod) (asking, lags bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asking || l.shown == nil {
		return l.asking, false
	}
	c := meta.FindStatusCondition(l.shown.Status.Conditions, v1alpha1.ConditionReady)
	return false, c != nil && c.Reason == v1alpha1.ReasonReplicasLag && c.ObservedGeneration == l.shown.Generation &&
		strings.HasPrefix(c.Message, "2 of 3 replicas serve") && strings.Contains(c.Message, p.Name)
}

// end stops, prints what it came to, and fails the test if an answer was old.
func (tr *trials) end(what string) {
	tr.Helper()
	tr.stop()
	tr.work.Wait()
	f, took := tr.figures, time.Since(tr.began)
	tr.Logf("figure: Ready, %s: %d tries in %.0f s, %d answers and %d old ones; %d replicas joined, %d questions to replicas that were gone; with %d changes at a time each took %s",
		what, f.tries, took.Seconds(), f.answers, len(f.old), f.joins, f.silent, lanes, percentiles(f.waits))
	for i, old := range f.old {
		if i == 20 {
			tr.Errorf("and %d more", len(f.old)-i)
			break
		}
		tr.Error(old)
	}
}
