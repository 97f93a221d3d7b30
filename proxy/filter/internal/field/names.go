package field

import "github.com/penstock/penstock/proxy/exchange"

// DropIf removes the fields of whose names unwanted is true.
func DropIf(h *exchange.Head, unwanted func(name string) bool) {
	for name := range h.All() {
		if unwanted(name) {
			h.Drop(name)
		}
	}
}

// DropAlike removes the fields whose names backends might take for one of names.
func DropAlike(h *exchange.Head, names []string) {
	for name := range h.All() {
		for _, n := range names {
			if Alike(name, n) {
				h.Drop(name)
			}
		}
	}
}

// Alike compares names without regard to case, "_" being "-": backends that turn names into variables (CGI, WSGI) can't tell
// them apart.
func Alike(name, other string) bool {
	if len(name) != len(other) {
		return false
	}
	for i := range len(name) {
		c, want := hyphen(name[i]), hyphen(other[i])
		if c != want && (c|0x20 != want|0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

func hyphen(c byte) byte {
	if c == '_' {
		return '-'
	}
	return c
}
