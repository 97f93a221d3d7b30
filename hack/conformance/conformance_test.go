package main

import (
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestSequencesAreJudgedByTheirWords(t *testing.T) {
	ok, bad := answer{status: 200}, answer{status: 400}
	served, refused, twice := reaction{answers: []answer{ok}}, reaction{answers: []answer{bad}, closed: true}, reaction{answers: []answer{ok, ok}}
	for _, tt := range []struct {
		name, expect string
		reactions    []reaction
		want         string
	}{
		{"a refusal", "400, or close", []reaction{refused}, "pass"},
		{"an answer", "400, or close", []reaction{served, served}, "fail"},
		{"a smuggled request", "400, or close (no extra response)", []reaction{{answers: []answer{bad, ok}, closed: true}}, "fail"},
		{"two answers to two requests", "2xx + 2xx", []reaction{served, served}, "pass"},
		{"one answer to two requests", "2xx + 2xx", []reaction{served, {}}, "fail"},
		{"a poisoned follow-up", "400/close preferred; poisoned follow-up = warn", []reaction{served, refused}, "warn"},
		{"an extra answer at once", "400/close preferred; poisoned follow-up = warn", []reaction{twice}, "fail"},
		{"words that nobody knows", "something else", []reaction{refused}, "fail"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := judgeSequence(tt.expect, tt.reactions); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestARepairedFieldFails(t *testing.T) {
	check := normalised("Content-Length: 99")
	for want, r := range map[string]reaction{
		"pass": {answers: []answer{{status: 400}}, closed: true},
		"warn": {answers: []answer{{status: 200, body: "Content_length: 99"}}},
		"fail": {answers: []answer{{status: 200, body: "Content-Length: 99"}}},
	} {
		if got := check(r); got != want {
			t.Errorf("%v: got %s, want %s", r, got, want)
		}
	}
}

func TestTheEchoSpeaksWebSocket(t *testing.T) {
	backend := &echo{}
	server := httptest.NewServer(backend)
	defer server.Close()
	addr := server.Listener.Addr().String()
	text, half, odd := "68656c6c6f", "c3", "03"
	for _, tt := range []struct {
		name string
		ops  []autobahnOp
		want []string
	}{
		{"a message", []autobahnOp{{Op: "frame", Opcode: opText, Fin: true, Hex: &text, Chop: 1}}, []string{"1:" + text, "8:03e8"}},
		{"two fragments and a ping", []autobahnOp{{Op: "frame", Opcode: opBinary, Hex: &text}, {Op: "frame", Opcode: opPing, Fin: true, Hex: &odd}, {Op: "frame", Fin: true, Hex: &half}}, []string{"a:" + odd, "2:" + text + half, "8:03e8"}},
		{"text that is none", []autobahnOp{{Op: "frame", Opcode: opText, Fin: true, Hex: &half}}, []string{"8:03ef"}},
		{"a close without code", []autobahnOp{{Op: "close", Hex: &odd}}, []string{"8:03ea"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := autobahnCase{ID: strings.ReplaceAll(tt.name, " ", "-"), Ops: tt.ops}.playAt(t.Context(), addr, backend)
			if !slices.Equal(got.frames, tt.want) || !strings.HasSuffix(got.received, "end <nil>") {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTheDocumentListsTheDifferences(t *testing.T) {
	document, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	ids := slices.Collect(maps.Keys(llhttpDifferences))
	for id := range excused {
		ids = append(ids, id)
	}
	for _, id := range ids {
		name := strings.TrimSuffix(strings.TrimPrefix(id, "llhttp-"), "-followed-by-tab")
		if !strings.Contains(string(document), "`"+name+"`") && excused[id] != selfSigned {
			t.Errorf("docs/conformance.md does not mention %s", id)
		}
	}
}
