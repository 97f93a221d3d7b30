package standalone

import (
	"net/http"
	"sync/atomic"
	"testing"
)

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
