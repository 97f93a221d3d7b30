package controllers

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Election says how the replica is chosen that writes statuses. The zero durations are those of Kubernetes' own
// components.
type Election struct {
	// Namespace and Name are those of the Lease.
	Namespace, Name string
	// Identity tells this replica from the others.
	Identity string
	// LeaseDuration is how long a leader that is not heard of is waited for.
	LeaseDuration time.Duration
	// RenewDeadline is how long a leader tries to renew its lease before it gives up. It is shorter than LeaseDuration.
	RenewDeadline time.Duration
	// RetryPeriod is the time between two tries.
	RetryPeriod time.Duration
	// HangsAfter is how long a translation, and what is done to serve it, may take until a replica counts as hanging and leaves it to
	// another one to lead. All of 10,000 routes are a matter of a second.
	HangsAfter time.Duration
}

const (
	defaultLeaseDuration = 15 * time.Second
	defaultRenewDeadline = 10 * time.Second
	defaultRetryPeriod   = 2 * time.Second
	defaultHangsAfter    = 10 * time.Second
)

// candidate campaigns for the lease, works while it has it, and campaigns again when it has lost it. It is not the
// manager's own election, which ends the manager with the lease.
type candidate struct {
	config leaderelection.LeaderElectionConfig
	// work is what a leader does until the context ends.
	work func(context.Context)
	// hangs reports whether this replica does not get on, and so can't know what there is to write: then it must not lead.
	hangs   func() bool
	leader  prometheus.Gauge
	working sync.Mutex // held while work runs
}

func newCandidate(config *rest.Config, e Election, work func(context.Context), busyFor func() time.Duration, m *metrics) (*candidate, error) {
	client, err := coordinationv1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("lease %s/%s: %w", e.Namespace, e.Name, err)
	}
	c := &candidate{work: work, leader: m.leader}
	c.hangs = func() bool { return busyFor() > cmp.Or(e.HangsAfter, defaultHangsAfter) }
	c.config = leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: e.Namespace, Name: e.Name},
			Client:     client,
			LockConfig: resourcelock.ResourceLockConfig{Identity: e.Identity},
		},
		Name:            e.Name,
		LeaseDuration:   cmp.Or(e.LeaseDuration, defaultLeaseDuration),
		RenewDeadline:   cmp.Or(e.RenewDeadline, defaultRenewDeadline),
		RetryPeriod:     cmp.Or(e.RetryPeriod, defaultRetryPeriod),
		ReleaseOnCancel: true,
	}
	return c, nil
}

// run campaigns until ctx ends. It fails at once if the settings of the election make no sense.
func (c *candidate) run(ctx context.Context) error {
	for ; ctx.Err() == nil; pause(ctx, c.config.RetryPeriod) {
		if c.hangs() {
			continue
		}
		if err := c.campaign(ctx); err != nil {
			return fmt.Errorf("election %s: %w", c.config.Name, err)
		}
	}
	return nil
}

// campaign takes part in one election: until the lease was had and lost, this replica hangs, or ctx ends.
func (c *candidate) campaign(ctx context.Context) error {
	ctx, resign := context.WithCancel(ctx)
	defer resign()
	go c.resignIfItHangs(ctx, resign)
	// The lease outlives the work, so that the next leader never meets this one.
	lease, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	defer context.AfterFunc(ctx, func() {
		c.working.Lock()
		defer c.working.Unlock()
		release()
	})()
	config := c.config
	config.Callbacks = leaderelection.LeaderCallbacks{
		OnStartedLeading: func(leading context.Context) { c.lead(ctx, leading) },
		OnStoppedLeading: func() {},
	}
	e, err := leaderelection.NewLeaderElector(config)
	if err != nil {
		return err
	}
	e.Run(lease)
	return nil
}

// resignIfItHangs looks after a campaign until that has ended.
func (c *candidate) resignIfItHangs(ctx context.Context, resign func()) {
	for ; ctx.Err() == nil; pause(ctx, c.config.RetryPeriod) {
		if c.hangs() {
			resign()
		}
	}
}

// lead works until either context ends.
func (c *candidate) lead(ctx, leading context.Context) {
	c.working.Lock()
	defer c.working.Unlock()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(leading, stop)()
	c.leader.Set(1)
	defer c.leader.Set(0)
	c.work(ctx)
}
