package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
)

// probeCase is a case of Http11Probe: one payload with verdicts by outcome, or steps of which only words say what is right.
type probeCase struct {
	ID       string              `json:"id"`
	Category string              `json:"category"`
	Level    string              `json:"level"`
	Scored   bool                `json:"scored"`
	Expect   string              `json:"expect_text"`
	Payload  []byte              `json:"payload_b64"`
	Steps    [][]byte            `json:"steps_b64"`
	Verdict  map[string][]string `json:"verdict"`
}

// The pinned numbers of http11probe.json.
const (
	probeCases     = 198
	probeScored    = 139 // with one payload
	probeSequences = 22  // with steps, scored as well
	// probeMayFail is how many scored cases may fail, none of them a MUST about smuggling.
	probeMayFail = 5
)

// authority replaces @@HOST@@, which it is as long as: the lengths that payloads state were computed with that.
const authority = "gw.local"

// http11probe sends every case to the gateway and judges its reaction as Http11Probe does.
func http11probe(ctx context.Context, o options, details *os.File) (string, error) {
	cases, err := load[probeCase](o, "http11probe.json", probeCases)
	if err != nil {
		return "", err
	}
	results := make([]probeResult, len(cases))
	err = beside(ctx, o, "http11probe", http.HandlerFunc(origin), func() error {
		sideBySide(len(cases), func(i int) { results[i] = cases[i].try(ctx) })
		return nil
	})
	if err != nil {
		return "", err
	}
	return scoreProbe(cases, results, details)
}

// probeResult is pass, warn or fail, and why.
type probeResult struct {
	verdict   string
	reactions []reaction
	err       error
}

func (c probeCase) try(ctx context.Context) probeResult {
	steps := slices.Clone(c.Steps)
	if len(steps) == 0 {
		steps = [][]byte{c.Payload}
	}
	for i, s := range steps {
		steps[i] = bytes.ReplaceAll(s, []byte("@@HOST@@"), []byte(authority))
	}
	reactions, err := converse(ctx, gatewayAddr, steps)
	if err != nil {
		return probeResult{"fail", nil, err}
	}
	return probeResult{c.judge(reactions), reactions, nil}
}

// judge says pass, warn or fail.
func (c probeCase) judge(rs []reaction) string {
	if len(c.Steps) > 0 {
		return judgeSequence(c.Expect, rs)
	}
	if slices.ContainsFunc(rs, func(r reaction) bool { return r.garbage != "" }) {
		return "fail"
	}
	if check, ok := probeChecks[c.ID]; ok {
		return check(rs[0])
	}
	for verdict, word := range map[string]string{"Pass": "pass", "Warn": "warn"} {
		if slices.Contains(c.Verdict[verdict], rs[0].String()) {
			return word
		}
	}
	return "fail"
}

// scoreProbe writes a line a case and counts.
func scoreProbe(cases []probeCase, results []probeResult, details *os.File) (string, error) {
	scored, sequences, smuggling := 0, 0, 0
	count := map[string]int{}
	for i, c := range cases {
		r := results[i]
		mark := "-"
		if c.Scored {
			mark = "scored"
			count[r.verdict]++
			if len(c.Steps) > 0 {
				sequences++
			} else {
				scored++
			}
			if r.verdict == "fail" && c.Category == "Smuggling" && c.Level == "Must" {
				smuggling++
			}
		}
		fmt.Fprintf(details, "%-4s %-6s %-13s %-40s %v %v %s\n", r.verdict, mark, c.Level, c.ID, r.reactions, r.err, c.Expect)
	}
	line := fmt.Sprintf("%d of %d scored cases fail (%d are allowed), %d warn; %d smuggling MUSTs fail",
		count["fail"], scored+sequences, probeMayFail, count["warn"], smuggling)
	switch {
	case scored != probeScored || sequences != probeSequences:
		return line, fmt.Errorf("%d and %d scored cases, want %d and %d", scored, sequences, probeScored, probeSequences)
	case count["fail"] > probeMayFail || smuggling > 0:
		return line, fmt.Errorf("see %s", details.Name())
	}
	return line, nil
}
