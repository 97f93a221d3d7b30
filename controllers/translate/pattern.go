package translate

import "strings"

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
