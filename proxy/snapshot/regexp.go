package snapshot

import (
	"fmt"
	"regexp/syntax"
)

// MaxRegexp bounds the size of a regular expression, in instructions and characters of their classes. It holds what people
// write, and bounds the memory of a pattern and the time of a match, which is at worst the size times the length of
// the text: "[a-z]{1000}" is cheap to write.
const MaxRegexp = 8192

// ParseRegexp parses the RE2 expression of a Regex or ValueRegex and returns its simplified tree. The expression must match
// a whole text; the anchors for that are not part of the tree. It fails if the expression is invalid or larger than MaxRegexp.
func ParseRegexp(pattern string) (*syntax.Regexp, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	tree = tree.Simplify()
	program, err := syntax.Compile(tree)
	if err != nil {
		return nil, err
	}
	size := 0
	for _, i := range program.Inst {
		size += 1 + len(i.Rune)
	}
	if size > MaxRegexp {
		return nil, fmt.Errorf("regular expression too large: size %d, at most %d", size, MaxRegexp)
	}
	return tree, nil
}
