package v1alpha1

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/config/crd"
)

func TestDurationParses(t *testing.T) {
	for text, want := range map[Duration]time.Duration{
		"0s":        0,
		"10s":       10 * time.Second,
		"1m30s":     90 * time.Second,
		"1s500ms":   1500 * time.Millisecond,
		"1h2m3s4ms": time.Hour + 2*time.Minute + 3*time.Second + 4*time.Millisecond,
		"99999h":    99999 * time.Hour,
	} {
		if got, err := text.Parse(); err != nil || got != want {
			t.Errorf("%s.Parse() = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestDurationRefusesWhatOnlyGoAllows(t *testing.T) {
	for _, text := range []Duration{"", "0", "1.5s", "-1s", "+1s", "10us", "10ns", "1 s", "1d", "s", "100000s", "1h1m1s1ms1s"} {
		if got, err := text.Parse(); err == nil {
			t.Errorf("%q.Parse() = %v, want an error", text, got)
		}
	}
}

func TestDurationHasTheFormOfTheSchema(t *testing.T) {
	text, err := fs.ReadFile(crd.Bases, "bases/gateway.penstock.io_gatewayroutes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	durations := strings.Count(string(text), "|ms)") // in any form
	if n := strings.Count(string(text), "pattern: "+durationForm.String()+"\n"); n != durations || n < 3 {
		t.Errorf("the form of Parse stands %d times in the CRD, want it for each of the %d durations, 3 of which are timeouts", n, durations)
	}
}
