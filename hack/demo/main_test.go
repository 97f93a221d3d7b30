package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

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
