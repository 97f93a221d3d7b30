package replicas

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/ptr"
)

const (
	// pace is the least time between two writes of the Lease.
	pace = 100 * time.Millisecond
	// retry is the time until a write that failed is tried again.
	retry = time.Second
	// Renewal is how often a replica says that it is there, if there is nothing else to say.
	Renewal = 5 * time.Second
	// Silence is how long a replica may say nothing until nobody counts on it any more, unless it is known to get requests.
	Silence = 3 * Renewal
	// farewell is how long a replica that ends takes to withdraw its Lease.
	farewell = 2 * time.Second
)

// Identity is who a replica is.
type Identity struct {
	// Class is that of the installation, Namespace where its Leases are, Name the replica's.
	Class, Namespace, Name string
	// Pod is the UID of the Pod whose name is Name; empty outside of Pods. The Lease then goes with the Pod.
	Pod types.UID
}

// lease is the name of the replica's Lease. A name that no object can have is replaced by its digest.
func (i Identity) lease() string {
	name := i.Class + "-" + i.Name
	if len(validation.IsDNS1123Subdomain(name)) == 0 {
		return name
	}
	sum := sha256.Sum256([]byte(i.Name))
	return i.Class + "-" + hex.EncodeToString(sum[:8])
}

// Reporter writes the Lease of its replica. It is safe for concurrent use.
type Reporter struct {
	Identity
	// Leases writes to the Identity's namespace.
	Leases coordinationv1client.LeaseInterface
	// Due is called before each renewal, so that what is reported can be brought up to date.
	Due func()
	Log *slog.Logger
	Now func() time.Time

	mu      sync.Mutex
	latest  Report
	changed chan struct{} // of capacity 1
}

// Begin makes the Reporter ready, with what does not change. It is called before anything else.
func (r *Reporter) Begin(first Report) {
	r.latest, r.changed = first, make(chan struct{}, 1)
}

// Serve says what the replica serves: at which positions, and at which of them the latest changes were. It never waits. Unless it is
// urgent, the next renewal tells it.
func (r *Reporter) Serve(version string, at, changes Positions, urgent bool) {
	r.mu.Lock()
	r.latest.Version, r.latest.Positions, r.latest.Changes = version, at, changes.With(nil)
	r.mu.Unlock()
	if urgent {
		r.urge()
	}
}

// Reach says that what the replica serves takes further changes into account. The next renewal tells it.
func (r *Reporter) Reach(changes Positions) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest.Positions, r.latest.Changes = Furthest(r.latest.Positions, changes), Furthest(r.latest.Changes, changes)
}

// urge asks for a write without waiting.
func (r *Reporter) urge() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends, and then withdraws the Lease. What can't be written is tried again; the others then wait for this replica.
func (r *Reporter) Run(ctx context.Context) {
	defer r.withdraw(ctx)
	renew := time.NewTicker(Renewal)
	defer renew.Stop()
	for failing := false; ; {
		rest, err := pace, r.write(ctx)
		if err != nil && ctx.Err() == nil {
			rest = retry
			if !failing {
				r.Log.Warn("what is served was not reported, will retry", "error", err)
			}
			r.urge()
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(rest):
		}
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		case <-renew.C:
			r.Due()
		}
	}
}

// write makes the Lease say what there is to say. It is a patch, since nobody else writes it.
func (r *Reporter) write(ctx context.Context) error {
	r.mu.Lock()
	report := r.latest
	r.mu.Unlock()
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	lease := r.form(string(text))
	patch, err := json.Marshal(lease)
	if err != nil {
		return err
	}
	_, err = r.Leases.Patch(ctx, lease.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		_, err = r.Leases.Create(ctx, lease, metav1.CreateOptions{})
	}
	return err
}

func (r *Reporter) form(report string) *coordinationv1.Lease {
	l := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: r.lease(), Namespace: r.Namespace,
			Labels:      map[string]string{ClassLabel: r.Class},
			Annotations: map[string]string{reportAnnotation: report},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       &r.Name,
			LeaseDurationSeconds: ptr.To(int32(Silence / time.Second)),
			RenewTime:            ptr.To(metav1.NewMicroTime(r.Now())),
		},
	}
	if r.Pod != "" {
		l.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: r.Name, UID: r.Pod}}
	}
	return l
}

// withdraw deletes the Lease: nobody needs to wait for a replica that has ended.
func (r *Reporter) withdraw(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := r.Leases.Delete(ctx, r.lease(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		r.Log.Warn("the Lease of this replica was not withdrawn", "error", err)
	}
}
