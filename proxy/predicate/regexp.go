package predicate

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"

	"github.com/penstock/penstock/proxy/snapshot"
)

// Regexp compiles a pattern that must match a whole text. literal is what each text that matches starts with.
func Regexp(pattern string) (re *regexp.Regexp, literal string, err error) {
	// Parsed without the anchors, so that a pattern like "a)|(b" can't escape from them.
	tree, err := snapshot.ParseRegexp(pattern)
	if err != nil {
		return nil, "", err
	}
	re, err = regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, "", err
	}
	literal, _ = literalPrefix(tree)
	return re, literal, nil
}

// literalPrefix returns the literal that every match of an anchored tree starts with, and whether the tree is nothing
// else. regexp's own LiteralPrefix stops at "^", with which many patterns begin.
func literalPrefix(tree *syntax.Regexp) (literal string, isWhole bool) {
	switch tree.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText:
		return "", true
	case syntax.OpLiteral:
		if tree.Flags&syntax.FoldCase != 0 {
			return "", false
		}
		if i := slices.Index(tree.Rune, utf8.RuneError); i >= 0 {
			return string(tree.Rune[:i]), false // it matches any byte that is not UTF-8
		}
		return string(tree.Rune), true
	case syntax.OpCapture:
		return literalPrefix(tree.Sub[0])
	case syntax.OpConcat:
		for _, sub := range tree.Sub {
			part, isWhole := literalPrefix(sub)
			literal += part
			if !isWhole {
				return literal, false
			}
		}
		return literal, true
	}
	return "", false
}
