package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

const (
	// probeEvery is the time between two questions whether the API server is there.
	probeEvery = time.Second
	// probeTimeout is how long it may take to answer one.
	probeTimeout = 2 * time.Second
)

// prober asks whether the API server is there.
type prober struct{ client *rest.RESTClient }

func newProber(config *rest.Config, scheme *runtime.Scheme) (prober, error) {
	config = rest.CopyConfig(config)
	config.Timeout = probeTimeout
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	c, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return prober{}, fmt.Errorf("probe the API server: %w", err)
	}
	return prober{c}, nil
}

// unreachable waits until the API server has not answered for a time, and reports true; or until done does or ctx ends.
func (p prober) unreachable(ctx context.Context, after time.Duration, done func() bool) bool {
	last := time.Now()
	for ctx.Err() == nil && !done() {
		if p.reached(ctx) {
			last = time.Now()
		}
		silent := time.Since(last)
		if silent >= after {
			return true
		}
		pause(ctx, min(probeEvery, after-silent))
	}
	return false
}

// reached asks once. A refusal is an answer too; an API server without its store is no better than none.
func (p prober) reached(ctx context.Context) bool {
	err := p.client.Get().AbsPath("/readyz").Do(ctx).Error()
	var status apierrors.APIStatus
	return err == nil || errors.As(err, &status) && status.Status().Code < http.StatusInternalServerError
}
