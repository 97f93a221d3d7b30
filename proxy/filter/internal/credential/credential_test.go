package credential_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/credential"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
)

var places = []credential.Source{{Header: "Authorization", Scheme: "Token"}, {Header: "X-Key"}, {Query: "key"}, {Cookie: "key"}}

func TestCredentialsAreFoundAndTakenAway(t *testing.T) {
	for name, tt := range map[string]struct {
		target, fields, value, left string
		count                       int
	}{
		"nowhere":                   {"/", "Accept: */*", "", "GET / HTTP/1.1\nHost: a\nAccept: */*\n", 0},
		"behind a scheme":           {"/", "authorization: tOKEN a", "a", "GET / HTTP/1.1\nHost: a\n", 1},
		"behind a scheme, far":      {"/", "Authorization: Token    a", "a", "GET / HTTP/1.1\nHost: a\n", 1},
		"behind no such scheme":     {"/", "Authorization: Tokens a", "", "GET / HTTP/1.1\nHost: a\nAuthorization: Tokens a\n", 0},
		"behind half of a scheme":   {"/", "Authorization: Tok", "", "GET / HTTP/1.1\nHost: a\nAuthorization: Tok\n", 0},
		"a scheme alone":            {"/", "Authorization: Token", "", "GET / HTTP/1.1\nHost: a\n", 1},
		"a scheme of two":           {"/", "Authorization: Basic b\nAuthorization: Token a", "a", "GET / HTTP/1.1\nHost: a\n", 1},
		"a header":                  {"/", "x-key: a", "a", "GET / HTTP/1.1\nHost: a\n", 1},
		"a header twice":            {"/", "X-Key: a\nX-Key: a", "", "GET / HTTP/1.1\nHost: a\n", 2},
		"a header and a query":      {"/?key=a", "X-Key: a", "", "GET / HTTP/1.1\nHost: a\n", 2},
		"a query":                   {"/?key=a%20b+c", "", "a b c", "GET / HTTP/1.1\nHost: a\n", 1},
		"a query among others":      {"/?x=1&key=a&y", "", "a", "GET /?x=1&y HTTP/1.1\nHost: a\n", 1},
		"a query, escaped":          {"/?%6bey=%61&x", "", "a", "GET /?x HTTP/1.1\nHost: a\n", 1},
		"a query of the same end":   {"/?monkey=a&Key=b", "", "", "GET /?monkey=a&Key=b HTTP/1.1\nHost: a\n", 0},
		"a query twice":             {"/?key=a&key=b", "", "", "GET / HTTP/1.1\nHost: a\n", 2},
		"a query without a value":   {"/?key", "", "", "GET / HTTP/1.1\nHost: a\n", 1},
		"a query with a bad escape": {"/?key=%zz", "", "%zz", "GET / HTTP/1.1\nHost: a\n", 1},
		"a cookie":                  {"/", "Cookie: a=1;key=\"b\" ; c=2", "b", "GET / HTTP/1.1\nHost: a\nCookie: a=1; c=2\n", 1},
		"a cookie in two fields":    {"/", "Cookie: a=1\nCookie: key=b", "b", "GET / HTTP/1.1\nHost: a\nCookie: a=1\n", 1},
		"a cookie of another case":  {"/", "Cookie: KEY=b", "", "GET / HTTP/1.1\nHost: a\nCookie: KEY=b\n", 0},
		"a cookie twice":            {"/", "Cookie: key=a; key=b", "", "GET / HTTP/1.1\nHost: a\n", 2},
	} {
		upstream := &proxytest.Upstream{}
		x := proxytest.Exchange(t, "GET "+tt.target+" HTTP/1.1\nHost: a\n"+tt.fields+"\n")
		f := credential.NewFinder(places)
		value, found, err := f.Find(x)
		if found != (tt.count > 0) || errors.Is(err, credential.ErrAmbiguous) != (tt.count > 1) || tt.count == 1 && value != tt.value {
			t.Errorf("%s: %q, found %v, error %v", name, value, found, err)
		}
		f.Strip(x)
		if tt.count == 1 && value != tt.value {
			t.Errorf("%s: taken away, the credential is %q", name, value)
		}
		if err := upstream.Serve(x); err != nil || upstream.Got != tt.left {
			t.Errorf("%s: left is %q, want %q: %v", name, upstream.Got, tt.left, err)
		}
	}
}

func TestSourcesAreValidated(t *testing.T) {
	for want, source := range map[string]credential.Source{
		"from[0]: exactly one of header, query and cookie": {},
		"exactly one of header, query and cookie":          {Header: "A", Query: "a"},
		"scheme: there is no header":                       {Query: "a", Scheme: "b"},
		"Host is a field of framing":                       {Header: "Host"},
		"can't be the name of a query parameter":           {Cookie: "a=b"},
	} {
		if err := credential.Validate([]credential.Source{source}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", source, err, want)
		}
	}
	if err := credential.Validate(places); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"X-User": "", "Content-Length": "field of framing", "x_key": "is where the credential is looked for", "AUTHORIZATION": "is where the credential is looked for",
	} {
		if err := credential.ValidateHeader(name, places); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// errAway is the gateway's fault, errWrong the client's.
var (
	errAway  = &exchange.Error{Status: 503, Code: "auth.unavailable"}
	errWrong = credential.ErrInvalid.With(errors.New("wrong"))
)

func TestChecks(t *testing.T) {
	decisions := observe.NewDecisions()
	newCheck := func() *credential.Check {
		return &credential.Check{
			Finder: credential.NewFinder(places), Headers: []string{"X-User"},
			Identify: func(x *exchange.Exchange, value string) error {
				switch value {
				case "away":
					return errAway
				case "wrong":
					return errWrong
				}
				x.Subject.ID = value
				x.Request.Head.Add("X-User", value)
				return nil
			},
			Challenge: func(x *exchange.Exchange, err error) { credential.Challenge(x, err.Error()) },
			Outcomes:  credential.Count(decisions, "test"),
		}
	}
	for name, tt := range map[string]struct {
		change     func(*credential.Check)
		fields     string
		want       error
		got        string
		challenged bool
	}{
		"a good one":        {nil, "X-User: root\nX-Key: anna", nil, "X-User: anna\n", false},
		"a forwarded one":   {func(c *credential.Check) { c.Forward = true }, "X-Key: anna", nil, "X-Key: anna\nX-User: anna\n", false},
		"a bad one":         {nil, "X-Key: wrong", errWrong, "", true},
		"none":              {nil, "X-User: root", credential.ErrRequired, "", true},
		"none, optional":    {func(c *credential.Check) { c.Optional = true }, "x_user: root", nil, "", false},
		"a bad, optional":   {func(c *credential.Check) { c.Optional = true }, "X-Key: wrong", errWrong, "", true},
		"several, optional": {func(c *credential.Check) { c.Optional = true }, "X-Key: anna\nX-Key: anna", credential.ErrAmbiguous, "", true},
		"not our day":       {func(c *credential.Check) { c.Optional = true }, "X-Key: away", errAway, "", false},
		"switched off":      {func(c *credential.Check) { *c = credential.Check{Headers: c.Headers} }, "X-User: root\nX-Key: wrong", nil, "X-Key: wrong\n", false},
	} {
		c, upstream := newCheck(), &proxytest.Upstream{}
		if tt.change != nil {
			tt.change(c)
		}
		x := proxytest.Exchange(t, "GET / HTTP/1.1\nHost: a\n"+tt.fields+"\n")
		err := c.Wrap(upstream).Serve(x)
		_, challenged := x.FailureHead.Lookup("WWW-Authenticate")
		want := tt.got
		if tt.want == nil {
			want = "GET / HTTP/1.1\nHost: a\n" + want
		}
		if !errors.Is(err, tt.want) || challenged != tt.challenged || upstream.Got != want {
			t.Errorf("%s: %v, challenged %v, backend %q", name, err, challenged, upstream.Got)
		}
	}
	want := `# HELP gateway_filter_decisions_total Requests that a filter decided about, by filter and outcome.
# TYPE gateway_filter_decisions_total counter
gateway_filter_decisions_total{filter="test",outcome="allowed"} 2
gateway_filter_decisions_total{filter="test",outcome="anonymous"} 1
gateway_filter_decisions_total{filter="test",outcome="denied"} 4
gateway_filter_decisions_total{filter="test",outcome="error"} 1
`
	if err := testutil.CollectAndCompare(decisions, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
