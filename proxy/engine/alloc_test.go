//go:build !race

package engine

import "testing"

// The race detector makes sync.Pool forget what it holds, at random, so this is for tests without it.
func TestARequestAllocatesNothing(t *testing.T) {
	for name, request := range map[string]string{
		"GET":    browser,
		"length": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"chunks": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, b, buf := pair(t, answerStatic), []byte(request), make([]byte, 4096)
			if n := testing.AllocsPerRun(2000, func() { roundTrip(t, c, b, buf) }); n != 0 {
				t.Errorf("%v allocations a request", n)
			}
		})
	}
}
