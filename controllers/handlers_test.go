package controllers

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/publish"
)

func TestOnlyAnotherSpecOrAnotherObjectAsksForATranslation(t *testing.T) {
	route := func(uid string, generation int64, labels ...string) *v1alpha1.GatewayRoute {
		r := &v1alpha1.GatewayRoute{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid), Generation: generation, Labels: map[string]string{}}}
		for _, l := range labels {
			r.Labels[l] = ""
		}
		return r
	}
	cases := []struct {
		name     string
		old, now *v1alpha1.GatewayRoute
		want     int
	}{
		{"another generation does", route("a", 1), route("a", 2), 1},
		{"another object does, at the same generation", route("a", 1), route("b", 1), 1},
		{"another status or label does not", route("a", 1), route("a", 1, "label"), 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[everything]())
			defer q.ShutDown()
			s := &session{writer: publish.NewWriter(publish.Options{})}
			onSpec[*v1alpha1.GatewayRoute](s, v1alpha1.KindGatewayRoute).
				Update(t.Context(), event.TypedUpdateEvent[*v1alpha1.GatewayRoute]{ObjectOld: c.old, ObjectNew: c.now}, q)
			if got := q.Len(); got != c.want {
				t.Errorf("%d translations asked for, want %d", got, c.want)
			}
			if names, _ := s.pending.take(); len(names[v1alpha1.KindGatewayRoute]) != 1 {
				t.Error("the next translation takes no notice of it")
			}
		})
	}
}
