package exchange

// SubjectKind says how a subject was identified.
type SubjectKind string

// The kinds of subjects.
const (
	// Anonymous: no identity filter has told who the request is from.
	Anonymous SubjectKind = ""
	// ByToken: a JSON Web Token was verified.
	ByToken SubjectKind = "JWT"
	// ByAPIKey: an API key was found among those that are known.
	ByAPIKey SubjectKind = "APIKey"
	// ByPassword: a user name came with its password.
	ByPassword SubjectKind = "Basic"
	// ByService: an external service vouches for it.
	ByService SubjectKind = "External"
)

// Subject is who a request is from. Identity filters set it; authorisation, limits and the access log read it. The zero
// Subject is anonymous.
//
// Several identity filters may hold for one request. Each one that identifies it sets Kind and ID, so that the innermost
// says who it is, and leaves alone what is not its own: Client is that of an API key even if a token says who the user is.
//
// Its strings live as long as the exchange: they may alias its buffers, a cached token or the configuration of a route. Clone
// what must live longer (strings.Clone). Claims and Scopes are shared by all requests with the same token and never written.
type Subject struct {
	Kind SubjectKind
	// ID is the subject's name among those of its Kind and Issuer: the claim sub, the name of the API key, the user name, or what
	// the external service calls it. It may be empty of a token without sub.
	ID string
	// Issuer is who vouches for ID: the claim iss of a token; empty for the other kinds.
	Issuer string
	// Client is the name of the API key that the request came with; empty without one.
	Client string
	// Scopes are what the token was issued for.
	Scopes []string
	// Claims are those of the token; nil without one.
	Claims *Claims
}
