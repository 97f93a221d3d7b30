package http1

// requestSeeds are where fuzzing and the comparison with net/http start.
var requestSeeds = []string{
	"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
	"GET /a/b?c=d&e HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent: x\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\n",
	"GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n",
	"GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
	"GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: Upgrade, A\r\nUpgrade: websocket\r\nA: b\r\nKeep-Alive: c\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nTE: trailers\r\n\r\n",
	"\r\nGET / HTTP/1.1\r\nHost: A.Example.\r\nA:\t b c \r\nA: d\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a.example\r\nTenant_ID: b\r\nX_Forwarded-For: c\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a.example\r\nA: b\r\n c\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}

var responseSeeds = []string{
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: now\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\nhello",
	"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 204 No Content\r\nServer: a\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n",
	"HTTP/1.1 404 \r\nConnection: close\r\nContent-Length: 2\r\nA: b\r\n\r\nno",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\nContent-Length: 0\r\n\r\n",
}

var bodySeeds = []string{
	"5\r\nhello\r\n0\r\n\r\nnext",
	"0\r\n\r\n",
	"a;b=c\r\n0123456789\r\n00\r\nA: b\r\nC:\r\n\r\n",
	"1\r\nx\r\n1\r\ny\r\n",
	"5;a=\"b \\\" c\";d;e=f\r\nhello\r\n0;g\r\n\r\n",
	"0000000000000005\r\nhello\r\n00000000000000000\r\n\r\n",
	"5 \r\nhello\r\n0\r\n\r\n",
	"5\nhello\r\n0\r\n\r\n",
	"fffffffffffffff\r\n",
}
