package exchange

import (
	"iter"
	"slices"

	"github.com/penstock/penstock/proxy/swar"
)

// Head is the field section of a message: bytes and a table of where names and values are in them. Fields that came with the
// message stay where they were read; fields that were added are in a second buffer, already in the form of HTTP/1.1.
// So the HTTP/1.1 encoder copies runs of kept lines, and nobody builds a map.
// The zero Head is empty and ready. It is used by one goroutine at a time.
type Head struct {
	raw    []byte
	added  []byte
	fields []field
	// first is one more than the index of the first live field of an id; 0 for none.
	first [idCount]uint16
}

type field struct {
	// Offsets into raw or added: the name, the value, and the end of the line with its CRLF.
	name, nameEnd, value, valueEnd, end int32
	id                                  ID
	isAdded, dropped                    bool
}

// Reset empties the head. Fields that Append will add lie in raw, which must not change until the next Reset.
func (h *Head) Reset(raw []byte) {
	h.raw, h.added, h.fields = raw, h.added[:0], h.fields[:0]
	h.first = [idCount]uint16{}
}

// Append adds a field line of raw by the offsets of its parts; end lies behind its CRLF, id is IDOf its name. Lines may be
// left out: what is not appended is not part of the head.
// For codecs: the line must be valid by RFC 9112 §5 and stand as "name: value CRLF" in raw.
func (h *Head) Append(id ID, name, nameEnd, value, valueEnd, end int) {
	h.push(field{name: int32(name), nameEnd: int32(nameEnd), value: int32(value), valueEnd: int32(valueEnd), end: int32(end), id: id})
}

func (h *Head) push(f field) {
	h.fields = append(h.fields, f)
	if f.id != Other && h.first[f.id] == 0 {
		h.first[f.id] = uint16(len(h.fields))
	}
}

// Add appends a field. Bytes that a value must not contain (RFC 9110 §5.5) become spaces, so that no value can start a line
// of its own. The name must be a token.
func (h *Head) Add(name, value string) { h.add(IDOf(name), name, value) }

// AddID is Add for a known name.
func (h *Head) AddID(id ID, value string) { h.add(id, names[id], value) }

func (h *Head) add(id ID, name, value string) {
	const colon, end = ": ", "\r\n"
	at := len(h.added)
	nameEnd := at + len(name)
	from := nameEnd + len(colon)
	to := from + len(value)
	h.added = slices.Grow(h.added, to+len(end)-at)[:to+len(end)]
	copy(h.added[at:], name)
	copy(h.added[nameEnd:], colon)
	copy(h.added[from:], value)
	blunt(h.added[from:to])
	copy(h.added[to:], end)
	h.push(field{
		name: int32(at), nameEnd: int32(nameEnd), value: int32(from), valueEnd: int32(to), end: int32(to + len(end)),
		id: id, isAdded: true,
	})
}

// blunt makes spaces of the bytes that a value must not contain.
func blunt(value []byte) {
	for ; len(value) >= 8; value = value[8:] {
		w := swar.Load(value)
		if swar.Below(w, ' ')|swar.Equal(w, 0x7f) != 0 {
			bluntEach(value[:8])
		}
	}
	bluntEach(value)
}

func bluntEach(value []byte) {
	for i, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			value[i] = ' '
		}
	}
}

// Set replaces all fields of that name by one.
func (h *Head) Set(name, value string) { h.Drop(name); h.Add(name, value) }

// SetID is Set for a known name.
func (h *Head) SetID(id ID, value string) { h.DropID(id); h.AddID(id, value) }

// Drop removes all fields of that name.
func (h *Head) Drop(name string) {
	if id := IDOf(name); id != Other {
		h.DropID(id)
		return
	}
	for i := range h.fields {
		if f := &h.fields[i]; f.id == Other && !f.dropped && equalFold(h.bytes(f, f.name, f.nameEnd), name) {
			f.dropped = true
		}
	}
}

// DropID removes all fields of a known name.
func (h *Head) DropID(id ID) {
	if h.first[id] == 0 {
		return
	}
	for i := int(h.first[id]) - 1; i < len(h.fields); i++ {
		if h.fields[i].id == id {
			h.fields[i].dropped = true
		}
	}
	h.first[id] = 0
}

// Get returns the first value of a known name, or "".
func (h *Head) Get(id ID) string {
	if k := h.first[id]; k != 0 {
		f := &h.fields[k-1]
		return String(h.bytes(f, f.value, f.valueEnd))
	}
	return ""
}

// Has reports whether a known name is there.
func (h *Head) Has(id ID) bool { return h.first[id] != 0 }

// Values yields the values of every field of that name, in order.
func (h *Head) Values(name string) iter.Seq[string] {
	// Small enough to be inlined, so that ranging over it allocates nothing.
	return func(yield func(string) bool) { h.values(IDOf(name), name, yield) }
}

func (h *Head) values(id ID, name string, yield func(string) bool) {
	if id != Other && h.first[id] == 0 {
		return
	}
	for i := range h.fields {
		f := &h.fields[i]
		if f.dropped || f.id != id || id == Other && !equalFold(h.bytes(f, f.name, f.nameEnd), name) {
			continue
		}
		if !yield(String(h.bytes(f, f.value, f.valueEnd))) {
			return
		}
	}
}

// Lookup returns the first value of that name, and whether it is there.
func (h *Head) Lookup(name string) (string, bool) {
	for v := range h.Values(name) {
		return v, true
	}
	return "", false
}

// All yields names and values in order.
func (h *Head) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range h.fields {
			f := &h.fields[i]
			if !f.dropped && !yield(String(h.bytes(f, f.name, f.nameEnd)), String(h.bytes(f, f.value, f.valueEnd))) {
				return
			}
		}
	}
}

// AppendTo appends the field lines in the form of HTTP/1.1, without the empty line that ends a head.
func (h *Head) AppendTo(dst []byte) []byte {
	for i := 0; i < len(h.fields); {
		f := &h.fields[i]
		i++
		if f.dropped {
			continue
		}
		end := f.end
		for ; i < len(h.fields) && h.fields[i].follows(f, end); i++ {
			end = h.fields[i].end
		}
		dst = append(dst, h.bytes(f, f.name, end)...)
	}
	return dst
}

// follows reports whether f is kept and begins where the run of lines that first began ends. Lines may lie between two fields
// that the codec left out.
func (f *field) follows(first *field, end int32) bool {
	return !f.dropped && f.isAdded == first.isAdded && f.name == end
}

func (h *Head) bytes(f *field, from, to int32) []byte {
	if f.isAdded {
		return h.added[from:to]
	}
	return h.raw[from:to]
}

// Size is how many bytes AppendTo appends at most.
func (h *Head) Size() int { return len(h.raw) + len(h.added) }

// Len counts the fields, dropped ones included; codecs bound it.
func (h *Head) Len() int { return len(h.fields) }
