package router

import (
	"slices"
	"strings"

	"github.com/penstock/penstock/proxy/exchange"
)

// hosts is a tree over host names that are read from their end: "*.example.com" is the key "moc.elpmaxe.", any host is the empty key.
// So one walk finds the exact name, the longest wildcard and any host.
type hosts = node[paths]

// maxHost is the length of the longest DNS name in bytes (RFC 1035 §3.1, without the final dot). A longer one has no host of its own.
const maxHost = 253

// hostKey returns the key of a route's host; empty means any host.
func hostKey(host string) string {
	b := []byte(strings.TrimPrefix(host, "*"))
	slices.Reverse(b)
	return string(b)
}

// hostOfKey is hostKey's inverse.
func hostOfKey(key string) string {
	host := hostKey(key)
	switch {
	case host == "":
		return "*"
	case host[0] == '.':
		return "*" + host
	}
	return host
}

// findHost returns the paths of the most specific host that name belongs to, or nil. A less specific host is not asked
// when the paths of the more specific one don't match: a host name belongs to those who name it best.
func findHost(h *hosts, name string) (best *paths) {
	if len(name) > maxHost {
		name = ""
	}
	var buf [maxHost]byte
	reversed := buf[:len(name)]
	for i := range len(name) {
		reversed[len(name)-1-i] = name[i]
	}
	for at, p := range h.along(exchange.String(reversed)) {
		isWildcard := at > 0 && reversed[at-1] == '.'
		if at == 0 || isWildcard != (at == len(name)) {
			best = p
		}
	}
	return best
}
