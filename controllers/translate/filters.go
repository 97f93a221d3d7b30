package translate

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/proxy/snapshot"
)

// configured translates the members of an API struct of filters: the JSON name of a member is the filter's name and its
// JSON the filter's configuration, so that a new filter needs nothing here. It reports whether subject, the rule or
// backend that has them, can use all of them.
func (j *job) configured(subject string, filters any, at *field.Path) ([]snapshot.Filter, bool) {
	v := reflect.ValueOf(filters)
	if v.IsNil() {
		return nil, true
	}
	v = v.Elem()
	usable := true
	var out []snapshot.Filter
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			continue
		}
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		f := snapshot.Filter{Name: name, Config: mustMarshal(v.Field(i).Interface()), Origin: j.origin(at.Child(name))}
		usable = j.check(subject, f, at.Child(name)) && usable
		out = append(out, f)
	}
	return out, usable
}

// check reports whether a filter can be used.
func (j *job) check(subject string, f snapshot.Filter, at *field.Path) bool {
	d, known := j.filters.Lookup(f.Name)
	if !known || d.Base {
		j.notAccepted(unknownFilter(subject, at))
		return false
	}
	secrets, err := d.Check(f.Config)
	if err != nil {
		j.notAccepted(invalid(subject, at, err))
		return false
	}
	return j.resolve(subject, secrets, at)
}

func mustMarshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("translate: an API type has no JSON form: %v", err))
	}
	return b
}
