// Package expression evaluates expressions in CEL, the Common Expression Language, over a request and who it is from. An
// expression is compiled once; its cost is bounded when it is compiled and again whenever it is evaluated.
package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/shared"
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

// anonymous has the variables that are known of every request, environment those about who it is from, too.
var (
	anonymous = sync.OnceValues(func() (*cel.Env, error) {
		return cel.NewEnv(
			cel.Variable(requestMethod, cel.StringType), cel.Variable(requestScheme, cel.StringType), cel.Variable(requestHost, cel.StringType),
			cel.Variable(requestPath, cel.StringType), cel.Variable(requestHeaders, cel.MapType(cel.StringType, cel.StringType)),
			cel.Variable(requestQuery, cel.MapType(cel.StringType, cel.ListType(cel.StringType))),
			cel.Variable(clientAddress, cel.StringType),
			ext.Strings(), ext.Network(),
			cel.CrossTypeNumericComparisons(true),
			cel.ParserExpressionSizeLimit(maxSize),
			cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
		)
	})
	environment = sync.OnceValues(func() (*cel.Env, error) {
		env, err := anonymous()
		if err != nil {
			return nil, err
		}
		return env.Extend(
			cel.Variable(subjectKind, cel.StringType), cel.Variable(subjectID, cel.StringType), cel.Variable(subjectIssuer, cel.StringType),
			cel.Variable(subjectClient, cel.StringType), cel.Variable(subjectScopes, cel.ListType(cel.StringType)),
			cel.Variable(claims, cel.MapType(cel.StringType, cel.DynType)),
		)
	})
)

// Routes under one filter or policy have its expressions in common, and so has one table with the next.
var (
	predicates shared.Pool[string, Predicate]
	texts      shared.Pool[string, Text]
)

// compile returns the program of an expression that is of one of some types.
func compile(text string, wanted ...*cel.Type) (cel.Program, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, explain(issues)
	}
	if !slices.ContainsFunc(wanted, ast.OutputType().IsExactType) {
		return nil, fmt.Errorf("it is of type %s, not %s", ast.OutputType(), wanted[0])
	}
	cost, err := env.EstimateCost(ast, sizes{})
	if err != nil {
		return nil, err
	}
	if cost.Max > MaxCost {
		return nil, fmt.Errorf("it could cost up to %d, and %d is the most: use fewer loops over claims, headers or parameters", cost.Max, MaxCost)
	}
	return env.Program(ast, cel.CostLimit(MaxCost), cel.EvalOptions(cel.OptOptimize))
}

// explain is the first complaint, and where it is.
func explain(issues *cel.Issues) error {
	first := issues.Errors()[0]
	text, _, _ := strings.Cut(first.Message, "\n")
	text = strings.TrimSuffix(text, " (in container '')")
	if first.Location.Line() < 1 {
		return errors.New(text)
	}
	return fmt.Errorf("line %d, column %d: %s", first.Location.Line(), first.Location.Column()+1, text)
}

// evaluate returns what comes of a program for a request. What is of the request in it lives as long as the exchange.
func evaluate(p cel.Program, x *exchange.Exchange) (ref.Val, error) {
	a := activations.Get().(*activation)
	a.begin(x)
	out, _, err := p.Eval(a)
	a.end()
	return out, err
}
