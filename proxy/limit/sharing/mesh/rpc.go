package mesh

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/penstock/penstock/proxy/limit/sharing"
)

// exchange is the method by which a replica tells another what it has to say.
const exchange = "/penstock.sharing.v1.Peers/Exchange"

// hearer is who gets the messages.
type hearer interface {
	hear(ctx context.Context, m sharing.Message) (sharing.Answer, error)
}

var service = grpc.ServiceDesc{
	ServiceName: "penstock.sharing.v1.Peers",
	HandlerType: (*hearer)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Exchange", Handler: func(
		srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
	) (any, error) {
		var m sharing.Message
		if err := decode(&m); err != nil {
			return nil, err
		}
		to, _ := srv.(hearer)
		a, err := to.hear(ctx, m)
		return &a, err
	}}},
}

// codec is the form of messages: that of package sharing.
type codec struct{}

func (codec) Name() string { return "penstock-sharing" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case *sharing.Message:
		return mem.BufferSlice{mem.SliceBuffer(sharing.AppendMessage(nil, *v))}, nil
	case *sharing.Answer:
		return mem.BufferSlice{mem.SliceBuffer(sharing.AppendAnswer(nil, *v))}, nil
	}
	return nil, fmt.Errorf("no message: %T", v)
}

func (codec) Unmarshal(data mem.BufferSlice, v any) (err error) {
	b := data.Materialize()
	switch v := v.(type) {
	case *sharing.Message:
		*v, err = sharing.UnmarshalMessage(b)
	case *sharing.Answer:
		*v, err = sharing.UnmarshalAnswer(b)
	default:
		err = fmt.Errorf("no message: %T", v)
	}
	return err
}

// sender checks that whoever calls is trusted still: connections outlive the trust that they began with.
func sender(ctx context.Context, trusted func(Key) bool) error {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return status.Error(codes.Unauthenticated, errUntrusted.Error())
	}
	t, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || verify(t.State, trusted) != nil {
		return status.Error(codes.Unauthenticated, errUntrusted.Error())
	}
	return nil
}
