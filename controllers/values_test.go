package controllers

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/proxy/radix"
)

func secretNames(names ...string) (out []types.NamespacedName) {
	for _, n := range names {
		out = append(out, types.NamespacedName{Namespace: "shop", Name: n})
	}
	return out
}

// treeOf are the names as a translator has them.
func treeOf(names []types.NamespacedName) *radix.Tree[types.NamespacedName] {
	var b radix.Builder[types.NamespacedName]
	for _, n := range names {
		b.Put(n.String(), &n)
	}
	return b.Tree()
}

func newUnansweredSecrets() *values[*corev1.Secret] {
	return newValues(secretKind, SecretsReferenced, Options{Log: slog.New(slog.DiscardHandler)}, nil, nil, nil)
}

// answer has the API server give an answer for a Secret.
func (s *values[O]) answer(n types.NamespacedName, now wantedValue[O]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learn(n, s.wanted[n], now)
}

func TestNobodyWaitsForeverForSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newUnansweredSecrets()
		began := time.Now()
		if !s.follow(t.Context(), treeOf(secretNames("a", "b"))) || time.Since(began) != valuePatience {
			t.Errorf("waited for %v, want %v", time.Since(began), valuePatience)
		}
		if diff := cmp.Diff(2, len(s.unreadable())); diff != "" {
			t.Errorf("unreadable (-want +got):\n%s", diff)
		}
		began = time.Now()
		if s.follow(t.Context(), treeOf(secretNames("a", "b"))) || s.follow(t.Context(), treeOf(secretNames("b"))) || time.Since(began) != 0 {
			t.Errorf("waited once more, for %v", time.Since(began))
		}
		// What comes late counts all the same.
		s.answer(secretNames("b")[0], wantedValue[*corev1.Secret]{object: &corev1.Secret{}})
		if len(s.list()) != 1 || len(s.unreadable()) != 0 {
			t.Errorf("%d Secrets, %v unreadable", len(s.list()), s.unreadable())
		}
	})
}

func TestEachAnswerBuysPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newUnansweredSecrets()
		names := secretNames("a", "b", "c")
		const pace = valuePatience - time.Second
		answers := []wantedValue[*corev1.Secret]{{object: &corev1.Secret{}}, {}, {refused: true}}
		go func() {
			for i, n := range names {
				pause(t.Context(), pace)
				s.answer(n, answers[i])
			}
		}()
		began := time.Now()
		s.follow(t.Context(), treeOf(names))
		if took := time.Since(began); took != 3*pace {
			t.Errorf("waited for %v, want %v", took, 3*pace)
		}
		// One is there, one does not exist, one can't be read.
		if diff := cmp.Diff(names[2:], s.unreadable()); diff != "" || len(s.list()) != 1 {
			t.Errorf("%d Secrets, unreadable (-want +got):\n%s", len(s.list()), diff)
		}
	})
}

func TestWhatIsNotWantedAnyMoreIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newUnansweredSecrets()
		s.want(treeOf(secretNames("a", "b")))
		s.answer(secretNames("a")[0], wantedValue[*corev1.Secret]{object: &corev1.Secret{}})
		s.want(nil)
		if len(s.list())+len(s.unreadable()) != 0 || s.open != 0 {
			t.Errorf("%d Secrets, %v unreadable, %d open", len(s.list()), s.unreadable(), s.open)
		}
	})
}
