package exchange

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

// byLength lists the ids of each length of name, so that a look-up compares one or two candidates.
var byLength = func() (t [24][]ID) {
	for id, n := range names {
		if n != "" {
			t[len(n)] = append(t[len(n)], ID(id))
		}
	}
	return t
}()

// String is the canonical spelling; empty for Other.
func (id ID) String() string { return names[id] }

// IDOf returns the id of a field name in any case, or Other.
func IDOf[T []byte | string](name T) ID {
	if len(name) >= len(byLength) {
		return Other
	}
	for _, id := range byLength[len(name)] {
		if equalFold(name, names[id]) {
			return id
		}
	}
	return Other
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
