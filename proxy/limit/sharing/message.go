package sharing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

// ID is a replica from its start to its end; 0 is none. A replica that starts anew has another.
type ID uint64

// MaxEntries is how many keys one message tells of. MaxMessage is the size in bytes that no message reaches.
const (
	MaxEntries = 1024
	MaxMessage = 128 << 10
)

// Message is what a replica says to another.
type Message struct {
	From ID
	// Number is greater than those of the messages before.
	Number uint64
	// Leaving says that the replica admits nothing any more.
	Leaving bool
	Reports []Report
}

// Report is what a replica says about a key.
type Report struct {
	Key       limit.Key
	Algorithm limit.Algorithm
	Requests  int64
	Period    time.Duration
	Burst     int64
	Weight    weight
	Use

	sequence uint64 // of the sender, not sent
}

// limit is that of the key, without its names.
func (r *Report) limit() *limit.Limit {
	return &limit.Limit{Algorithm: r.Algorithm, Requests: r.Requests, Period: r.Period, Burst: r.Burst}
}

// Use is what a replica has used of a key.
type Use struct {
	// Stamp is greater when a replica has begun to count Used anew. It is 0 if there was no room for the key.
	Stamp uint32
	// Moment is greater when the use was looked at later.
	Moment uint64
	// Used is how much the replica has used in all, in units of cost; it falls when something is given back. Level is what of it has not
	// flowed back.
	Used, Level int64
	// Left is what the replica divides: what is left of the limit, reckoned without what it has used since the last report that all others
	// have confirmed.
	Left float64
}

// Answer confirms a message.
type Answer struct {
	From ID
	// Uses are what the replica that answers has used of the keys, in the order of the reports; none if the message came too late.
	Uses []Use
}

// version stands before everything that is sent. Replicas of different versions don't understand each other.
const version = 2

var errTooShort = errors.New("too short")

// AppendMessage appends what UnmarshalMessage reads.
func AppendMessage(b []byte, m Message) []byte {
	b = append(b, version)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.From))
	b = binary.AppendUvarint(b, m.Number)
	flags := byte(0)
	if m.Leaving {
		flags = 1
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(len(m.Reports)))
	for i := range m.Reports {
		b = appendReport(b, &m.Reports[i])
	}
	return b
}

func appendReport(b []byte, r *Report) []byte {
	b = append(b, r.Key[:]...)
	b = append(b, byte(r.Algorithm), byte(r.Weight))
	b = binary.AppendUvarint(b, uint64(r.Requests))
	b = binary.AppendUvarint(b, uint64(r.Period))
	b = binary.AppendUvarint(b, uint64(r.Burst))
	return appendUse(b, r.Use)
}

func appendUse(b []byte, u Use) []byte {
	b = binary.AppendUvarint(b, uint64(u.Stamp))
	b = binary.AppendUvarint(b, u.Moment)
	b = binary.AppendVarint(b, u.Used)
	b = binary.AppendVarint(b, u.Level)
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(u.Left))
}

// UnmarshalMessage reads a message. What it returns is within the bounds of what this package reckons with.
func UnmarshalMessage(b []byte) (Message, error) {
	d := decoder{rest: b}
	d.version()
	m := Message{From: ID(d.uint64()), Number: d.uvarint(1 << 63), Leaving: d.byte(1) == 1}
	n := d.uvarint(MaxEntries)
	for range n {
		if d.err != nil {
			break
		}
		m.Reports = append(m.Reports, d.report())
	}
	if m.From == 0 {
		d.fail(errors.New("no sender"))
	}
	return m, d.end("message")
}

// AppendAnswer appends what UnmarshalAnswer reads.
func AppendAnswer(b []byte, a Answer) []byte {
	b = append(b, version)
	b = binary.LittleEndian.AppendUint64(b, uint64(a.From))
	b = binary.AppendUvarint(b, uint64(len(a.Uses)))
	for _, u := range a.Uses {
		b = appendUse(b, u)
	}
	return b
}

// UnmarshalAnswer reads an answer.
func UnmarshalAnswer(b []byte) (Answer, error) {
	d := decoder{rest: b}
	d.version()
	a := Answer{From: ID(d.uint64())}
	n := d.uvarint(MaxEntries)
	for range n {
		if d.err != nil {
			break
		}
		a.Uses = append(a.Uses, d.use())
	}
	if a.From == 0 {
		d.fail(errors.New("no sender"))
	}
	return a, d.end("answer")
}

// decoder reads what is left until something is wrong; then it reads zeros.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

func (d *decoder) take(n int) []byte {
	if len(d.rest) < n {
		d.fail(errTooShort)
		return make([]byte, n)
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) version() {
	if v := d.take(1)[0]; v != version {
		d.fail(fmt.Errorf("version %d, want %d", v, version))
	}
}

func (d *decoder) uint64() uint64 { return binary.LittleEndian.Uint64(d.take(8)) }

func (d *decoder) byte(most byte) byte {
	b := d.take(1)[0]
	if b > most {
		d.fail(fmt.Errorf("%d is more than %d", b, most))
		return 0
	}
	return b
}

func (d *decoder) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > most {
		d.fail(fmt.Errorf("no number up to %d", most))
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// signed reads a number between -farthest and farthest.
func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 || v > farthest || v < -farthest {
		d.fail(fmt.Errorf("no number between -%d and %[1]d", int64(farthest)))
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// farthest is beyond what is ever used or waited for; two of it can be added.
const farthest = 1 << 60

// float reads a number between -farthest and farthest.
func (d *decoder) float() float64 {
	v := math.Float64frombits(d.uint64())
	if !(math.Abs(v) <= farthest) { // nor is what is no number
		d.fail(fmt.Errorf("no number between -%d and %[1]d", int64(farthest)))
		return 0
	}
	return v
}

// positive reads a number from 1 to farthest.
func (d *decoder) positive() int64 {
	v := d.uvarint(farthest)
	if v == 0 {
		d.fail(errors.New("0 where a limit must be"))
		return 1
	}
	return int64(v)
}

func (d *decoder) report() (r Report) {
	copy(r.Key[:], d.take(len(r.Key)))
	r.Algorithm = limit.Algorithm(d.byte(byte(limit.SlidingWindow)))
	r.Weight = weight(d.byte(byte(most)))
	r.Requests = d.positive()
	r.Period = time.Duration(d.positive())
	r.Burst = int64(d.uvarint(farthest))
	r.Use = d.use()
	if r.Weight < least || r.Algorithm == limit.TokenBucket && r.Burst == 0 || r.Stamp == 0 {
		d.fail(errors.New("a report of nothing"))
	}
	return r
}

func (d *decoder) use() Use {
	u := Use{Stamp: uint32(d.uvarint(1<<32 - 1)), Moment: d.uvarint(1 << 63), Used: d.signed(), Level: d.signed(), Left: d.float()}
	if u.Level < 0 {
		d.fail(errors.New("a level below 0"))
	}
	return u
}

func (d *decoder) end(what string) error {
	if d.err == nil && len(d.rest) > 0 {
		d.err = fmt.Errorf("%d bytes too many", len(d.rest))
	}
	if d.err != nil {
		return fmt.Errorf("%s of a peer: %w", what, d.err)
	}
	return nil
}
