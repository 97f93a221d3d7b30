package radix

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
)

// Sum is a hash over keys and values.
type Sum [sha256.Size]byte

// Sum returns a hash over all keys and values, of which of gives the hashes: equal for equal content, however it came to
// be, and for no other that anybody could find. The empty tree has the zero Sum. Nodes keep their sums, so only those that
// were made since the last call are hashed. Calls must not be concurrent, unless the first has returned.
func (n *Tree[T]) Sum(of func(*T) Sum) Sum {
	if n == nil {
		return Sum{}
	}
	if n.sum == nil {
		// Lengths and flags first: no two nodes have one form.
		b := make([]byte, 0, 512)
		b = binary.AppendUvarint(b, uint64(len(n.prefix)))
		b = append(b, n.prefix...)
		b = append(b, byte(one(n.value)))
		if n.value != nil {
			sum := of(n.value)
			b = append(b, sum[:]...)
		}
		for _, e := range n.edges {
			sum := e.child.Sum(of)
			b = append(append(b, e.first), sum[:]...)
		}
		sum := Sum(sha256.Sum256(b))
		n.sum = &sum
	}
	return *n.sum
}

// MarshalJSON writes the values as an array, in the order of their keys.
func (n *Tree[T]) MarshalJSON() ([]byte, error) {
	values := make([]*T, 0, n.Len())
	for v := range n.Values() {
		values = append(values, v)
	}
	return json.Marshal(values)
}
