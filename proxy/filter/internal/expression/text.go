package expression

import (
	"errors"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/penstock/penstock/proxy/exchange"
)

// Text is an expression whose value is written down. It is safe for concurrent use.
type Text struct {
	program cel.Program
	// NeedsIdentity says that the value depends on who a request is from.
	NeedsIdentity bool
}

// CompileText returns the Text of an expression. It fails on what is none of type string, int, double or bool, nor of a type that is
// known only when it is evaluated, as those of claims are; and on what could cost more than MaxCost.
func CompileText(text string) (*Text, error) {
	return texts.Get(text, func() (*Text, error) {
		program, err := compile(text, cel.StringType, cel.IntType, cel.DoubleType, cel.BoolType, cel.DynType)
		if err != nil {
			return nil, err
		}
		env, err := anonymous()
		if err != nil {
			return nil, err
		}
		// What makes sense without the variables about identity has no use for them.
		_, issues := env.Compile(text)
		return &Text{program: program, NeedsIdentity: issues.Err() != nil}, nil
	})
}

var errNoText = errors.New("the value is no string, number or bool")

// Append appends the value for a request: a string as it is, a number or bool as in JSON. It appends nothing and fails if a value is
// missing or of another type, the evaluation costs too much, or what comes of it has no text.
func (t *Text) Append(dst []byte, x *exchange.Exchange) ([]byte, error) {
	out, err := evaluate(t.program, x)
	if err != nil {
		return dst, err
	}
	switch out.(type) {
	case types.String, types.Int, types.Double, types.Bool:
		dst, _ = exchange.AppendScalar(dst, out.Value()) // which it is
		return dst, nil
	}
	return dst, errNoText
}
