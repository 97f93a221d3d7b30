package extauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/field"
)

// grpcChecker asks by Envoy's protocol, envoy.service.auth.v3.
type grpcChecker struct {
	client  *client
	headers *Headers
}

// canceller lets an exchange end a call.
type canceller context.CancelFunc

// Interrupt ends the call.
func (c canceller) Interrupt() { c() }

func (g *grpcChecker) check(x *exchange.Exchange, content []byte, until time.Time) (verdict, error) {
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	if cancelled := x.SetInterrupt(canceller(cancel)); cancelled != nil {
		return verdict{}, cancelled
	}
	defer x.ClearInterrupt()
	answer, err := g.client.Check(ctx, g.request(x, content))
	switch {
	case err != nil:
		return verdict{}, err
	case answer.GetStatus() == nil:
		return verdict{}, errors.New("the service answered without a status")
	case codes.Code(answer.GetStatus().GetCode()) != codes.OK:
		return denyGRPC(x, answer.GetDeniedResponse())
	}
	return g.allow(x, answer.GetOkResponse()), nil
}

// request says what the service is asked. Texts that are not UTF-8 could not be sent.
func (g *grpcChecker) request(x *exchange.Exchange, content []byte) *authv3.CheckRequest {
	q := &x.Request
	h := &authv3.AttributeContext_HttpRequest{
		Id: string(x.Trace.AppendHex(nil)), Method: q.Method, Path: valid(target(x)), Host: valid(q.Authority), Scheme: q.Scheme, Query: valid(q.Query),
		Protocol: string(x.Protocol), Headers: g.fields(q), Size: q.ContentLength,
	}
	if utf8.Valid(content) {
		h.Body = string(content)
	} else {
		h.RawBody = content
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:  &authv3.AttributeContext_Peer{Address: address(x)},
		Request: &authv3.AttributeContext_Request{Time: timestamppb.New(x.Start), Http: h},
	}}
}

// fields are those that are sent, by their names in lower case; several of one name are one.
func (g *grpcChecker) fields(q *exchange.Request) map[string]string {
	out := make(map[string]string, q.Head.Len())
	for name, value := range q.Head.All() {
		if !g.headers.sends(name) {
			continue
		}
		name, value = strings.ToLower(name), valid(value)
		if before, ok := out[name]; ok {
			value = before + "," + value
		}
		out[name] = value
	}
	return out
}

// valid puts a sign in the place of what is no UTF-8: a message could not have it.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func address(x *exchange.Exchange) *corev3.Address {
	socket := &corev3.SocketAddress{Address: x.Client.String()}
	if x.Client == x.Peer.Addr().Unmap() {
		socket.PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: uint32(x.Peer.Port())}
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: socket}}
}

// allow makes of the request what the service says. Its strings are its own, so they need no copies.
func (g *grpcChecker) allow(x *exchange.Exchange, ok *authv3.OkHttpResponse) (v verdict) {
	h := &x.Request.Head
	for _, name := range ok.GetHeadersToRemove() {
		if field.Editable(name) == nil {
			h.Drop(name)
		}
	}
	for _, o := range ok.GetHeaders() {
		name, value := option(o)
		if field.Editable(name) != nil || len(g.headers.ToBackend) > 0 && !contains(g.headers.ToBackend, name) {
			continue
		}
		if !o.GetAppend().GetValue() { //nolint:staticcheck // deprecated, and what services set
			h.Drop(name)
		}
		h.Add(name, value)
	}
	for _, o := range ok.GetResponseHeadersToAdd() {
		name, value := option(o)
		if field.Editable(name) == nil && (len(g.headers.ToClient) == 0 || contains(g.headers.ToClient, name)) {
			v.toClient = append(v.toClient, name, value)
		}
	}
	changeQuery(x, ok)
	if g.headers.Subject != "" {
		identify(x, subject(ok, g.headers.Subject))
	}
	return v
}

func subject(ok *authv3.OkHttpResponse, name string) string {
	for _, o := range ok.GetHeaders() {
		if n, value := option(o); strings.EqualFold(n, name) {
			return value
		}
	}
	return ""
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// option is the name and value of a field; services that have bytes send those.
func option(o *corev3.HeaderValueOption) (name, value string) {
	h := o.GetHeader()
	if raw := h.GetRawValue(); len(raw) > 0 {
		return h.GetKey(), string(raw)
	}
	return h.GetKey(), h.GetValue()
}

// changeQuery sets and removes parameters. The others stay as they are, and where they are.
func changeQuery(x *exchange.Exchange, ok *authv3.OkHttpResponse) {
	set, remove := ok.GetQueryParametersToSet(), ok.GetQueryParametersToRemove()
	if len(set)+len(remove) == 0 {
		return
	}
	gone := map[string]bool{}
	for _, name := range remove {
		gone[name] = true
	}
	for _, p := range set {
		gone[p.GetKey()] = true
	}
	var pairs []string
	for pair := range strings.SplitSeq(x.Request.Query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); pair != "" && (err != nil || !gone[decoded]) {
			pairs = append(pairs, pair)
		}
	}
	for _, p := range set {
		pairs = append(pairs, url.QueryEscape(p.GetKey())+"="+url.QueryEscape(p.GetValue()))
	}
	x.Request.Query, x.Request.HasQuery = strings.Join(pairs, "&"), len(pairs) > 0
}

// denyGRPC makes the service's refusal the client's answer; 403 where it names no status.
func denyGRPC(x *exchange.Exchange, denied *authv3.DeniedHttpResponse) (verdict, error) {
	status := http.StatusForbidden
	if code := denied.GetStatus().GetCode(); code != 0 {
		status = int(code)
	}
	switch {
	case status < 200 || status > 599:
		return verdict{}, errors.New("the service refuses with a status that is none")
	case len(denied.GetBody()) > maxAnswer:
		return verdict{}, errAnswerTooLarge
	}
	head := func(yield func(name, value string) bool) {
		for _, o := range denied.GetHeaders() {
			if name, value := option(o); !yield(name, value) {
				return
			}
		}
	}
	return refuse(x, status, head, []byte(denied.GetBody())), nil
}
