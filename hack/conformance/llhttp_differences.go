package main

const (
	afterClose = "RFC 9112 §9.6: what follows a request that ends the connection is not read, so that it can't be served"
	ownMethod  = "RFC 9110 §9.1, §16.1: methods are an open set, and the backend's to judge"
	noUpgrade  = "RFC 9110 §7.8: no error of llhttp, which hands the connection over; a server may go on without the upgrade, as this backend does"
)

// llhttpDifferences are the cases that strict llhttp refuses and the gateway serves, with the clause that lets it. One that is not
// here fails the suite, and so does one that no longer differs.
var llhttpDifferences = map[string]string{
	"llhttp-connection-no-restart-when-keep-alive-is-off-1-0":                afterClose,
	"llhttp-connection-crlf-between-requests-explicit-close":                 afterClose,
	"llhttp-connection-crlf-between-requests-explicit-close-followed-by-tab": afterClose,
	"llhttp-invalid-invalid-method":                                          ownMethod,
	"llhttp-invalid-http-protocol-and-announce-method":                       ownMethod,
	"llhttp-connection-multiple-tokens-with-folding-and-lws":                 noUpgrade,
	"llhttp-connection-setting-a-flag-and-pausing":                           noUpgrade,
	"llhttp-connection-emitting-part-of-body-and-pausing":                    noUpgrade,
	"llhttp-connection-upgrade-get-request":                                  noUpgrade,
	"llhttp-connection-upgrade-post-request":                                 noUpgrade,
}
