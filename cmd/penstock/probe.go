package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// probeCommand asks one URL and fails unless the answer is 200. It is what `helm test` and health checks of containers run, as
// the image holds this binary alone.
func probeCommand() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:    "probe URL",
		Short:  "Ask a URL until it answers 200",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			answer, err := probe(ctx, args[0])
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), answer)
			}
			return err
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to go on asking")
	return c
}

// probePause is the time between two attempts.
const probePause = 500 * time.Millisecond

// probe asks url until it answers 200, and returns the first KiB of that answer. When ctx ends it fails with what was wrong last.
func probe(ctx context.Context, url string) (string, error) {
	again := time.NewTicker(probePause)
	defer again.Stop()
	for {
		answer, err := ask(ctx, url)
		if err == nil {
			return answer, nil
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-again.C:
		}
	}
}

func ask(ctx context.Context, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err != nil {
		return "", fmt.Errorf("read the answer of %s: %w", url, err)
	}
	text := strings.TrimSpace(string(body))
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s: %s", url, answer.Status, text)
	}
	return text, nil
}
