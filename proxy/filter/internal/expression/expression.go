// Package expression evaluates expressions in CEL, the Common Expression Language, over a request and who it is from. An
// expression is compiled once; its cost is bounded when it is compiled and again whenever it is evaluated.
package expression

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"

	"github.com/penstock/penstock/proxy/exchange"
)

// MaxCost bounds what an expression may cost, in CEL's units, of which a comparison takes one or two: by its worst case when it is
// compiled, and by what it has cost when it is evaluated.
const MaxCost = 100_000

// maxSize bounds the text of an expression, in code points.
const maxSize = 4096

// The variables. What they hold is written in the README of the authorization filter.
const (
	requestMethod  = "request.method"
	requestScheme  = "request.scheme"
	requestHost    = "request.host"
	requestPath    = "request.path"
	requestHeaders = "request.headers"
	requestQuery   = "request.query"
	clientAddress  = "client.address"
	subjectKind    = "subject.kind"
	subjectID      = "subject.id"
	subjectIssuer  = "subject.issuer"
	subjectClient  = "subject.client"
	subjectScopes  = "subject.scopes"
	claims         = "claims"
)

var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable(requestMethod, cel.StringType), cel.Variable(requestScheme, cel.StringType), cel.Variable(requestHost, cel.StringType),
		cel.Variable(requestPath, cel.StringType), cel.Variable(requestHeaders, cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable(requestQuery, cel.MapType(cel.StringType, cel.ListType(cel.StringType))),
		cel.Variable(clientAddress, cel.StringType),
		cel.Variable(subjectKind, cel.StringType), cel.Variable(subjectID, cel.StringType), cel.Variable(subjectIssuer, cel.StringType),
		cel.Variable(subjectClient, cel.StringType), cel.Variable(subjectScopes, cel.ListType(cel.StringType)),
		cel.Variable(claims, cel.MapType(cel.StringType, cel.DynType)),
		ext.Strings(), ext.Network(),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxSize),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
	)
})

// Predicate is an expression that is true or false. It is safe for concurrent use.
type Predicate struct{ program cel.Program }

// Compile returns the predicate of a text. It fails on what is no expression of type bool, or could cost more than MaxCost.
func Compile(text string) (*Predicate, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if err := issues.Err(); err != nil {
		return nil, errors.New(oneLine(err))
	}
	if ast.OutputType() != cel.BoolType {
		return nil, fmt.Errorf("it is of type %s, not bool", ast.OutputType())
	}
	cost, err := env.EstimateCost(ast, sizes{})
	if err != nil {
		return nil, err
	}
	if cost.Max > MaxCost {
		return nil, fmt.Errorf("it could cost up to %d, and %d is the most: use fewer loops over claims, headers or parameters", cost.Max, MaxCost)
	}
	program, err := env.Program(ast, cel.CostLimit(MaxCost), cel.EvalOptions(cel.OptOptimize))
	return &Predicate{program}, err
}

// oneLine is the first complaint, without the picture of where it is.
func oneLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(line, "ERROR: ")
}

// Test evaluates the predicate for a request. It fails if a value is missing or of another type, or the evaluation costs too much:
// then nothing is known, and the caller has to assume the worst.
func (p *Predicate) Test(x *exchange.Exchange) (bool, error) {
	a := activations.Get().(*activation)
	a.begin(x)
	out, _, err := p.program.Eval(a)
	a.end()
	if err != nil {
		return false, err
	}
	is, ok := out.(types.Bool)
	return ok && bool(is), nil
}
