package main

import (
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// echo returns each message of a WebSocket to its sender, until that leaves. The answer says in X-Peer from which address it came here.
func echo(w http.ResponseWriter, r *http.Request) {
	if peer, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		w.Header().Set("X-Peer", peer)
	}
	// Pages of any origin may ask: there is nothing to protect.
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // the client has its answer
	}
	defer c.CloseNow()
	for {
		kind, message, err := c.Read(context.Background())
		if err != nil || c.Write(context.Background(), kind, message) != nil {
			return
		}
	}
}
