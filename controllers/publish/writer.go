// Package publish writes the status of objects to the API server, and says as Events what was refused.
package publish

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/replicas"
	"github.com/penstock/penstock/controllers/status"
	"github.com/penstock/penstock/proxy/radix"
)

const (
	// workers bounds the writes in flight.
	workers = 4
	// batch is the least time between two looks at what was submitted: a burst of changes is one write for each object.
	batch = 100 * time.Millisecond
	// settle is how long a status that somebody else has changed is left alone, so that two programs that disagree
	// cost the API server at most a write a second for each object.
	settle = time.Second
	// firstRetry and lastRetry bound the time before a failed write is tried again.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// Submission is what there is to say about all objects. What it refers to is never written.
type Submission struct {
	// Reports are those of a translation. The key of an object's report is always the same, and shared by no other. What has
	// not changed since the last submission is passed over, as far as it is shared.
	Reports *radix.Tree[status.Report]
	// Faults are the sentences that say what kept an object's routes from being programmed.
	Faults map[status.Object]string
	// Seen is up to where changes had been taken notice of.
	Seen replicas.Positions
}

// Options are what a Writer needs.
type Options struct {
	// Client writes the subresource status. It bounds the rate of requests.
	Client client.SubResourceWriter
	// Cached returns the object as it was last seen, which is not to be written; nil if there is none.
	Cached func(status.Object) client.Object
	Events recorder.EventRecorder
	// Replicas knows what the replicas serve.
	Replicas *replicas.View
	// Place is what positions call a kind in a namespace.
	Place func(kind, namespace string) string
	// Addresses are where routes can be reached.
	Addresses func() []v1alpha1.Address
	// Owner owns the fields that are written. It is the same for all replicas of an installation, so that a new
	// leader takes over what the old one wrote.
	Owner   client.FieldOwner
	Log     *slog.Logger
	Metrics *Metrics
	Now     func() time.Time
}

// Writer makes the status of objects what was last submitted. It works while Run runs, which is for the leader to do;
// until then it only remembers. It writes nothing that the object says already. It is safe for concurrent use.
type Writer struct {
	Options
	submitted chan struct{}

	mu     sync.Mutex // guards what follows
	latest Submission
	// absorbed is the submission that wanted was made of.
	absorbed Submission
	wanted   map[status.Object]*want
	changes  workqueue.TypedRateLimitingInterface[status.Object] // nil unless Run runs
	// awaited are the objects that not all replicas serve, as far as is known.
	awaited map[status.Object]struct{}
	// told are the refusals of objects whose kind has no conditions, as they were told last.
	told map[status.Object][]metav1.Condition
	// addresses are those that were written last.
	addresses []v1alpha1.Address
}

// want is what one object's status should be.
type want struct {
	report *status.Report // nil if nothing of ours
	fault  string
	// need is where replicas must be to serve the object as it is; nil once all have been there. It has been so since.
	need  replicas.Positions
	since time.Time
	// written is what was written last, until the cache has seen it.
	written *written
}

type written struct {
	resourceVersion string
	body            body
}

// seen takes notice of the object as the cache has it.
func (w *want) seen(o client.Object) {
	if w.written != nil && !newer(w.written.resourceVersion, o.GetResourceVersion()) {
		w.written = nil
	}
}

// NewWriter returns a Writer to which nothing was submitted yet.
func NewWriter(o Options) *Writer {
	return &Writer{Options: o, submitted: make(chan struct{}, 1)}
}

// Submit replaces what is to be written. It never blocks on a write.
func (w *Writer) Submit(s Submission) {
	w.mu.Lock()
	w.latest = s
	w.mu.Unlock()
	select {
	case w.submitted <- struct{}{}:
	default:
	}
}

// Observe takes notice of an object that has changed, but not its generation: somebody wrote its status. Unless it says
// what it should, that is written again.
func (w *Writer) Observe(kind string, o client.Object) {
	key := status.Object{Kind: kind, NamespacedName: client.ObjectKeyFromObject(o)}
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := w.wanted[key]
	if w.changes == nil || wanted == nil || wanted.report == nil {
		return
	}
	wanted.seen(o)
	if !w.bodyFor(wanted, o).same(bodyOf(o)) {
		w.changes.AddAfter(key, settle)
	}
}

// Run writes until ctx ends and no write is in flight any more. What was submitted before is compared with every object.
func (w *Writer) Run(ctx context.Context) {
	changes := w.start()
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for w.next(ctx, changes) {
			}
		})
	}
	w.Replicas.Notify(w.review)
	defer w.Replicas.Notify(func() {})
	lookAgain := time.NewTicker(settle)
	defer lookAgain.Stop()
	for ctx.Err() == nil {
		w.absorb()
		select {
		case <-ctx.Done():
		case <-lookAgain.C:
			w.reviewAll()
		case <-w.submitted:
			wait(ctx, batch)
		}
	}
	w.stop()
	working.Wait()
}

func (w *Writer) start() workqueue.TypedRateLimitingInterface[status.Object] {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.absorbed, w.wanted, w.awaited = Submission{}, map[status.Object]*want{}, map[status.Object]struct{}{}
	w.told = map[status.Object][]metav1.Condition{}
	w.addresses = w.Addresses()
	w.changes = workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[status.Object](firstRetry, lastRetry))
	return w.changes
}

func (w *Writer) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes.ShutDown()
	w.changes, w.wanted, w.absorbed = nil, nil, Submission{}
}

// absorb queues the objects about which something else is submitted than the last time.
func (w *Writer) absorb() {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, now := w.absorbed, w.latest
	w.absorbed = now
	for _, c := range last.Reports.Diff(now.Reports) {
		if c.New != nil {
			w.want(c.New, now)
		} else {
			w.withdraw(c.Old.Object())
		}
	}
	for _, faults := range []map[status.Object]string{last.Faults, now.Faults} {
		for key := range faults {
			if wanted := w.wanted[key]; wanted != nil && wanted.report != nil {
				w.want(wanted.report, now)
			}
		}
	}
	w.Metrics.pending.Set(float64(w.changes.Len()))
}

// want queues the object of a report unless that was wanted already.
func (w *Writer) want(r *status.Report, now Submission) {
	key := r.Object()
	wanted, known := w.wanted[key]
	if !known {
		wanted = &want{}
		w.wanted[key] = wanted
	}
	fault := now.Faults[key]
	if known && wanted.report == r && wanted.fault == fault {
		return
	}
	w.require(wanted, r, fault, now.Seen)
	wanted.report, wanted.fault = r, fault
	w.changes.Add(key)
}

// withdraw queues an object that is no longer ours to report on: it is gone or of another class.
func (w *Writer) withdraw(key status.Object) {
	if wanted := w.wanted[key]; wanted != nil && wanted.report != nil {
		wanted.report = nil
		w.changes.Add(key)
	}
}

// next takes one object and writes its status. It reports whether there will be more.
func (w *Writer) next(ctx context.Context, changes workqueue.TypedRateLimitingInterface[status.Object]) bool {
	key, ended := changes.Get()
	if ended || ctx.Err() != nil {
		return false
	}
	defer changes.Done(key)
	err := w.write(ctx, key)
	w.Metrics.pending.Set(float64(changes.Len()))
	if err != nil && ctx.Err() == nil {
		if changes.NumRequeues(key) == 0 {
			w.Log.Warn("status not written, will retry", "kind", key.Kind, "object", key.String(), "error", err)
		}
		changes.AddRateLimited(key)
		return true
	}
	changes.Forget(key)
	return true
}

// write makes the status of one object what is wanted.
func (w *Writer) write(ctx context.Context, key status.Object) error {
	cached := w.Cached(key)
	wanted, ok := w.look(key, cached)
	if !ok {
		return nil
	}
	before := bodyOf(cached)
	if wanted.written != nil {
		before = wanted.written.body
	}
	after := body{bare: before.bare}
	if wanted.report != nil {
		if after = w.bodyFor(&wanted, cached); w.isEarly(key, &wanted, after) {
			return nil
		}
		after = after.since(before, metav1.NewTime(w.Now()))
	}
	if after.bare {
		w.tell(key, cached, after)
	}
	if after.same(before) {
		return nil
	}
	version, err := w.apply(ctx, key.Kind, cached, after)
	if apierrors.IsNotFound(err) {
		return nil // deleted meanwhile
	}
	w.Metrics.count(err)
	if err != nil {
		return err
	}
	w.remember(key, wanted.report, &written{resourceVersion: version, body: after})
	if !after.bare {
		w.refuse(key.Kind, cached, before, after)
	}
	return nil
}

// look returns what is wanted of an object; not ok if nothing can be written to it.
func (w *Writer) look(key status.Object, cached client.Object) (now want, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := w.wanted[key]
	if wanted == nil {
		return now, false
	}
	if cached == nil {
		if wanted.report == nil {
			delete(w.wanted, key)
			delete(w.told, key)
		}
		return now, false
	}
	if r := wanted.report; r != nil && (r.UID != cached.GetUID() || r.Generation != cached.GetGeneration()) {
		return now, false // the object has changed; the report about it is on its way
	}
	wanted.seen(cached)
	return *wanted, true
}

// remember keeps what was written until the cache shows it. Nothing more is wanted of an object that isn't ours.
func (w *Writer) remember(key status.Object, report *status.Report, done *written) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := w.wanted[key]
	if wanted == nil {
		return
	}
	if report == nil && wanted.report == nil {
		delete(w.wanted, key)
		return
	}
	wanted.written = done
	if cached := w.Cached(key); cached != nil {
		wanted.seen(cached) // the watch may have been faster than the answer
	}
}

// maxNote is the API server's bound on the note of an event, in bytes.
const maxNote = 1024

// refuse emits an event for each condition that has become false, or is false for another reason than before.
//
// The event is about the object and not about a version of it. What is refused again within minutes is then counted in the event that
// there is, and neither the API server nor the event library holds one for each time; the condition has the present sentence.
func (w *Writer) refuse(kind string, o client.Object, before, after body) {
	refused := slices.DeleteFunc(slices.Clone(after.Conditions), func(c metav1.Condition) bool { return !isRefusal(c) })
	w.warn(&corev1.ObjectReference{
		APIVersion: versionOf(o), Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID(),
	}, before.Conditions, refused)
}

// warn emits an event for each of some conditions, unless it had this status and reason before.
func (w *Writer) warn(about runtime.Object, before, now []metav1.Condition) {
	for _, c := range now {
		old := find(before, c.Type)
		if old != nil && old.Status == c.Status && old.Reason == c.Reason {
			continue
		}
		w.Events.Eventf(about, nil, corev1.EventTypeWarning, c.Reason, "Refuse", "%s", truncate(c.Message, maxNote))
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
