package standalone

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
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

func TestConnectionOfABackendRemovesOnlyWhatIsForThatConnection(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nConnection: close, X-Trace-ID, X-Custom\r\nX-Trace-ID: forged\r\nX-Custom: for this hop\r\n" +
		"X-Other: for all\r\nContent-Length: 0\r\n\r\n"
	g := start(t, map[string]string{"r.yaml": route("r", "a", "/", raw(t, answering(answer)))})
	id := traceID()
	got := g.get(t, "a", "/", "X-Trace-ID: "+id).Header
	for name, want := range map[string]string{"X-Trace-ID": id, "X-Custom": "", "X-Other": "for all"} {
		if value := strings.Join(got.Values(name), "; "); value != want {
			t.Errorf("the client got %s: %q, want %q", name, value, want)
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
