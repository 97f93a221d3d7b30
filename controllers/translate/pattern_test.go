package translate

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/basicauth"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/proxy/filter/extauth"
	"github.com/penstock/penstock/proxy/filter/jwt"
	"github.com/penstock/penstock/proxy/filter/jwt/jwks"
	"github.com/penstock/penstock/proxy/filter/ratelimit"
	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/live"
	"github.com/penstock/penstock/proxy/observe"
	"github.com/penstock/penstock/proxy/proxytest"
	"github.com/penstock/penstock/proxy/router"
	"github.com/penstock/penstock/proxy/snapshot"
	"github.com/penstock/penstock/proxy/upstream"
)

func TestLiteralPrefix(t *testing.T) {
	tests := []struct{ pattern, want string }{
		{"/users/[0-9]+", "/users"},
		{"^/users/[0-9]+$", "/users"},
		{"/users/me[0-9]", "/users"},
		{"/users/", "/users"},
		{"/users", "/"},
		{"/a/b/?c", "/a"},
		{"/a/b/*c", "/a"},
		{"/a/b/{0,1}c", "/a"},
		{"/a/b/+c", "/a/b"},
		{"/a/b|/c/d", "/"},
		{"/a/(b|c)", "/"},
		{"(?i)/a/b", "/"},
		{`\Q/a/b\E`, "/"},
		{"users/(", "/"},
		{"(", "/"},
		{"", "/"},
	}
	for _, tt := range tests {
		if got := literalPrefix(tt.pattern); got != tt.want {
			t.Errorf("literalPrefix(%q) = %q, want %q", tt.pattern, got, tt.want)
		}
	}
}

// TestLiteralPrefixCoversItsPattern makes patterns and paths of the same few parts, so that they meet.
func TestLiteralPrefixCoversItsPattern(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	patternParts := []string{"/", "/", "a", "b", "/a", "/b", "?", "*", "+", "{0,2}", "|", "(/b)", "[ab]", ".", "^", "$", `\w`, "(?:a)?"}
	pathParts := []string{"/", "/a", "/b", "a", "b"}
	met := 0
	for range 100_000 {
		pattern := join(r, patternParts, 5)
		re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
		if err != nil {
			continue
		}
		path := "/" + strings.TrimPrefix(join(r, pathParts, 4), "/")
		if !re.MatchString(path) {
			continue
		}
		met++
		prefix := literalPrefix(pattern)
		if prefix != "/" && path != prefix && !strings.HasPrefix(path, prefix+"/") {
			t.Fatalf("%q matches %q, which is not below %q", pattern, path, prefix)
		}
	}
	if met < 1000 {
		t.Errorf("only %d patterns matched", met)
	}
}

func join(r *rand.Rand, parts []string, most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

// TestPatternsAreWhatTheRouterCompiles holds the bound of this package to that of the router, from both sides of it.
func TestPatternsAreWhatTheRouterCompiles(t *testing.T) {
	accepted := map[bool]int{}
	for n := snapshot.MaxRegexp - 20; n < snapshot.MaxRegexp+20; n++ {
		pattern := fmt.Sprintf("/%s", strings.Repeat("a", n/2)) // two for each character: an instruction and its rune
		_, err := snapshot.ParseRegexp(pattern)
		ok := err == nil
		accepted[ok]++
		s := snapshotWith(snapshot.Path{Type: snapshot.Regex, Value: pattern})
		if problems := compile(s); (len(problems) == 0) != ok {
			t.Fatalf("%d characters: accepted here: %t, problems of the router: %v", len(pattern), ok, problems)
		}
	}
	if len(accepted) != 2 {
		t.Errorf("the patterns are all on one side of the bound: %v", accepted)
	}
}

// TestWhatIsTranslatedCompiles: whatever the golden cases come to, the router has nothing to complain about.
func TestWhatIsTranslatedCompiles(t *testing.T) {
	for _, dir := range goldenDirs(t) {
		g := readGolden(t, dir+"/in.yaml")
		s, _ := Translate(g.Input, g.Filters)
		for _, p := range compile(s) {
			t.Errorf("%s: route %s: %v", dir, p.RouteID, p.Err)
		}
	}
}

func snapshotWith(path snapshot.Path) *snapshot.Snapshot {
	route := &snapshot.Route{
		ID: "shop/users/0", Listeners: []string{snapshot.ListenerHTTP}, Matches: []snapshot.Match{{Path: path}}, Reject: unresolved,
	}
	return proxytest.Snapshot(proxytest.Parts{Listeners: DefaultOptions().Listeners, Routes: []*snapshot.Route{route.Seal()}})
}

// compile returns the router's problems with a snapshot. Base filters need a process around them and are left out.
func compile(s *snapshot.Snapshot) []router.Problem {
	isBase := func(d filter.Definition) bool { return d.Base }
	local := limit.NewLocal(1000, time.Now)
	deps := builtin.Deps{
		Tokens: jwt.NewStore(slog.New(slog.DiscardHandler), jwks.Reach{}), Passwords: basicauth.NewStore(),
		Decisions: observe.NewDecisions(), AuthClients: extauth.NewClients(),
		RateLimits: ratelimit.Deps{Local: local, Cluster: limit.Alone{Local: local}, Meters: observe.NewLimits()},
	}
	upstreams := upstream.New(upstream.Options{Store: live.NewStore(upstream.NewPool), Log: slog.New(slog.DiscardHandler)})
	_, problems := router.Compile(nil, s, router.Options{
		Filters: slices.DeleteFunc(builtin.Registry(deps), isBase),
		Cluster: func(c *snapshot.Cluster) exchange.Handler { return upstreams.Handler(c) },
		Now:     time.Now,
	})
	return problems
}
