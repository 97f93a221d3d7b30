package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func runProbe(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := command()
	c.SetOut(&out)
	c.SetArgs(append([]string{"probe"}, args...))
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

func TestAProbeAsksUntilTheAnswerIs200(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	}))
	defer s.Close()
	out, err := runProbe(t, s.URL)
	if err != nil || out != "ready\n" || asked.Load() != 2 {
		t.Errorf("%q, %v after %d requests; want ready after 2", out, err, asked.Load())
	}
}

func TestAProbeSaysWhatWasWrong(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "caches are not synced", http.StatusServiceUnavailable)
	}))
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	defer s.Close()
	for _, c := range []struct{ name, url, want string }{
		{"an answer other than 200", s.URL, "503 Service Unavailable: caches are not synced"},
		{"nobody listens", gone.URL, "connect"},
		{"no URL", "http://%", "parse"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := runProbe(t, c.url, "--timeout=200ms"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q in it", err, c.want)
			}
		})
	}
}
