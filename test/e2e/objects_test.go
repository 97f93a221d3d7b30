//go:build e2e

package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// await waits until the objects of a selection are as wanted, looking again with each event of the API server's watch, and
// returns them. The selection's type is the list's.
func await[O client.Object](t *testing.T, what string, list client.ObjectList, of []client.ListOption, ok func([]O) bool) []O {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience) // clean-ups wait too
	defer cancel()
	for ctx.Err() == nil {
		found, err := follow(ctx, list, of, ok)
		if err != nil {
			t.Fatalf("waiting until %s: %v", what, err)
		}
		if found != nil {
			return found
		}
	}
	t.Fatalf("waited in vain until %s", what)
	return nil
}

// follow returns the objects as soon as they are as wanted; none if the watch ended before.
func follow[O client.Object](ctx context.Context, list client.ObjectList, of []client.ListOption, ok func([]O) bool) ([]O, error) {
	if err := admin.List(ctx, list, of...); err != nil {
		return nil, err
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, err
	}
	known := map[types.NamespacedName]O{}
	for _, item := range items {
		o := item.(O)
		known[client.ObjectKeyFromObject(o)] = o
	}
	since := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
	events, err := admin.Watch(ctx, list, append(of, since)...)
	if err != nil {
		return nil, err
	}
	defer events.Stop()
	for {
		all := make([]O, 0, len(known))
		for _, o := range known {
			all = append(all, o)
		}
		if ok(all) {
			return all, nil
		}
		e, open := <-events.ResultChan()
		if !open {
			return nil, nil
		}
		o, is := e.Object.(O)
		switch {
		case !is:
			return nil, nil // an error of the watch: list again
		case e.Type == watch.Deleted:
			delete(known, client.ObjectKeyFromObject(o))
		default:
			known[client.ObjectKeyFromObject(o)] = o
		}
	}
}

// observe tells of each object of a selection as it is, and then of each event, until ctx ends. When a watch breaks off, all is told anew.
// The selection's type is the list's.
func observe[O client.Object](ctx context.Context, list client.ObjectList, of []client.ListOption, tell func(watch.EventType, O)) {
	for ; ctx.Err() == nil; rest(ctx) {
		if err := admin.List(ctx, list, of...); err != nil {
			continue // the API server is away
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			panic(err)
		}
		for _, item := range items {
			tell(watch.Added, item.(O))
		}
		since := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
		events, err := admin.Watch(ctx, list, append(slices.Clone(of), since)...)
		if err != nil {
			continue
		}
		for e := range events.ResultChan() {
			if o, is := e.Object.(O); is {
				tell(e.Type, o)
			}
		}
		events.Stop()
	}
}

// rest keeps who tries again from doing nothing else.
func rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(pace):
	}
}

// named selects one object.
func named(namespace, name string) []client.ListOption {
	return []client.ListOption{client.InNamespace(namespace), client.MatchingFields{"metadata.name": name}}
}

// labelled selects the Pods of a Deployment, by the label that both Penstock's chart and the backends here set.
func labelled(namespace, name string) []client.ListOption {
	return []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{"app.kubernetes.io/name": name}}
}

// awaitPods waits until there are exactly that many Pods, all of them Ready, and returns them.
func awaitPods(t *testing.T, what, namespace, name string, count int, ok func(*corev1.Pod) bool) []*corev1.Pod {
	t.Helper()
	return await(t, what, &corev1.PodList{}, labelled(namespace, name), func(pods []*corev1.Pod) bool {
		for _, p := range pods {
			if p.DeletionTimestamp != nil || !isReady(p) || !ok(p) {
				return false
			}
		}
		return len(pods) == count
	})
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func anyPod(*corev1.Pod) bool { return true }

// otherThan holds for Pods that are none of those.
func otherThan(old []*corev1.Pod) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool {
		for _, o := range old {
			if o.UID == p.UID {
				return false
			}
		}
		return true
	}
}

// update changes an object, again if somebody else was faster.
func update[O client.Object](t *testing.T, o O, change func(O)) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change(o)
		return admin.Update(ctx, o)
	}); err != nil {
		t.Fatalf("update of %s: %v", o.GetName(), err)
	}
}

// create creates objects and deletes them with the test.
func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = admin.Delete(context.Background(), o) })
	}
}

func deployment(namespace, name string) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}
