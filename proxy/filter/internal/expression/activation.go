package expression

import (
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/penstock/penstock/proxy/exchange"
)

// activation gives an expression the values that it asks for, and makes no others.
type activation struct {
	x       *exchange.Exchange
	headers lazyMap
	query   lazyMap
}

var activations = sync.Pool{New: func() any { return new(activation) }}

func (a *activation) begin(x *exchange.Exchange) {
	a.x = x
	a.headers = lazyMap{source: headers{x}}
	a.query = lazyMap{source: query{x}}
}

// end forgets the request, whose strings are about to change.
func (a *activation) end() {
	a.x, a.headers, a.query = nil, lazyMap{}, lazyMap{}
	activations.Put(a)
}

// Parent is none.
func (*activation) Parent() cel.Activation { return nil }

// ResolveName returns a variable.
func (a *activation) ResolveName(name string) (any, bool) {
	q, s := &a.x.Request, &a.x.Subject
	switch name {
	case requestMethod:
		return types.String(q.Method), true
	case requestScheme:
		return types.String(q.Scheme), true
	case requestHost:
		return types.String(q.Host), true
	case requestPath:
		return types.String(q.Path), true
	case requestHeaders:
		return &a.headers, true
	case requestQuery:
		return &a.query, true
	case clientAddress:
		return types.String(a.x.Client.String()), true
	case subjectKind:
		return types.String(s.Kind), true
	case subjectID:
		return types.String(s.ID), true
	case subjectIssuer:
		return types.String(s.Issuer), true
	case subjectClient:
		return types.String(s.Client), true
	case subjectScopes:
		return types.NewStringList(types.DefaultTypeAdapter, s.Scopes), true
	case claims:
		return types.NewStringInterfaceMap(types.DefaultTypeAdapter, s.Claims.Members()), true
	}
	return nil, false
}
