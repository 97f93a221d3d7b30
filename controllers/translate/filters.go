package translate

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/filter"
	"github.com/penstock/penstock/proxy/snapshot"
)

// members yields the filters that an API struct of filters, or one embedded in it, has: the JSON name of a member is the filter's
// name and its JSON the filter's configuration, so that a new filter needs nothing here.
func members(filters any) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		if v := reflect.ValueOf(filters); !v.IsNil() {
			walk(v.Elem(), yield)
		}
	}
}

func walk(v reflect.Value, yield func(string, any) bool) bool {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			if !walk(v.Field(i), yield) {
				return false
			}
		case !v.Field(i).IsZero():
			if !yield(name, v.Field(i).Interface()) {
				return false
			}
		}
	}
	return true
}

// routeFilter is a filter of a whole route, and whether rules can use it.
type routeFilter struct {
	snapshot.Filter
	usable bool
}

// routeFilters translates spec.filters. What is wrong with them is said once, not for each rule.
func (j *job) routeFilters() (out []routeFilter) {
	at := field.NewPath("spec", "filters")
	for name, config := range members(j.route.Spec.Filters) {
		subject := "Each rule without " + name + " of its own"
		f, usable := j.filter(subject, name, config, at.Child(name))
		out = append(out, routeFilter{f, usable})
	}
	return out
}

// ruleFilters translates the filters of a rule, with those of the route that hold for it. It reports whether the rule can use all
// of them.
func (j *job) ruleFilters(rule *v1alpha1.Rule, at *field.Path) ([]snapshot.Filter, bool) {
	own := map[string]any{}
	for name, config := range members(rule.Filters) {
		own[name] = config
	}
	usable := true
	var out []snapshot.Filter
	for _, f := range j.shared {
		if _, overridden := own[f.Name]; overridden {
			out = j.appendRest(out, f)
		} else {
			out, usable = append(out, f.Filter), usable && f.usable
		}
	}
	for name, config := range members(rule.Filters) {
		if isDisabled(config) {
			continue
		}
		f, ok := j.filter(j.rule, name, config, at.Child(name))
		out, usable = append(out, f), usable && ok
	}
	return out, usable
}

// appendRest appends what a filter of the route has to do on a rule that switches it off, or has one of its own. One that can't be
// used does nothing: its rules have to serve on.
func (j *job) appendRest(out []snapshot.Filter, f routeFilter) []snapshot.Filter {
	d, _ := j.filters.Lookup(f.Name)
	if !d.Lingers {
		return out
	}
	f.Config, f.Clusters = disable(f.Config), nil
	if _, err := d.Check(f.Config); err != nil {
		return out
	}
	return append(out, f.Filter)
}

// disable returns a configuration with disabled set.
func disable(config json.RawMessage) json.RawMessage {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(config, &fields); err != nil {
		panic(fmt.Sprintf("translate: a filter's API type is no object: %v", err))
	}
	fields["disabled"] = json.RawMessage("true")
	return mustMarshal(fields)
}

// isDisabled reports whether a member says nothing but that its filter is switched off.
func isDisabled(member any) bool {
	f := reflect.Indirect(reflect.ValueOf(member)).FieldByName("Disabled")
	return f.IsValid() && f.Bool()
}

// backendFilters translates the filters of a backend. It reports whether subject, the backend, can use all of them.
func (j *job) backendFilters(subject string, filters *v1alpha1.BackendFilters, at *field.Path) ([]snapshot.Filter, bool) {
	usable := true
	var out []snapshot.Filter
	for name, config := range members(filters) {
		f, ok := j.filter(subject, name, config, at.Child(name))
		out, usable = append(out, f), usable && ok
	}
	return out, usable
}

// filter translates one filter and reports whether subject, the rule or backend that has it, can use it.
func (j *job) filter(subject, name string, config any, at *field.Path) (snapshot.Filter, bool) {
	f := snapshot.Filter{Name: name, Config: mustMarshal(config), Origin: j.origin(at)}
	usable := j.check(subject, f, at)
	usable = usable && j.reach(subject, &f, at.Child("backend"))
	return f, usable
}

// reach resolves what a filter sends requests to. What can't be reached is among the problems of ResolvedRefs.
func (j *job) reach(subject string, f *snapshot.Filter, at *field.Path) bool {
	d, _ := j.filters.Lookup(f.Name)
	if d.Targets == nil {
		return true
	}
	reachable := true
	for _, t := range d.Targets(f.Config) {
		c := j.cluster(&v1alpha1.Backend{Service: t.Service, Namespace: t.Namespace, Host: t.Host, Port: portRef(t.Port)})
		if c == nil {
			reachable = false
			last := &j.resolved[len(j.resolved)-1]
			*last = unreachable(subject, at, *last)
			continue
		}
		j.reached = append(j.reached, c)
		f.Clusters = append(f.Clusters, c.Name)
	}
	return reachable
}

// targets are the clusters that filters send requests to.
func (j *job) targets(filters []snapshot.Filter) (out []*snapshot.Cluster) {
	for _, f := range filters {
		for _, c := range j.reached {
			if slices.Contains(f.Clusters, c.Name) {
				out = append(out, c)
			}
		}
	}
	return out
}

func portRef(p filter.Port) intstr.IntOrString {
	if p.Name != "" {
		return intstr.FromString(p.Name)
	}
	return intstr.FromInt32(p.Number)
}

// check reports whether a filter can be used.
func (j *job) check(subject string, f snapshot.Filter, at *field.Path) bool {
	d, known := j.filters.Lookup(f.Name)
	if !known || d.Base {
		j.notAccepted(unknownFilter(subject, at))
		return false
	}
	refs, err := d.Check(f.Config)
	if err != nil {
		j.notAccepted(invalid(subject, at, err))
		return false
	}
	if !j.resolve(subject, refs, at) || !j.inspect(subject, d, f.Config, at) {
		return false
	}
	j.fetch(subject, d, f.Config, at)
	return true
}

// inspect reports whether a filter can use the values that it refers to.
func (j *job) inspect(subject string, d filter.Definition, config json.RawMessage, at *field.Path) bool {
	if d.Inspect == nil {
		return true
	}
	err := d.Inspect(config, func(ref snapshot.Ref) ([]byte, error) { return j.value(ref) })
	if err == nil {
		return true
	}
	var ref snapshot.Ref
	if bad := (*filter.Unusable)(nil); errors.As(err, &bad) {
		bad.Ref.Namespace = j.self.Namespace
		ref, err = bad.Ref, bad
	}
	j.notResolved(unusableValue(subject, at, ref, err))
	return false
}

func mustMarshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("translate: an API type has no JSON form: %v", err))
	}
	return b
}
