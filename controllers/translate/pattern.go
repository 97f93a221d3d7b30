package translate

import (
	"fmt"
	"regexp/syntax"
	"strings"
)

// maxPattern bounds the size of a compiled regular expression, in instructions and character ranges. Every request may
// have to pass through all of them for every byte of its path or value.
const maxPattern = 8192

// checkPattern fails if a regular expression can't be used.
func checkPattern(pattern string) error {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return err
	}
	program, err := syntax.Compile(re.Simplify())
	if err != nil {
		return err
	}
	size := 0
	for _, i := range program.Inst {
		size += 1 + len(i.Rune)
	}
	if size > maxPattern {
		return fmt.Errorf("regular expression of size %d, at most %d is allowed", size, maxPattern)
	}
	return nil
}

// literalPrefix returns a path prefix, in whole elements, of every path that a pattern can match, be the pattern valid or
// not: what stands before its first character with a meaning of its own, up to a slash.
func literalPrefix(pattern string) string {
	pattern = strings.TrimPrefix(pattern, "^")
	end := strings.IndexAny(pattern, `\.+*?()|[]{}^$`)
	switch {
	case end < 0:
		end = len(pattern)
	case end > 0 && strings.IndexByte("*?{", pattern[end]) >= 0:
		end-- // the character before may be left out
	}
	prefix := strings.TrimRight(pattern[:strings.LastIndexByte(pattern[:end], '/')+1], "/")
	if !strings.HasPrefix(prefix, "/") || strings.Contains(pattern, "|") {
		return "/" // an alternative may start with anything
	}
	return prefix
}
