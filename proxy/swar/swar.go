// Package swar looks at eight bytes at a time, in one 64-bit word (SIMD within a register). What it returns are marks: the high bits
// of the bytes in question.
package swar

import "math/bits"

const ones, highs = 0x0101010101010101, 0x8080808080808080

// Load returns the first eight bytes of s, of which there must be as many. The first is the lowest, so that First finds it first.
func Load[T []byte | string](s T) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// Below marks the bytes of w that are less than n, which is at most 0x80, and may mark bytes behind such a one in error. It marks
// none from 0x80 on otherwise. Whether there is a mark, and the first one, can be trusted.
func Below(w, n uint64) uint64 { return (w - n*ones) &^ w & highs }

// Equal marks the bytes of w that are c, as Below does.
func Equal(w uint64, c byte) uint64 { return Below(w^uint64(c)*ones, 1) }

// High marks the bytes of w from 0x80 on.
func High(w uint64) uint64 { return w & highs }

// First is the index of the first byte that is marked; 8 if none is.
func First(marks uint64) int { return bits.TrailingZeros64(marks) / 8 }
