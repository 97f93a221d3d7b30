package mesh

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTheLogSaysWhetherAPeerIsReached(t *testing.T) {
	var b bytes.Buffer
	c := contact{log: slog.New(slog.NewTextHandler(&b, nil))}
	now, refused := time.Now(), errors.New("connection refused")
	for _, step := range []struct {
		passed time.Duration
		err    error
		want   string
	}{
		{0, refused, ""},
		{time.Second, refused, ""},
		{time.Second, refused, "level=WARN msg=\"a peer of rate limits can't be reached\" error=\"connection refused\""},
		{time.Minute, refused, ""},
		{0, nil, "level=INFO msg=\"a peer of rate limits is reached\""},
		{time.Minute, nil, ""},
		{time.Minute, refused, ""},
		{time.Second, nil, ""},
		{time.Second, refused, ""},
		{2 * time.Second, refused, "level=WARN"},
	} {
		now = now.Add(step.passed)
		b.Reset()
		c.note(step.err, now)
		if got := b.String(); (got == "") != (step.want == "") || !strings.Contains(got, step.want) {
			t.Errorf("after %v with error %v: %q, want %q", step.passed, step.err, got, step.want)
		}
	}
	guide, err := os.ReadFile("../../../../docs/guides/rate-limiting-sharing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{"`a peer of rate limits can't be reached`", "`a peer of rate limits is reached`"} {
		if !strings.Contains(string(guide), message) {
			t.Errorf("the guide does not have %s", message)
		}
	}
}
