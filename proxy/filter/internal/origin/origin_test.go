package origin

import (
	"strings"
	"testing"
)

func TestOriginsAreCompared(t *testing.T) {
	set, err := Parse([]string{"https://shop.example.com", "http://localhost:3000", "https://*.example.org", "https://*.example.net:8443", "http://[::1]:3000"})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://shop.example.com":              true,
		"http://shop.example.com":               false,
		"https://shop.example.com:8443":         false,
		"https://shop.example.com.evil.example": false,
		"https://a.shop.example.com":            false,
		"https://SHOP.example.com":              false, // no browser writes it so
		"http://localhost:3000":                 true,
		"http://localhost":                      false,
		"http://[::1]:3000":                     true,
		"https://a.example.org":                 true,
		"https://a.b.example.org":               true,
		"https://example.org":                   false,
		"https://.example.org":                  false,
		"https://evilexample.org":               false,
		"http://a.example.org":                  false,
		"https://a.example.org:444":             false,
		"https://evil.example/.example.org":     false,
		"https://evil.example@a.example.org":    false,
		"https://evil.example:1.example.org":    false,
		"https://a.example.net:8443":            true,
		"https://a.example.net":                 false,
		"null":                                  false,
		"*":                                     false,
		"":                                      false,
	} {
		if got := set.Contains(origin); got != want {
			t.Errorf("%q: %v, want %v", origin, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { set.Contains("https://a.b.example.org") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPatternsAreChecked(t *testing.T) {
	for pattern, want := range map[string]string{
		"https://shop.example.com:8443": "",
		"https://192.0.2.1":             "",
		"*":                             "no origin",
		"null":                          "no origin",
		"shop.example.com":              "no origin",
		"ftp://shop.example.com":        "no origin",
		"https://shop.example.com/":     "host",
		"https://Shop.example.com":      "host",
		"https://a.*.example.com":       "host",
		"https://*":                     "host",
		"https://*.":                    "host",
		"https://":                      "host",
		"https://[::1":                  "host",
		"https://shop.example.com:443":  "default port",
		"http://shop.example.com:80":    "default port",
		"http://shop.example.com:0x1":   "port",
		"http://shop.example.com:":      "port",
		"http://a:b@shop.example.com":   "port",
	} {
		_, err := Parse([]string{pattern})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v, want %q", pattern, err, want)
		}
	}
}
