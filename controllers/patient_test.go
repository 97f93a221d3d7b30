package controllers

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

func TestPersistTriesUntilSomebodyAnswers(t *testing.T) {
	gone := apierrors.NewResourceExpired("too old")
	cases := []struct {
		name    string
		answers []error
		want    error
	}{
		{"an answer at once", []error{nil}, nil},
		{"an answer after silence", []error{errors.New("connection refused"), errors.New("EOF"), nil}, nil},
		{"a refusal after silence", []error{errors.New("connection refused"), gone}, gone},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failures := prometheus.NewCounter(prometheus.CounterOpts{})
				left := c.answers
				_, err := persist(t.Context(), failures, func() (int, error) {
					err := left[0]
					left = left[1:]
					return 0, err
				})
				if !errors.Is(err, c.want) || len(left) > 0 {
					t.Errorf("got %v with %d answers left, want %v", err, len(left), c.want)
				}
				if got := value(t, failures); int(got) != len(c.answers)-1 {
					t.Errorf("%v failures counted, want %d", got, len(c.answers)-1)
				}
			})
		})
	}
}

func TestPersistKeepsASteadyPaceAndEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var last time.Time
		var longest time.Duration
		_, err := persist(ctx, prometheus.NewCounter(prometheus.CounterOpts{}), func() (int, error) {
			if !last.IsZero() {
				longest = max(longest, time.Since(last))
			}
			last = time.Now()
			return 0, errors.New("connection refused")
		})
		if err == nil {
			t.Error("no error")
		}
		if longest > 3*time.Second {
			t.Errorf("rested for %v", longest)
		}
	})
}

func TestReached(t *testing.T) {
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[int]bool{
		http.StatusOK: true, http.StatusForbidden: true, http.StatusUnauthorized: true,
		http.StatusInternalServerError: false, http.StatusServiceUnavailable: false,
	} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
			defer api.Close()
			p, err := newProber(&rest.Config{Host: api.URL}, scheme)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.reached(t.Context()); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}
