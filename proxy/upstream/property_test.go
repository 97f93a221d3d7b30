package upstream

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// erratic answers each request with its path as the body, framed in any way and sent in any pieces. It may close the connection
// afterwards, announced or not, add bytes that nobody asked for, and answer before it has read the request's body.
func erratic(p *peer) {
	rnd := rand.New(rand.NewPCG(7, uint64(p.number)))
	for r := p.request(); r != nil; r = p.request() {
		early := rnd.IntN(3) == 0
		if !early {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
		}
		body, closing := strings.Repeat(r.URL.Path, 1+rnd.IntN(2000)), rnd.IntN(8)
		head := "HTTP/1.1 200 OK\r\n"
		if closing == 0 {
			head += "Connection: close\r\n"
		}
		answer := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
		switch rnd.IntN(3) {
		case 0:
			answer = fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, len(body), body)
		case 1:
			answer = "HTTP/1.1 100 Continue\r\n\r\n" + answer
		}
		for len(answer) > 100 {
			n := 1 + rnd.IntN(len(answer)-1)
			p.send(answer[:n])
			answer = answer[n:]
		}
		if closing == 1 {
			// Along with the end: what comes after the check of a reused connection, nobody can tell from an answer.
			answer += "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
		}
		p.send(answer)
		if early || closing < 3 {
			return
		}
	}
}

// TestEveryExchangeGetsItsOwnAnswer holds kept connections equal to new ones: whatever backends do, an answer that is delivered
// whole is the answer to this request, and what can be replayed is answered.
func TestEveryExchangeGetsItsOwnAnswer(t *testing.T) {
	g := newGateway(t, Options{}, backend(t, erratic), backend(t, erratic))
	var clients sync.WaitGroup
	for client := range 3 {
		clients.Go(func() {
			rnd := rand.New(rand.NewPCG(11, uint64(client)))
			for i := range 300 {
				x := request(http.MethodGet)
				if size := rnd.Int64N(4 * smallBody); rnd.IntN(3) == 0 {
					x = sending(http.MethodPost, newBody(size), size)
				}
				x.Request.Path = fmt.Sprintf("/%d-%d", client, i)
				for range 10 { // so that the budget always has one
					g.handler.live.Earn()
				}
				err := g.handler.Serve(x)
				body := ""
				if err == nil {
					body, err = readBody(x)
				}
				switch {
				case err != nil && (x.Request.Method == http.MethodGet || !errors.Is(err, errReset)):
					t.Errorf("%s: %v", x.Request.Path, err)
				case err == nil && strings.ReplaceAll(body, x.Request.Path, "") != "":
					t.Errorf("%s got the answer %.20q", x.Request.Path, body)
				}
			}
		})
	}
	clients.Wait()
	g.settled()
	if c := g.Counters(); c.Reuses == 0 || c.Stale == 0 {
		t.Errorf("too little was tried: %+v", c)
	}
}
