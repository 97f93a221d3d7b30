package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
)

func TestAnswerSaysWhatArrived(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "http://shop.localhost/users/42?full=1", nil)
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	r.Header.Set("Authorization", "Bearer secret")
	w := httptest.NewRecorder()
	handler("user-service").ServeHTTP(w, r)

	var got answer
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
	want := answer{
		Service: "user-service",
		Method:  http.MethodPost,
		Host:    "shop.localhost",
		Path:    "/users/42",
		Query:   "full=1",
		Headers: map[string][]string{"X-Forwarded-For": {"192.0.2.1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestHealthAnswersWithoutBody(t *testing.T) {
	w := httptest.NewRecorder()
	handler("user-service").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("GET /healthz = %d with %d bytes, want 204 with none", w.Code, w.Body.Len())
	}
}

func TestEchoReturnsMessages(t *testing.T) {
	server := httptest.NewServer(handler("user-service"))
	defer server.Close()
	c, answer, err := websocket.Dial(t.Context(), server.URL+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if got := answer.Header.Get("X-Peer"); got != "127.0.0.1" {
		t.Errorf("X-Peer is %q, want 127.0.0.1", got)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	kind, got, err := c.Read(t.Context())
	if err != nil || kind != websocket.MessageText || string(got) != "hello" {
		t.Errorf("heard %v %q, %v, want hello", kind, got, err)
	}
}
