package basicauth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/snapshot"
)

// The hashes of "correct horse", as openssl passwd made them.
const (
	sha512Hash = `$6$abcdefgh$yIZAF3gQPvtKZO/9qOJKffAKKbtS3ef3qmwyugk4uWVjX8YZf/GV3A8SkFxEPY0T56CcilGrHKLffBsp6dLMG.`
	sha256Hash = `$5$abcdefgh$ruMep1ijHnJPZbETDNiumskxcX3kN4lzZd5VlsqE7eB`
	md5Hash    = `$apr1$abcdefgh$sIQmFnT1CuEXAsyjuXjUX/`
)

const password = "correct horse"

func bcryptOf(tb testing.TB, cost int) string {
	tb.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		tb.Fatal(err)
	}
	return string(h)
}

func build(tb testing.TB, store *Store, config, file string, last exchange.Handler) exchange.Handler {
	tb.Helper()
	f, err := Definition(store, nil).Build(json.RawMessage(config), filter.Env{Secret: func(ref snapshot.Ref) ([]byte, error) {
		if ref.Name != "staff" || ref.Key != ".htpasswd" {
			tb.Errorf("asks for %s", ref)
		}
		return []byte(file), nil
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return f.Wrap(last)
}

func request(tb testing.TB, credentials string) *exchange.Exchange {
	tb.Helper()
	return proxytest.Exchange(tb, "GET / HTTP/1.1\nHost: a\nX-User: root\nAuthorization: Basic "+base64.StdEncoding.EncodeToString([]byte(credentials))+"\n")
}

func TestUsersPassWithTheirPassword(t *testing.T) {
	file := "# staff\n\nanna:" + bcryptOf(t, bcrypt.MinCost) + "\r\nben:" + sha512Hash + "\ncem:" + sha256Hash + "\n"
	upstream := &proxytest.Upstream{}
	h := build(t, NewStore(), `{"secretName": "staff", "userHeader": "X-User"}`, file, upstream)
	for _, name := range []string{"anna", "ben", "cem", "anna"} {
		x := request(t, name+":"+password)
		if err := h.Serve(x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if x.Subject.Kind != exchange.ByPassword || x.Subject.ID != name || upstream.Got != "GET / HTTP/1.1\nHost: a\nX-User: "+name+"\n" {
			t.Errorf("%s: %+v\n%s", name, x.Subject, upstream.Got)
		}
	}
}

func TestOthersDoNot(t *testing.T) {
	upstream := &proxytest.Upstream{}
	h := build(t, NewStore(), `{"secretName": "staff", "realm": "Staff"}`, "anna:"+bcryptOf(t, bcrypt.MinCost), upstream)
	if err := h.Serve(request(t, "anna:"+password)); err != nil { // its password is remembered
		t.Fatal(err)
	}
	upstream.Got = ""
	for _, credentials := range []string{"anna:wrong", "anna:", "ben:" + password, ":" + password, "anna", "", "anna:" + strings.Repeat("x", 600)} {
		x := request(t, credentials)
		err := h.Serve(x)
		if got, _ := x.FailureHead.Lookup("WWW-Authenticate"); !errors.Is(err, credential.ErrInvalid) || got != `Basic realm="Staff", charset="UTF-8"` {
			t.Errorf("%.20q: %v, challenge %q", credentials, err, got)
		}
	}
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nAuthorization: Basic !\n")
	if err := h.Serve(x); !errors.Is(err, credential.ErrInvalid) {
		t.Errorf("no base64: %v", err)
	}
	x = proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nAuthorization: Bearer x\n")
	if err := h.Serve(x); !errors.Is(err, credential.ErrRequired) {
		t.Errorf("another scheme: %v", err)
	}
	if upstream.Got != "" {
		t.Error("one of them passes")
	}
}

func TestOptionalAndDisabled(t *testing.T) {
	upstream := &proxytest.Upstream{}
	file := "anna:" + bcryptOf(t, bcrypt.MinCost)
	h := build(t, NewStore(), `{"secretName": "staff", "optional": true, "userHeader": "X-User"}`, file, upstream)
	x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\nx_user: root\n")
	if err := h.Serve(x); err != nil || strings.Contains(upstream.Got, "root") {
		t.Errorf("%v\n%s", err, upstream.Got)
	}
	if err := h.Serve(request(t, "anna:wrong")); !errors.Is(err, credential.ErrInvalid) {
		t.Errorf("optional, and wrong: %v", err)
	}
	h = build(t, NewStore(), `{"disabled": true, "userHeader": "X-User"}`, file, upstream)
	if err := h.Serve(request(t, "anna:wrong")); err != nil || strings.Contains(upstream.Got, "root") || !strings.Contains(upstream.Got, "Basic") {
		t.Errorf("disabled: %v\n%s", err, upstream.Got)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"MD5":             {"anna:" + md5Hash, "line 1: user anna has an MD5 hash"},
		"SHA-1":           {"\nanna:{SHA}8Bl7s0JN6XJYlgL0jGHwtPRzuTk=", "line 2: user anna has a SHA-1 hash"},
		"a password":      {"anna:hunter2", "line 1: user anna has neither a hash"},
		"a costly bcrypt": {"anna:$2y$31$" + strings.Repeat("a", 53), "cost 31"},
		"half a bcrypt":   {"anna:$2y$10$hunter2", "no bcrypt hash"},
		"many rounds":     {"anna:$6$rounds=999999999$abcdefgh$hunter2", "more than 1000000 rounds"},
		"half a SHA-2":    {"anna:$6$hunter2", "no SHA-2 crypt hash"},
		"a user twice":    {"anna:" + sha256Hash + "\nanna:" + sha256Hash, "line 2: user anna stands twice"},
		"no user":         {"# nobody\n", "no user"},
		"no colon":        {"hunter2", "line 1: no name and hash"},
	} {
		err := Definition(nil, nil).Inspect(json.RawMessage(`{"secretName": "staff"}`), func(snapshot.Ref) ([]byte, error) { return []byte(c.file), nil })
		var bad *filter.Unusable
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestPasswordsWaitForTheirTurn(t *testing.T) {
	store := NewStore()
	h := build(t, store, `{"secretName": "staff"}`, "anna:"+bcryptOf(t, bcrypt.MinCost), &proxytest.Upstream{})
	if err := h.Serve(request(t, "anna:"+password)); err != nil {
		t.Fatal(err)
	}
	for range cap(store.turns) {
		store.turns <- struct{}{}
	}
	x := request(t, "anna:wrong")
	err := h.Serve(x)
	if _, challenged := x.FailureHead.Lookup("WWW-Authenticate"); !errors.Is(err, errBusy) || challenged {
		t.Errorf("%v, challenged %v", err, challenged)
	}
	if err := h.Serve(request(t, "anna:"+password)); err != nil {
		t.Errorf("one that is remembered needs no turn: %v", err)
	}
}

func TestARememberedPasswordDoesNotAllocate(t *testing.T) {
	last := exchange.HandlerFunc(func(*exchange.Exchange) error { return nil })
	h := build(t, NewStore(), `{"secretName": "staff"}`, "anna:"+bcryptOf(t, bcrypt.MinCost), last)
	value := "Basic " + base64.StdEncoding.EncodeToString([]byte("anna:"+password))
	x := &exchange.Exchange{}
	if n := testing.AllocsPerRun(1000, func() {
		x.Reset()
		x.Request.Head.AddID(exchange.Authorization, value)
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
