package standalone

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// mirror answers with what reached it.
type mirror struct {
	Name, Method, URI, Host string
	Header                  http.Header
}

func mirroring(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(mirror{name, r.Method, r.RequestURI, r.Host, r.Header})
	}
}

func (r *response) mirror(t *testing.T) mirror {
	t.Helper()
	var m mirror
	if err := json.Unmarshal([]byte(r.body), &m); err != nil || r.StatusCode != 200 {
		t.Fatalf("status %d, %q: %v", r.StatusCode, r.body, err)
	}
	return m
}

func TestSpellingsOfAPathReachOneRouteAndOnePath(t *testing.T) {
	g := start(t, map[string]string{
		"public.yaml": route("public", "a", "/", backend(t, mirroring("public"))),
		"admin.yaml":  route("admin", "a", "/admin", backend(t, mirroring("admin"))),
	})
	for _, path := range []string{
		"/admin/x", "/./admin/x", "/public/../admin/x", "/../admin/x", "//admin//x", "/%61dmin/x", "/%61%64min/%78",
		"/public/%2e%2e/admin/x", "/public/.%2E/admin/./x", "/admin/y/..//x", "http://a/public/../admin/x",
	} {
		if got := g.get(t, "a", path+"?q=/../%2f").mirror(t); got.Name != "admin" || got.URI != "/admin/x?q=/../%2f" {
			t.Errorf("%s reached %s as %s", path, got.Name, got.URI)
		}
	}
	for _, path := range []string{"/Admin/x", "/adminx", "/admin/../x", "/%61dmin/%2e%2e/x"} {
		if got := g.get(t, "a", path).mirror(t); got.Name != "public" {
			t.Errorf("%s reached %s", path, got.Name)
		}
	}
}

func TestPathsThatServersReadDifferentlyAreRefused(t *testing.T) {
	var reached atomic.Int64
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) }))})
	for path, code := range map[string]string{
		"/public%2fadmin": "request.path", "/public/..%2Fadmin": "request.path",
		"/public%5cadmin": "request.path", `/public\admin`: "request.path", `/public/..\admin`: "request.path",
		"/admin%00": "request.path", "/admin\x00": "request.malformed",
		"/..;/admin": "request.path", "/public/..;a=b/admin": "request.path", "/.;/admin": "request.path",
		"/%": "request.path", "/%zz": "request.path", "/a%2": "request.path", "/#admin": "request.malformed",
		"*": "request.malformed", "admin": "request.malformed", "ftp://a/admin": "request.malformed",
	} {
		if r := g.get(t, "a", path); r.StatusCode != 400 || r.problem(t).Code != code {
			t.Errorf("%q: got %d %s, want 400 %s", path, r.StatusCode, r.body, code)
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("%d requests reached the backend", n)
	}
}

// claims are what a client may say about where a request comes from.
var claims = []string{
	"X-Forwarded-For: 203.0.113.7, 10.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example.com",
	"Forwarded: for=203.0.113.7;proto=https", "X-Real-IP: 203.0.113.7", "X-Forwarded-Port: 443", "X_Forwarded_For: 203.0.113.7",
}

func TestWhatClientsSayAboutThemselvesIsBelievedOnlyFromTrustedProxies(t *testing.T) {
	for _, tt := range []struct {
		name   string
		flags  []string
		want   map[string]string
		client string
	}{
		{
			name: "nobody is trusted",
			want: map[string]string{
				"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "a", "Forwarded": "for=127.0.0.1;host=a;proto=http",
				"X-Real-Ip": "", "X-Forwarded-Port": "", "X_Forwarded_For": "",
			},
			client: "127.0.0.1",
		},
		{
			name:  "others are trusted",
			flags: []string{"--trusted-proxies=10.0.0.0/8,203.0.113.0/24"},
			want: map[string]string{
				"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "a", "Forwarded": "for=127.0.0.1;host=a;proto=http",
				"X-Real-Ip": "", "X-Forwarded-Port": "", "X_Forwarded_For": "",
			},
			client: "127.0.0.1",
		},
		{
			name:  "the peer is trusted",
			flags: []string{"--trusted-proxies=127.0.0.0/8"},
			want: map[string]string{
				"X-Forwarded-For": "203.0.113.7, 10.0.0.1, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example.com",
				"Forwarded": "for=203.0.113.7;proto=https, for=127.0.0.1;host=a;proto=http", "X_Forwarded_For": "",
			},
			client: "10.0.0.1",
		},
		{
			name:  "the peer and the proxy before it are trusted",
			flags: []string{"--trusted-proxies=127.0.0.0/8,10.0.0.0/8"},
			want: map[string]string{
				"X-Forwarded-For": "203.0.113.7, 10.0.0.1, 127.0.0.1", "X-Forwarded-Proto": "https",
			},
			client: "203.0.113.7",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, mirroring("r")))}, tt.flags...)
			r := g.get(t, "a", "/", claims...)
			got := r.mirror(t).Header
			for name, want := range tt.want {
				if value := strings.Join(got[name], "; "); value != want {
					t.Errorf("the backend got %s: %q, want %q", name, value, want)
				}
			}
			if l := g.log(t, r.Header.Get("X-Trace-ID")); l.Client != tt.client {
				t.Errorf("client %q in the log, want %q", l.Client, tt.client)
			}
		})
	}
}

func TestConnectionRemovesOnlyWhatIsForThisConnection(t *testing.T) {
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, mirroring("r")))})
	id := traceID()
	m := g.get(t, "a", "/", "X-Trace-ID: "+id, "X-Custom: for this hop",
		"Connection: X-Forwarded-For, x-forwarded-proto, X-Forwarded-Host, Forwarded, X-Trace-ID, X-Custom").mirror(t)
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "a",
		"Forwarded": "for=127.0.0.1;host=a;proto=http", "X-Trace-Id": id, "X-Custom": "", "Connection": "",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("the backend got %s: %q, want %q", name, got, want)
		}
	}
}

func TestTraceIDsAreKeptIfTheyAreTraceIDs(t *testing.T) {
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, mirroring("r")))})
	form := regexp.MustCompile(`^[0-9a-f]{32}$`)
	for _, tt := range []struct {
		name, sent string
		kept       bool
	}{
		{"valid", "4bf92f3577b34da6a3ce929d0e0e4736", true},
		{"upper case", "4BF92F3577B34DA6A3CE929D0E0E4736", false},
		{"zero", strings.Repeat("0", 32), false},
		{"short", "4bf92f3577b34da6", false},
		{"long", "4bf92f3577b34da6a3ce929d0e0e47360", false},
		{"UUID", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", false},
		{"JSON", `","code":"forged`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := g.get(t, "a", "/", "X-Trace-ID: "+tt.sent)
			id := r.Header.Get("X-Trace-ID")
			if (id == tt.sent) != tt.kept || !form.MatchString(id) {
				t.Errorf("answered with %q", id)
			}
			if forwarded := r.mirror(t).Header.Values("X-Trace-Id"); len(forwarded) != 1 || forwarded[0] != id {
				t.Errorf("forwarded %q, answered %q", forwarded, id)
			}
			if l := g.log(t, id); l.Status != 200 {
				t.Errorf("logged as %+v", l)
			}
		})
	}
}

func TestHeadsHaveBounds(t *testing.T) {
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, echo("r")))})
	for _, tt := range []struct {
		name, line, fields string
		status             int
	}{
		{"line of 8 KiB", "GET /" + strings.Repeat("a", 8<<10-len("GET / HTTP/1.1")) + " HTTP/1.1", "", 200},
		{"longer line", "GET /" + strings.Repeat("a", 8<<10-len("GET / HTTP/1.1")+1) + " HTTP/1.1", "", 414},
		{"line without end", "GET /" + strings.Repeat("a", 16<<10), "", 414},
		{"head of nearly 60 KiB", "GET / HTTP/1.1", "Cookie: " + strings.Repeat("c", 59<<10) + "\r\n", 200},
		{"larger head", "GET / HTTP/1.1", "Cookie: " + strings.Repeat("c", 60<<10) + "\r\n", 431},
		{"100 fields", "GET / HTTP/1.1", strings.Repeat("A: b\r\n", 99), 200},
		{"101 fields", "GET / HTTP/1.1", strings.Repeat("A: b\r\n", 100), 431},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := g.dial(t)
			c.send("%s\r\nHost: a\r\n%s\r\n", tt.line, tt.fields)
			r := c.receive()
			if r.StatusCode != tt.status {
				t.Errorf("got %d, want %d", r.StatusCode, tt.status)
			}
			if tt.status == 200 {
				return
			}
			c.ended()
			if l := g.log(t, r.Header.Get("X-Trace-ID")); l.Status != tt.status || l.Why == "" {
				t.Errorf("logged as %+v", l)
			}
		})
	}
}

func TestMetricsAreLabelledByPatternAndKnownMethod(t *testing.T) {
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/users", backend(t, echo("r")))})
	for i := range 3 {
		g.get(t, "a", fmt.Sprintf("/users/secret-%d", i))
		g.get(t, "a", fmt.Sprintf("/secret-%d", i))
	}
	for _, method := range []string{"BREW", "brew", "get"} {
		c := g.dial(t)
		c.send("%s /users HTTP/1.1\r\nHost: a\r\n\r\n", method)
		c.receive()
	}
	metrics := ""
	for _, want := range []string{
		`gateway_requests_total{method="GET",path="/users",route="default/r/0",status="200"} 3`,
		`gateway_requests_total{method="OTHER",path="/users",route="default/r/0",status="200"} 3`,
		`gateway_requests_total{method="GET",path="none",route="none",status="404"} 3`,
	} {
		eventually(t, want, func() bool {
			metrics = scrape(t, g)
			return strings.Contains(metrics, want+"\n")
		})
	}
	for _, raw := range []string{"secret", "BREW", "brew", `"get"`} {
		if strings.Contains(metrics, raw) {
			t.Errorf("the metrics contain %s, which a client chose", raw)
		}
	}
}

func scrape(t *testing.T, g *gateway) string {
	t.Helper()
	r, err := http.Get("http://" + g.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// forgetful is a backend whose first connection answers one request and closes when it gets the second. Others are kept. It
// counts the requests of each method.
type forgetful struct {
	conns, gets, posts atomic.Int64
}

func (f *forgetful) serve(c net.Conn) {
	first := f.conns.Add(1) == 1
	b := make([]byte, 4<<10)
	for served := 0; ; served++ {
		n, err := c.Read(b) // the gateway writes a head, and a small body, at once
		if err != nil {
			return
		}
		if strings.HasPrefix(string(b[:n]), "GET ") {
			f.gets.Add(1)
		} else {
			f.posts.Add(1)
		}
		if first && served == 1 {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

func TestAKeptConnectionThatClosesUnderARequest(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		status        int
		gets, posts   int64
	}{
		{"a GET is sent again", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, 3, 0},
		{"a POST is not", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 502, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f forgetful
			g := start(t, map[string]string{"r.yaml": route("r", "a", "/", raw(t, f.serve))})
			c := g.dial(t)
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if r := c.receive(); r.StatusCode != 200 {
				t.Fatalf("the first request got %d", r.StatusCode)
			}
			c.send("%s", tt.request)
			if r := c.receive(); r.StatusCode != tt.status {
				t.Errorf("got %d %s", r.StatusCode, r.body)
			}
			if gets, posts := f.gets.Load(), f.posts.Load(); gets != tt.gets || posts != tt.posts {
				t.Errorf("the backend saw %d GET and %d POST, want %d and %d", gets, posts, tt.gets, tt.posts)
			}
		})
	}
}

func TestAKeptConnectionThatWasClosedMeanwhileIsNotUsed(t *testing.T) {
	closed := make(chan struct{}, 2)
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", raw(t, func(c net.Conn) {
		answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(c)
		c.Close()
		closed <- struct{}{}
	}))})
	c := g.dial(t)
	for range 2 {
		// A POST, which would not be sent again.
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
		if r := c.receive(); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		<-closed
	}
}

func TestATunnelSurvivesAnEdit(t *testing.T) {
	chat := raw(t, func(c net.Conn) {
		answering("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")(c)
		_, _ = io.Copy(c, c)
	})
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", chat)})
	c := g.dial(t)
	c.send("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if r := c.receive(); r.StatusCode != 101 || r.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("got %d %v", r.StatusCode, r.Header)
	}
	says := func(word string) {
		t.Helper()
		c.send("%s", word)
		got := make([]byte, len(word))
		if _, err := io.ReadFull(c.r, got); err != nil || string(got) != word {
			t.Fatalf("sent %q, got %q, %v", word, got, err)
		}
	}
	says("before")
	g.write(t, "r.yaml", route("r", "a", "/", backend(t, echo("new"))))
	eventually(t, "the edit to serve", func() bool { return strings.HasPrefix(g.get(t, "a", "/").body, "new") })
	says("after the edit")
	g.write(t, "r.yaml", route("other", "b", "/", backend(t, echo("new"))))
	eventually(t, "the route to be gone", func() bool { return g.get(t, "a", "/").StatusCode == 404 })
	says("after the end of its route")
}

func TestWhatTwoParsersCouldReadDifferentlyIsRefused(t *testing.T) {
	var smuggled atomic.Bool
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.Contains(r.RequestURI, "smuggled") {
			smuggled.Store(true)
		}
	}))})
	const behind = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, tt := range []struct{ name, request string }{
		{"length and coding", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"coding and length", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
		{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n"},
		{"the same length twice", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"},
		{"list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n"},
		{"length with a sign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n"},
		{"length in hex", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n"},
		{"empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
		{"length over 64 bits", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"},
		{"two codings", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
		{"chunked not last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
		{"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
		{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
		{"folded line", "POST / HTTP/1.1\r\nHost: a\r\nX: b\r\n Content-Length: 5\r\n\r\n"},
		{"folded coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
		{"LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
		{"LF behind a field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"},
		{"CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rContent-Length: 5\r\n\r\n"},
		{"NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\x00\r\n\r\n"},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
		{"no Host", "GET / HTTP/1.1\r\n\r\n"},
		{"Host beside the target's", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"HTTP/0.9", "GET /\r\n"},
		{"chunk size with a sign", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n"},
		{"chunk size with LF", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n"},
		{"chunk longer than its size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n"},
		{"chunk size over 64 bits", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := g.dial(t)
			c.send("%s", tt.request+behind)
			r := c.receive()
			if r.StatusCode != 400 || r.Header.Get("Connection") != "close" && !r.Close {
				t.Errorf("got %d, closing: %v", r.StatusCode, r.Close)
			}
			c.ended()
		})
	}
	if smuggled.Load() {
		t.Error("a request that stood behind a refused one reached the backend")
	}
}

func TestAccessLogLinesCannotBeForged(t *testing.T) {
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", backend(t, echo("r")))})
	forged := `x","status":200,"route":"forged","y":"`
	requests := []string{
		"GET /" + forged + " HTTP/1.1\r\nHost: a\r\nUser-Agent: " + forged + "\r\n\r\n",
		"GET /%0a%0d{%22traceId%22:%22forged%22} HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\xfe\tb\\\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: " + forged + "\r\n\r\n",
		forged + " / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\n{\"traceId\":\"forged\"} HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \x1b[2J\r\n\r\n",
	}
	for _, request := range requests {
		c := g.dial(t)
		c.send("%s", request)
		g.log(t, c.receive().Header.Get("X-Trace-ID"))
	}
	lines := strings.Split(strings.TrimSuffix(g.accessLog.String(), "\n"), "\n")
	if len(lines) != len(requests) {
		t.Errorf("%d lines about %d requests", len(lines), len(requests))
	}
	for _, line := range lines {
		var l logged
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Route == "forged" || l.TraceID == "forged" {
			t.Errorf("%q: %v", line, err)
		}
		for _, c := range line {
			if c < ' ' || c == 0x7f {
				t.Errorf("%q contains a control character", line)
			}
		}
	}
	var first logged
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || first.UserAgent != forged || first.Path != "/"+forged {
		t.Errorf("the first line is %+v, %v", first, err)
	}
}
