package expression

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/penstock/penstock/proxy/exchange"
)

// Predicate is an expression that is true or false. It is safe for concurrent use.
type Predicate struct{ program cel.Program }

// Compile returns the predicate of a text. It fails on what is no expression of type bool, or could cost more than MaxCost.
func Compile(text string) (*Predicate, error) {
	return predicates.Get(text, func() (*Predicate, error) {
		program, err := compile(text, cel.BoolType)
		return &Predicate{program}, err
	})
}

// Test evaluates the predicate for a request. It fails if a value is missing or of another type, or the evaluation costs too much:
// then nothing is known, and the caller has to assume the worst.
func (p *Predicate) Test(x *exchange.Exchange) (bool, error) {
	out, err := evaluate(p.program, x)
	if err != nil {
		return false, err
	}
	is, ok := out.(types.Bool)
	return ok && bool(is), nil
}
