package translate

import (
	"cmp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/snapshot"
)

// matches translates the matches of a rule. It reports whether all of them could be built; those that could not are
// widened.
func (j *job) matches(rule *v1alpha1.Rule, at *field.Path) ([]snapshot.Match, bool) {
	if len(rule.Matches) == 0 {
		return []snapshot.Match{{Path: anyPath}}, true
	}
	before := len(j.accepted)
	out := make([]snapshot.Match, 0, len(rule.Matches))
	for i := range rule.Matches {
		out = append(out, j.match(&rule.Matches[i], at.Child("matches").Index(i)))
	}
	return out, len(j.accepted) == before
}

func (j *job) match(m *v1alpha1.Match, at *field.Path) snapshot.Match {
	out := snapshot.Match{Path: j.path(m.Path, at.Child("path"))}
	for _, method := range m.Methods {
		out.Methods = append(out.Methods, string(method))
	}
	for i, h := range m.Headers {
		name := strings.ToLower(string(h.Name))
		out.Headers = j.predicate(out.Headers, name, h.ValueMatch, at.Child("headers").Index(i))
	}
	for i, q := range m.QueryParams {
		out.Query = j.predicate(out.Query, q.Name, q.ValueMatch, at.Child("queryParams").Index(i))
	}
	for i, c := range m.Cookies {
		out.Cookies = j.predicate(out.Cookies, c.Name, c.ValueMatch, at.Child("cookies").Index(i))
	}
	return out
}

var anyPath = snapshot.Path{Type: snapshot.Prefix, Value: "/"}

// pathTypes are the path matches that this version knows.
var pathTypes = map[v1alpha1.PathMatchType]snapshot.PathType{
	v1alpha1.PathMatchExact:             snapshot.Exact,
	v1alpha1.PathMatchPrefix:            snapshot.Prefix,
	v1alpha1.PathMatchRegularExpression: snapshot.Regex,
}

// path translates a path match. One that can't be built is widened: to the literal prefix of its expression, which every
// path that the expression was meant for has, or to any path.
func (j *job) path(m *v1alpha1.PathMatch, at *field.Path) snapshot.Path {
	if m == nil {
		return anyPath
	}
	out := snapshot.Path{Type: pathTypes[m.Type], Value: m.Value}
	switch out.Type {
	case "":
		j.notAccepted(unsupported(j.rule, at.Child("type"), string(m.Type)))
		return anyPath
	case snapshot.Prefix:
		out.Value = cmp.Or(strings.TrimRight(m.Value, "/"), "/")
	case snapshot.Regex:
		if _, err := snapshot.ParseRegexp(m.Value); err != nil {
			j.notAccepted(invalid(j.rule, at.Child("value"), err))
			return snapshot.Path{Type: snapshot.Prefix, Value: literalPrefix(m.Value)}
		}
	}
	return out
}

// predicateTypes are the value matches that this version knows.
var predicateTypes = map[v1alpha1.ValueMatchType]snapshot.PredicateType{
	v1alpha1.ValueMatchExact:             snapshot.ValueExact,
	v1alpha1.ValueMatchRegularExpression: snapshot.ValueRegex,
	v1alpha1.ValueMatchPresent:           snapshot.ValuePresent,
}

// predicate appends the translation of a predicate to list. One that can't be built is widened: to Present, so that it
// still counts for precedence, or to nothing where it is inverted, as it then holds for requests without the name too.
func (j *job) predicate(list []snapshot.Predicate, name string, m v1alpha1.ValueMatch, at *field.Path) []snapshot.Predicate {
	out := snapshot.Predicate{Name: name, Type: predicateTypes[m.Type], Value: m.Value, Invert: m.Invert}
	if j.usable(out, m, at) {
		return append(list, out)
	}
	if m.Invert {
		return list
	}
	return append(list, snapshot.Predicate{Name: name, Type: snapshot.ValuePresent})
}

func (j *job) usable(p snapshot.Predicate, m v1alpha1.ValueMatch, at *field.Path) bool {
	switch p.Type {
	case "":
		j.notAccepted(unsupported(j.rule, at.Child("type"), string(m.Type)))
		return false
	case snapshot.ValueRegex:
		if _, err := snapshot.ParseRegexp(p.Value); err != nil {
			j.notAccepted(invalid(j.rule, at.Child("value"), err))
			return false
		}
	}
	return true
}
