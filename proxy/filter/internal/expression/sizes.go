package expression

import (
	"github.com/google/cel-go/checker"
)

// sizes are the bounds of what variables hold, for the worst case of an expression. What is longer at run time meets the limit there.
type sizes struct{}

const (
	sizeLine  = 8 << 10 // a request line, and so a path and a query
	sizeField = 8 << 10 // a header field; the head has 60 KiB in all
	sizeName  = 256
	sizeClaim = 1 << 10 // a claim: characters, items or members
	count     = 100     // header fields, parameters and scopes
)

// EstimateSize bounds a value by where it comes from.
func (sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	path := node.Path()
	if len(path) == 0 {
		return nil
	}
	most := uint64(sizeName)
	switch path[0] {
	case requestPath:
		most = sizeLine
	case requestHeaders, requestQuery, subjectScopes:
		if most = count; len(path) > 1 {
			most = sizeField
		}
	case claims:
		most = sizeClaim
	}
	return &checker.SizeEstimate{Max: most}
}

// EstimateCallCost leaves functions to CEL.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}
