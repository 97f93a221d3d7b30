package sharing_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/limit/sharing"
)

func example() sharing.Message {
	return sharing.Message{From: 7, Number: 3, Leaving: true, Reports: []sharing.Report{{
		Key: hot, Algorithm: limit.SlidingWindow, Requests: 1000, Period: 10 * time.Second, Weight: 8,
		Use: sharing.Use{Stamp: 1, Moment: 2, Used: -3, Level: 4},
	}}}
}

func FuzzMessage(f *testing.F) {
	f.Add(sharing.AppendMessage(nil, example()))
	f.Add(sharing.AppendMessage(nil, sharing.Message{From: 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := sharing.UnmarshalMessage(b)
		if err != nil {
			return
		}
		if len(m.Reports) > sharing.MaxEntries {
			t.Fatalf("%d reports", len(m.Reports))
		}
		written := sharing.AppendMessage(nil, m)
		again, err := sharing.UnmarshalMessage(written)
		if err != nil || !bytes.Equal(written, sharing.AppendMessage(nil, again)) {
			t.Fatalf("%+v is read as %+v: %v", m, again, err)
		}
		// Whatever a peer says, a Limiter takes it.
		w := newWorld(t, 1, thousand(limit.TokenBucket))
		n := w.join()
		n.Hear(m)
		for _, r := range m.Reports {
			of := &limit.Limit{Algorithm: r.Algorithm, Requests: r.Requests, Period: r.Period, Burst: r.Burst}
			if d := n.Take(of, r.Key, 1); d.Remaining < 0 || d.RetryAfter < limit.Never {
				t.Errorf("%+v", d)
			}
		}
		n.Tick()
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(sharing.AppendAnswer(nil, sharing.Answer{From: 7, Uses: []sharing.Use{{}, {Stamp: 1, Moment: 2, Used: 3, Level: 4, Left: 995.5}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := sharing.UnmarshalAnswer(b)
		if err != nil {
			return
		}
		written := sharing.AppendAnswer(nil, a)
		again, err := sharing.UnmarshalAnswer(written)
		if err != nil || !bytes.Equal(written, sharing.AppendAnswer(nil, again)) {
			t.Fatalf("%+v is read as %+v: %v", a, again, err)
		}
	})
}

func TestMessagesThatAreRefused(t *testing.T) {
	good := sharing.AppendMessage(nil, example())
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":         {nil, "too short"},
		"another version": {append([]byte{99}, good[1:]...), "version 99"},
		"a part":          {good[:len(good)-1], "too short"},
		"a smaller part":  {good[:len(good)-9], "no number"},
		"no number":       {append(bytes.Clone(good[:len(good)-8]), 0, 0, 0, 0, 0, 0, 0xf8, 0x7f), "no number between"},
		"too large":       {append(bytes.Clone(good[:len(good)-8]), 0, 0, 0, 0, 0, 0, 0xb1, 0x43), "no number between"},
		"more":            {append(bytes.Clone(good), 0), "1 bytes too many"},
		"no sender":       {sharing.AppendMessage(nil, sharing.Message{}), "no sender"},
		"a limit of none": {sharing.AppendMessage(nil, sharing.Message{From: 1, Reports: []sharing.Report{{}}}), "0 where a limit must be"},
	} {
		if _, err := sharing.UnmarshalMessage(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
}

func TestALargestMessageIsSmallerThanTheBound(t *testing.T) {
	m := example()
	r := m.Reports[0]
	r.Requests, r.Period, r.Burst, r.Used, r.Level, r.Stamp, r.Moment = 1<<60, 1<<60, 1<<60, -1<<60, 1<<60, 1<<32-1, 1<<63
	m.Reports = nil
	for range sharing.MaxEntries {
		m.Reports = append(m.Reports, r)
	}
	b := sharing.AppendMessage(nil, m)
	if _, err := sharing.UnmarshalMessage(b); err != nil || len(b) >= sharing.MaxMessage {
		t.Errorf("%d bytes: %v", len(b), err)
	}
}
