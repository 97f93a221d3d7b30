package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// patience is how long an answer is waited for, and settle how long for what may follow one.
	patience = 2 * time.Second
	settle   = 500 * time.Millisecond
	// lanes is how many cases run side by side.
	lanes = 24
)

// answer is one response as it came over the wire.
type answer struct {
	status int
	header http.Header
	body   string
}

// fromOrigin reports whether the backend answered, and not the gateway itself.
func (a answer) fromOrigin() bool { return a.header.Get(originField) != "" }

// reaction is what a server did about some bytes: it answered, some times or not at all, and closed or waited on.
type reaction struct {
	answers []answer
	closed  bool
	// garbage is what came and was no response.
	garbage string
}

// String is the reaction in the words of Http11Probe's verdicts: STATUS, STATUS+close, close or timeout.
func (r reaction) String() string {
	var s string
	switch {
	case len(r.answers) > 0:
		s = fmt.Sprint(r.answers[0].status)
		if r.closed {
			s += "+close"
		}
	case r.closed:
		s = "close"
	default:
		s = "timeout"
	}
	return s
}

// fromOrigin counts the answers of the backend.
func (r reaction) fromOrigin() (n int) {
	for _, a := range r.answers {
		if a.fromOrigin() {
			n++
		}
	}
	return n
}

// talk is a connection on which anything can be sent.
type talk struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(ctx context.Context, addr string) (*talk, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &talk{conn: c, in: bufio.NewReader(c)}, nil
}

// say sends b and returns the reaction. A server that closes while b is sent has reacted, so that is no error.
func (t *talk) say(b []byte) (r reaction) {
	request := &http.Request{Method: http.MethodGet}
	if bytes.HasPrefix(b, []byte("HEAD ")) {
		request.Method = http.MethodHead
	}
	_ = t.conn.SetDeadline(time.Now().Add(patience))
	_, _ = t.conn.Write(b)
	for {
		a, err := t.hear(request)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return r
		case errors.Is(err, errGarbage):
			r.garbage = err.Error()
			return r
		case err != nil:
			r.closed = true
			return r
		}
		if a.status >= 200 || a.status == http.StatusSwitchingProtocols {
			r.answers = append(r.answers, a)
		}
		_ = t.conn.SetDeadline(time.Now().Add(settle))
	}
}

var errGarbage = errors.New("not a response")

func (t *talk) hear(request *http.Request) (answer, error) {
	if _, err := t.in.Peek(1); err != nil {
		return answer{}, err
	}
	resp, err := http.ReadResponse(t.in, request)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", errGarbage, err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.status == http.StatusSwitchingProtocols {
		return a, nil
	}
	body, err := io.ReadAll(resp.Body)
	a.body = string(body)
	return a, err
}

func (t *talk) close() { _ = t.conn.Close() }

// converse sends steps over one connection, each when the reaction to the one before it is known, until the server closes.
func converse(ctx context.Context, addr string, steps [][]byte) ([]reaction, error) {
	t, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer t.close()
	var all []reaction
	for _, s := range steps {
		r := t.say(s)
		all = append(all, r)
		if r.closed {
			break
		}
	}
	return all, nil
}

// sideBySide calls f for 0..n-1, in lanes.
func sideBySide(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range lanes {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
