package expression

import (
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// source is what a lazyMap looks names up in.
type source interface {
	// find returns the value of a name; nil if there is none.
	find(name string) ref.Val
	// all returns every name with its value.
	all() map[ref.Val]ref.Val
}

// lazyMap is a map of CEL that is looked up in the request: most expressions ask for one header of many. Whatever else they ask,
// the whole map is made for.
type lazyMap struct {
	source source
	made   traits.Mapper
}

var _ traits.Mapper = (*lazyMap)(nil)

// Find returns the value of a key.
func (m *lazyMap) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(key), false
	}
	v := m.source.find(string(name))
	return v, v != nil
}

// Get returns the value of a key, or an error.
func (m *lazyMap) Get(key ref.Val) ref.Val {
	if v, _ := m.Find(key); v != nil {
		return v
	}
	return types.NewErr("no such key: %v", key)
}

// Contains reports whether a key is there.
func (m *lazyMap) Contains(key ref.Val) ref.Val {
	v, found := m.Find(key)
	if v != nil && !found {
		return v
	}
	return types.Bool(found)
}

func (m *lazyMap) whole() traits.Mapper {
	if m.made == nil {
		m.made = types.NewRefValMap(types.DefaultTypeAdapter, m.source.all())
	}
	return m.made
}

// Iterator goes through the keys.
func (m *lazyMap) Iterator() traits.Iterator { return m.whole().Iterator() }

// Size counts the keys.
func (m *lazyMap) Size() ref.Val { return m.whole().Size() }

// Equal compares with another map.
func (m *lazyMap) Equal(other ref.Val) ref.Val { return m.whole().Equal(other) }

// ConvertToNative makes a Go value of the map.
func (m *lazyMap) ConvertToNative(t reflect.Type) (any, error) { return m.whole().ConvertToNative(t) }

// ConvertToType makes another value of CEL of the map.
func (m *lazyMap) ConvertToType(t ref.Type) ref.Val { return m.whole().ConvertToType(t) }

// Type is that of maps.
func (*lazyMap) Type() ref.Type { return types.MapType }

// Value is the Go value that the map stands for.
func (m *lazyMap) Value() any { return m.whole().Value() }
