package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// metric returns the sum of the gateway's series of that name.
func metric(name string) (sum float64, err error) {
	resp, err := http.Get("http://" + adminAddr + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	series := regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\S+)$`).FindAllSubmatch(text, -1)
	if series == nil {
		return 0, fmt.Errorf("the gateway has no metric %s", name)
	}
	for _, s := range series {
		v, err := strconv.ParseFloat(string(s[1]), 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// awaitMetric waits until a metric has at least that value, for thirty seconds.
func awaitMetric(ctx context.Context, name string, atLeast float64) error {
	return poll(ctx, func() (bool, error) {
		v, err := metric(name)
		return v >= atLeast, err
	}, fmt.Sprintf("%s did not reach %.0f", name, atLeast))
}

// awaitRest waits until the gateway uses less than a tenth of a processor.
func awaitRest(ctx context.Context) error {
	at, used := time.Time{}, 0.0
	return poll(ctx, func() (bool, error) {
		now, err := metric("process_cpu_seconds_total")
		rests := !at.IsZero() && now-used < time.Since(at).Seconds()/10
		at, used = time.Now(), now
		return rests, err
	}, "the gateway did not come to rest")
}

// awaitQuiet waits until the connections of a siege are gone.
func awaitQuiet(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		v, err := metric("gateway_connections_open")
		return v == 0, err
	}, "connections stayed open after their clients had left")
}

func poll(ctx context.Context, done func() (bool, error), otherwise string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New(otherwise))
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
