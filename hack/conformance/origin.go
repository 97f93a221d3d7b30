package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// originField marks an answer that a backend gave.
const originField = "X-Origin"

// origin is the backend of the request suites, a server like any in Go. It answers once it has the whole body: with that, on /echo with
// the fields, and on /cookie with the cookies, as the servers of Http11Probe do. A body that breaks off has no answer.
func origin(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set(originField, "yes")
	w.Header().Set("Content-Type", "text/plain")
	switch path := r.URL.Path; {
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", "GET, HEAD, POST, OPTIONS")
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete:
		w.Header().Set("Allow", "GET, HEAD, POST, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
	case path == "/echo":
		_, _ = io.WriteString(w, strings.Join(fieldLines(r.Header), "\n"))
	case path == "/cookie":
		for _, c := range r.Cookies() {
			fmt.Fprintf(w, "%s=%s\n", c.Name, c.Value)
		}
	default:
		_, _ = w.Write(append(body, "ok\n"...))
	}
}

func fieldLines(h http.Header) (lines []string) {
	for name, values := range h {
		for _, v := range values {
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines)
	return lines
}
