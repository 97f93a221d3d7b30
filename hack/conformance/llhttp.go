package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
)

// llhttpCase is a test of llhttp. Expect is "reject" if strict llhttp ends with an error.
type llhttpCase struct {
	ID     string   `json:"id"`
	Steps  [][]byte `json:"steps_b64"`
	Error  string   `json:"llhttp_error"`
	Expect string   `json:"expect"`
}

// The pinned numbers of llhttp-request.json.
const (
	llhttpCases    = 166
	llhttpRejected = 65
)

// llhttp sends every case to the gateway. What strict llhttp refuses must be refused, or be in llhttpDifferences. Of the rest,
// the backend must not see more requests through the gateway than it sees without.
func llhttp(ctx context.Context, o options, details *os.File) (string, error) {
	cases, err := load[llhttpCase](o, "llhttp-request.json", llhttpCases)
	if err != nil {
		return "", err
	}
	results := make([]llhttpResult, len(cases))
	err = beside(ctx, o, "llhttp", http.HandlerFunc(origin), func() error {
		sideBySide(len(cases), func(i int) { results[i] = cases[i].try(ctx) })
		return nil
	})
	if err != nil {
		return "", err
	}
	return scoreLlhttp(cases, results, details)
}

// llhttpResult is what became of a case in its forms.
type llhttpResult struct {
	gateway, direct []reaction
	err             error
}

// refused reports whether no form of the case reached the backend, and each had an answer or an end.
func (r llhttpResult) refused() bool {
	for _, g := range r.gateway {
		if g.fromOrigin() > 0 || len(g.answers) == 0 && !g.closed {
			return false
		}
	}
	return true
}

// split reports whether the gateway made more requests of a case than its backend would have seen in it.
func (r llhttpResult) split() bool {
	for i, g := range r.gateway {
		if g.fromOrigin() > r.direct[i].fromOrigin() {
			return true
		}
	}
	return false
}

func (c llhttpCase) try(ctx context.Context) (r llhttpResult) {
	for _, form := range c.forms() {
		g, err := sayWhole(ctx, gatewayAddr, form)
		if err != nil {
			return llhttpResult{err: err}
		}
		d, err := sayWhole(ctx, originAddr, form)
		if err != nil {
			return llhttpResult{err: err}
		}
		r.gateway, r.direct = append(r.gateway, g), append(r.direct, d)
	}
	return r
}

var hostLine = regexp.MustCompile(`(?i)[\r\n]Host:`)

// forms are the case as it is, and with a Host, for want of which it would be refused in any case.
func (c llhttpCase) forms() [][]byte {
	b := bytes.Join(c.Steps, nil)
	forms := [][]byte{b}
	if line := bytes.Index(b, []byte("\r\n")); line >= 0 && !hostLine.Match(b) {
		forms = append(forms, bytes.Join([][]byte{b[:line], b[line:]}, []byte("\r\nHost: "+authority)))
	}
	return forms
}

// sayWhole sends b and, if the server waits for more, the empty lines that the tests' texts have lost at their ends.
func sayWhole(ctx context.Context, addr string, b []byte) (reaction, error) {
	rs, err := converse(ctx, addr, [][]byte{b, []byte("\r\n\r\n")})
	if err != nil {
		return reaction{}, err
	}
	whole := rs[0]
	for _, r := range rs[1:] {
		whole.answers = append(whole.answers, r.answers...)
		whole.closed, whole.garbage = r.closed, r.garbage
	}
	return whole, nil
}

// scoreLlhttp writes a line a case and counts.
func scoreLlhttp(cases []llhttpCase, results []llhttpResult, details *os.File) (string, error) {
	rejects, refused, differ, wrong := 0, 0, 0, 0
	for i, c := range cases {
		r := results[i]
		listed, known := llhttpDifferences[c.ID]
		verdict := "ok"
		switch {
		case r.err != nil || r.split():
			verdict = "fail"
		case c.Expect != "reject":
		case r.refused() && !known:
			refused++
		case !r.refused() && known:
			verdict = "differs: " + listed
			differ++
		default:
			verdict = "fail"
		}
		if c.Expect == "reject" {
			rejects++
		}
		if verdict == "fail" {
			wrong++
		}
		fmt.Fprintf(details, "%-4s %s %v %v %v\n     llhttp: %s\n", verdict, c.ID, r.gateway, r.direct, r.err, c.Error)
	}
	line := fmt.Sprintf("%d refused and %d listed differences of %d that llhttp refuses; %d of %d cases wrong", refused, differ, rejects, wrong, len(cases))
	switch {
	case rejects != llhttpRejected || differ != len(llhttpDifferences):
		return line, fmt.Errorf("%d refused by llhttp and %d differences, want %d and %d", rejects, differ, llhttpRejected, len(llhttpDifferences))
	case wrong > 0:
		return line, fmt.Errorf("see %s", details.Name())
	}
	return line, nil
}
