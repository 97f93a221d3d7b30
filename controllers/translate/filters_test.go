package translate

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/proxy/filter/redirecthttp"
)

// TestEveryFilterFieldReachesItsFilter sets every field of every filter of the API, whether they make sense together or
// not, and has the built-in filters decode them strictly.
func TestEveryFilterFieldReachesItsFilter(t *testing.T) {
	registry := builtin.Registry(builtin.Deps{})
	for _, filters := range []any{&v1alpha1.Filters{}, &v1alpha1.BackendFilters{}} {
		v := reflect.ValueOf(filters).Elem()
		fill(v)
		for name, member := range members(filters) {
			t.Run(v.Type().Name()+"/"+name, func(t *testing.T) {
				d, ok := registry.Lookup(name)
				if !ok {
					t.Fatal("no such filter")
				}
				if f := reflect.ValueOf(member).Elem().FieldByName("Disabled"); f.IsValid() && !d.Lingers {
					f.SetBool(false) // the filter never sees it
				}
				config := mustMarshal(member)
				_, err := d.Check(config)
				if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) || err != nil && strings.Contains(err.Error(), "unknown field") {
					t.Errorf("%s: %v", config, err)
				}
			})
		}
	}
}

// A rule that can't switch a filter of its route off would have to do without the others.
func TestEveryFilterOfARouteCanBeSwitchedOff(t *testing.T) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[v1alpha1.RouteFilters]()) {
		disabled, ok := f.Type.Elem().FieldByName("Disabled")
		if !ok || jsonName(disabled) != "disabled" || disabled.Type.Kind() != reflect.Bool {
			t.Errorf("%s has no field disabled", jsonName(f))
		}
	}
}

func TestEveryFilterHasAField(t *testing.T) {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[v1alpha1.Filters]()) {
		if !f.Anonymous {
			names = append(names, jsonName(f))
		}
	}
	names = append(names, redirecthttp.Name) // spec.tls.redirectHTTP
	for _, d := range builtin.Registry(builtin.Deps{}) {
		if !d.Base && !slices.Contains(names, d.Name) {
			t.Errorf("filter %s can't be configured by any field of the API", d.Name)
		}
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// fill gives v and all that it holds a value other than zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString("a")
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("fill: " + v.Kind().String())
	}
}
