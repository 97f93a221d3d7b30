package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Claims are what a token says (RFC 7519 §4). They never change and are safe for concurrent use; a nil Claims is empty.
type Claims struct{ members map[string]any }

// ParseClaims reads a JSON object. Its values are nil, bool, string, int64, float64 (of numbers that are no int64), []any and
// map[string]any. A name that stands twice in one object is an error, since not all readers would take the same one.
func ParseClaims(text []byte) (*Claims, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	members, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("claims: no JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("claims: more than one JSON value")
	}
	return &Claims{members}, nil
}

// maxClaimDepth bounds how deep claims are nested.
const maxClaimDepth = 16

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxClaimDepth {
		return nil, fmt.Errorf("claims: nested deeper than %d", maxClaimDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	switch t := t.(type) {
	case json.Number:
		return number(t)
	case json.Delim:
		if t == '{' {
			return decodeObject(d, depth)
		}
		return decodeList(d, depth)
	}
	return t, nil
}

// number keeps integers exact: a float64 would make equals of identifiers beyond 2^53 that differ.
func number(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return f, nil
}

func decodeObject(d *json.Decoder, depth int) (any, error) {
	out := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("claims: %w", err)
		}
		name := t.(string) // the decoder has seen to it
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("claims: %q stands twice", name)
		}
		if out[name], err = decodeValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return out, err
}

func decodeList(d *json.Decoder, depth int) (any, error) {
	out := []any{}
	for d.More() {
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := d.Token()
	return out, err
}

// Members are all claims, for those who can only deal with a map. It must not be written.
func (c *Claims) Members() map[string]any {
	if c == nil {
		return nil
	}
	return c.members
}

// Lookup returns the claim of a name, such as "sub", or one within others by its path, such as "realm_access.roles". A claim
// whose very name has the dots, as "https://example.com/roles", comes first.
func (c *Claims) Lookup(path string) (any, bool) {
	if c == nil {
		return nil, false
	}
	members := c.members
	for {
		if v, ok := members[path]; ok {
			return v, true
		}
		name, rest, nested := strings.Cut(path, ".")
		if !nested {
			return nil, false
		}
		inner, ok := members[name].(map[string]any)
		if !ok {
			return nil, false
		}
		members, path = inner, rest
	}
}

// String returns a claim that is a string; "" if it is none.
func (c *Claims) String(path string) string {
	v, _ := c.Lookup(path)
	s, _ := v.(string)
	return s
}

// AppendText appends a claim as text: a string as it is, a number or bool as in JSON, the items of a list with commas between
// them. It reports whether it could: not without the claim, nor for null, an object, or a list with other than those.
func (c *Claims) AppendText(dst []byte, path string) ([]byte, bool) {
	v, _ := c.Lookup(path)
	items, ok := v.([]any)
	if !ok {
		return appendScalar(dst, v)
	}
	n := len(dst)
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, ok = appendScalar(dst, item); !ok {
			return dst[:n], false
		}
	}
	return dst, true
}

func appendScalar(dst []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case string:
		return append(dst, v...), true
	case int64:
		return strconv.AppendInt(dst, v, 10), true
	case float64:
		return strconv.AppendFloat(dst, v, 'g', -1, 64), true
	case bool:
		return strconv.AppendBool(dst, v), true
	}
	return dst, false
}
