package main

import (
	"net/http"
	"strings"
)

// judgeSequence judges the reactions to steps by the words that Http11Probe has for it.
func judgeSequence(expect string, rs []reaction) string {
	first := rs[0]
	refused := first.closed || len(first.answers) > 0 && first.answers[0].status == http.StatusBadRequest
	extra := len(first.answers) > 1
	switch expect {
	case "400, or 2xx + close", "400, or close":
		return passIf(refused)
	case "400, or close (no extra response)":
		return passIf(refused && !extra)
	case "2xx + 2xx":
		return passIf(len(rs) == 2 && answeredOnce(rs[0]) && answeredOnce(rs[1]))
	case "400/close preferred; extra response on step 2 = warn", "400/close preferred; poisoned follow-up = warn",
		"400/close/pass-through; poisoned follow-up = warn", "417/400/close preferred; poisoned follow-up = warn":
		switch {
		case refused && !extra, len(rs) == 2 && answeredOnce(rs[0]) && answeredOnce(rs[1]):
			return "pass"
		case !extra:
			return "warn"
		}
	}
	return "fail"
}

func answeredOnce(r reaction) bool { return len(r.answers) == 1 && success(r) }

func success(r reaction) bool { return len(r.answers) > 0 && r.answers[0].status/100 == 2 }

func passIf(ok bool) string {
	if ok {
		return "pass"
	}
	return "fail"
}

// probeChecks judge the scored cases whose verdict depends on more than status and connection.
var probeChecks = map[string]func(reaction) string{
	"COMP-CHUNKED-EXTENSION": func(r reaction) string {
		if r.String() == "400+close" {
			return "warn"
		}
		return passIf(success(r) && strings.HasPrefix(r.answers[0].body, "hello"))
	},
	"COMP-HEAD-NO-BODY": func(r reaction) string { return passIf(answeredOnce(r)) },
	"COMP-DATE-HEADER":  func(r reaction) string { return passIf(success(r) && r.answers[0].header.Get("Date") != "") },
	"COMP-CONTENT-TYPE": func(r reaction) string { return passIf(success(r) && r.answers[0].header.Get("Content-Type") != "") },
	"COMP-405-ALLOW": func(r reaction) string {
		return passIf(r.String() == "405" && r.answers[0].header.Get("Allow") != "")
	},
	"COMP-OPTIONS-ALLOW": func(r reaction) string { return passIf(success(r) && r.answers[0].header.Get("Allow") != "") },
	"COMP-NO-CL-IN-204": func(r reaction) string {
		return passIf(r.String() == "204" && r.answers[0].header.Get("Content-Length") == "")
	},
	"NORM-UNDERSCORE-CL":      normalised("Content-Length: 99"),
	"NORM-UNDERSCORE-TE":      normalised("Transfer-Encoding: chunked"),
	"NORM-SP-BEFORE-COLON-CL": normalised("Content-Length: 5"),
	"NORM-TAB-IN-NAME":        normalised("Content-Length: 99"),
}

// normalised judges what became of a faulty field: refused or dropped is right, forwarded as it was a warning, and repaired,
// so that the backend saw the given line, wrong.
func normalised(repaired string) func(reaction) string {
	return func(r reaction) string {
		switch {
		case !success(r):
			return passIf(r.closed)
		case strings.Contains(r.answers[0].body, repaired):
			return "fail"
		case strings.Contains(strings.ToLower(r.answers[0].body), strings.ToLower(strings.ReplaceAll(repaired, "-", "_"))):
			return "warn"
		}
		return "pass"
	}
}
