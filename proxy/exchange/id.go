package exchange

import "github.com/penstock/penstock/proxy/swar"

// ID is a field name that the gateway knows; Other is any other name.
type ID uint8

// The known names. Codecs act on the first block; it never reaches a handler.
const (
	Other ID = iota
	Connection
	ContentLength
	Host
	KeepAlive
	ProxyConnection
	TE
	Trailer
	TransferEncoding
	Upgrade

	AcceptLanguage
	Authorization
	CacheControl
	ContentType
	Cookie
	Date
	Expect
	Forwarded
	Location
	RetryAfter
	Server
	TraceID
	UserAgent
	Via
	XForwardedFor
	XForwardedHost
	XForwardedProto

	idCount
)

// names are the canonical spellings, used when a field is written. Their lower-case forms are what is compared.
var names = [idCount]string{
	Connection: "Connection", ContentLength: "Content-Length", Host: "Host", KeepAlive: "Keep-Alive",
	ProxyConnection: "Proxy-Connection", TE: "TE", Trailer: "Trailer", TransferEncoding: "Transfer-Encoding", Upgrade: "Upgrade",
	AcceptLanguage: "Accept-Language", Authorization: "Authorization", CacheControl: "Cache-Control",
	ContentType: "Content-Type", Cookie: "Cookie", Date: "Date", Expect: "Expect", Forwarded: "Forwarded",
	Location: "Location", RetryAfter: "Retry-After", Server: "Server", TraceID: "X-Trace-ID", UserAgent: "User-Agent", Via: "Via",
	XForwardedFor: "X-Forwarded-For", XForwardedHost: "X-Forwarded-Host", XForwardedProto: "X-Forwarded-Proto",
}

// candidate is a known name as folded returns it, with the byte between head and tail if there are seventeen.
type candidate struct {
	head, tail uint64
	id         ID
	middle     byte
}

// byLength lists the candidates of each length of name: four at most.
var byLength = func() (t [18][]candidate) {
	for id, n := range names {
		if n != "" {
			head, tail := folded(n)
			c := candidate{head: head, tail: tail, id: ID(id)}
			if len(n) > 16 {
				c.middle = n[8] | 0x20
			}
			t[len(n)] = append(t[len(n)], c)
		}
	}
	return t
}()

// String is the canonical spelling; empty for Other.
func (id ID) String() string { return names[id] }

// IDOf returns the id of a field name in any case, or Other. The name must be a token.
func IDOf[T []byte | string](name T) ID {
	if len(name) >= len(byLength) {
		return Other
	}
	candidates := byLength[len(name)]
	if len(candidates) == 0 {
		return Other
	}
	head, tail := folded(name)
	for i := range candidates {
		if c := &candidates[i]; c.head == head && c.tail == tail && (len(name) <= 16 || name[8]|0x20 == c.middle) {
			return c.id
		}
	}
	return Other
}

// fold sets bit 5 of eight bytes. That makes letters lower-case, and no other byte of a token a letter or a hyphen, of which the
// known names consist.
const fold = 0x2020202020202020

// folded returns the first eight bytes of a name and the last eight, which may overlap; a shorter name is in the first alone.
func folded[T []byte | string](name T) (head, tail uint64) {
	switch n := len(name); {
	case n >= 8:
		return swar.Load(name) | fold, swar.Load(name[n-8:]) | fold
	case n >= 4:
		return uint64(load4(name)|fold>>32) | uint64(load4(name[n-4:])|fold>>32)<<32, 0
	default:
		for i := range n {
			head = head<<8 | uint64(name[i]|0x20)
		}
		return head, 0
	}
}

// equalFold compares ASCII case-insensitively. It is right for tokens only: among them no two bytes that differ in
// bit 5 alone are equal unless they are letters, but "^" and "~" differ so, and "`" and "@"; hence the check.
func equalFold[T []byte | string](a T, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(b); i++ {
		if x, y := a[i], b[i]; x != y && (x^y != 0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}

// load4 returns the first four bytes of s.
func load4[T []byte | string](s T) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}
