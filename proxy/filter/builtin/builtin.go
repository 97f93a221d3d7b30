// Package builtin is the ordered list of filters.
package builtin

import (
	"net/netip"

	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/filter/accesslog"
	"github.com/penstock/penstock/proxy/filter/apikey"
	"github.com/penstock/penstock/proxy/filter/authorization"
	"github.com/penstock/penstock/proxy/filter/basicauth"
	"github.com/penstock/penstock/proxy/filter/cors"
	"github.com/penstock/penstock/proxy/filter/csrf"
	"github.com/penstock/penstock/proxy/filter/directresponse"
	"github.com/penstock/penstock/proxy/filter/extauth"
	"github.com/penstock/penstock/proxy/filter/forwarded"
	"github.com/penstock/penstock/proxy/filter/headers"
	"github.com/penstock/penstock/proxy/filter/ipaccess"
	"github.com/penstock/penstock/proxy/filter/jwt"
	"github.com/penstock/penstock/proxy/filter/localreply"
	"github.com/penstock/penstock/proxy/filter/metrics"
	"github.com/penstock/penstock/proxy/filter/ratelimit"
	"github.com/penstock/penstock/proxy/filter/redirect"
	"github.com/penstock/penstock/proxy/filter/redirecthttp"
	"github.com/penstock/penstock/proxy/filter/rewrite"
	"github.com/penstock/penstock/proxy/filter/securityheaders"
	"github.com/penstock/penstock/proxy/filter/tracing"
	"github.com/penstock/penstock/proxy/i18n"
	"github.com/penstock/penstock/proxy/observe"
)

// Deps is what filters need from the process. It may be zero where filters are checked and none is built.
type Deps struct {
	AccessLog *observe.AccessLog
	Requests  *observe.Requests
	Catalogue *i18n.Catalogue
	// Tokens has the keys of token issuers, and the tokens that were verified.
	Tokens *jwt.Store
	// Passwords has the users of password files.
	Passwords *basicauth.Store
	// TrustedProxies are the peers whose word about the client is taken; none by default.
	TrustedProxies []netip.Prefix
	// RateLimits are what limits are kept in.
	RateLimits ratelimit.Deps
	// Decisions counts what filters decide.
	Decisions *observe.Decisions
	// AuthClients are those of the services that extAuth asks over gRPC.
	AuthClients *extauth.Clients
}

// Registry is the list, outermost first. The order is part of what users rely on: docs and READMEs refer to it.
func Registry(d Deps) filter.Registry {
	return filter.Registry{
		accesslog.Definition(d.AccessLog),              // sees every exchange, whatever becomes of it
		metrics.Definition(d.Requests),                 // like the log: whatever was answered is counted
		tracing.Definition,                             // outside the local reply, so that failures bear the id too
		localreply.Definition(d.Catalogue),             // outside all that may fail
		forwarded.Definition(d.TrustedProxies),         // before all that asks who the client is, or which scheme it used
		headers.Response,                               // outside redirect and direct response, whose answers it changes too
		securityheaders.Definition,                     // outside all that answers: every answer has them. Inside the response's headers, which have the last word
		redirecthttp.Definition,                        // before all that answers: nothing of such a rule is told without TLS
		ipaccess.Definition(d.Decisions),               // before all that costs more, or tells a client anything
		cors.Definition(d.Decisions),                   // before identity: a preflight has none, and pages must be able to read why they were refused
		ratelimit.Definition(d.RateLimits),             // before the costly checks, which it protects; whom addresses keep out takes nothing from the limits
		csrf.Definition(d.Decisions),                   // before identity: what is forged needs no look at its credentials
		apikey.Definition(d.Decisions),                 // before all that a rule does, redirect and direct response too: they are for those who may
		jwt.Definition(d.Tokens, d.Decisions),          // inside of the cheaper check, so that a bad API key makes no work for it
		basicauth.Definition(d.Passwords, d.Decisions), // last of these, since hashing costs most
		extauth.Definition(d.Decisions, d.AuthClients), // the last to say who it is: it costs a round trip, and may see what the others found
		authorization.Definition(d.Decisions),          // once all is known of who it is, and before anything is done
		ratelimit.Identity(d.RateLimits),               // behind what identifies: its keys say who asks; what is refused anyway takes nothing
		redirect.Definition,                            // before the request is changed: the Location builds on what the client sent
		directresponse.Definition,                      // like redirect: it answers, and nothing further in runs
		rewrite.Definition,                             // last but the headers: all before it sees the client's path and host
		headers.Request,                                // innermost: what it sets is what the backend gets
	}
}
