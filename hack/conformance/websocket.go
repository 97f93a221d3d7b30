package main

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 §4.2.2 wants it.
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
)

// Opcodes of RFC 6455 §5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// frame is a WebSocket frame, with its payload unmasked.
type frame struct {
	fin     bool
	rsv     byte
	opcode  byte
	payload []byte
}

func (f frame) control() bool { return f.opcode >= opClose }

// mask is the key of every client frame: what it is does not matter here, and a fixed one makes runs comparable.
var mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// encode encodes f as a client or as a server does (RFC 6455 §5.2).
func (f frame) encode(masked bool) []byte {
	const longestHead = 14
	dst := make([]byte, 0, longestHead+len(f.payload))
	first := f.rsv<<4 | f.opcode
	if f.fin {
		first |= 0x80
	}
	var bit byte
	if masked {
		bit = 0x80
	}
	switch n := len(f.payload); {
	case n < 126:
		dst = append(dst, first, bit|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, first, bit|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, bit|127), uint64(n))
	}
	if !masked {
		return append(dst, f.payload...)
	}
	dst = append(dst, mask[:]...)
	for i, c := range f.payload {
		dst = append(dst, c^mask[i%4])
	}
	return dst
}

// maxPayload bounds a frame and a message, in bytes. The largest of the suite has 16 MiB.
const maxPayload = 16 << 20

var errTooLong = errors.New("a frame over the limit")

func readFrame(r *bufio.Reader) (frame, error) {
	var head [14]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return frame{}, err
	}
	f := frame{fin: head[0]&0x80 != 0, rsv: head[0] >> 4 & 7, opcode: head[0] & 0xf}
	masked, length := head[1]&0x80 != 0, uint64(head[1]&0x7f)
	rest := map[uint64]int{126: 2, 127: 8}[length]
	if masked {
		rest += 4
	}
	if _, err := io.ReadFull(r, head[2:2+rest]); err != nil {
		return frame{}, err
	}
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		length = binary.BigEndian.Uint64(head[2:])
	}
	if length > maxPayload {
		return frame{}, errTooLong
	}
	f.payload = make([]byte, length)
	_, err := io.ReadFull(r, f.payload)
	if masked {
		key := head[rest-2 : rest+2]
		for i := range f.payload {
			f.payload[i] ^= key[i%4]
		}
	}
	return f, err
}

// acceptKey answers Sec-WebSocket-Key (RFC 6455 §4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // As above.
	return base64.StdEncoding.EncodeToString(sum[:])
}
