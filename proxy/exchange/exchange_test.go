package exchange

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestResetLeavesNothingBehind(t *testing.T) {
	x := new(Exchange)
	x.Protocol, x.Listener, x.Start, x.Refusal, x.Err = HTTP11, "http", time.Now(), ErrPath, ErrPath
	x.Request = Request{Method: "GET", Path: "/", Body: strings.NewReader("")}
	x.Request.Head.Add("A", "b")
	x.Reply(200)
	x.SetBody([]byte("hello"))
	x.Response.Head.Add("A", "b")
	x.FailureHead.Add("A", "b")
	x.Route, x.Match, x.Trace, x.Upstream = &Route{}, 1, Trace{ID: [16]byte{1}}, Upstream{Cluster: "a"}
	x.SetFinishers([]Finisher{nil})
	x.SetInterrupt(nil)
	x.Cancel(ErrPath)
	x.Reset()
	// What remains is memory that is used again, and holds nothing.
	x.Request.Head, x.Response.Head, x.FailureHead, x.arena = Head{}, Head{}, Head{}, nil
	if !reflect.DeepEqual(x, new(Exchange)) {
		t.Errorf("left over: %+v", x)
	}
}

func TestAllocGivesSeparateMemory(t *testing.T) {
	x := new(Exchange)
	var all [][]byte
	for n := range 200 {
		b := x.Alloc(n)
		if len(b) != n || cap(b) != n {
			t.Fatalf("Alloc(%d) gave length %d, capacity %d", n, len(b), cap(b))
		}
		for i := range b {
			b[i] = byte(n)
		}
		all = append(all, b)
	}
	for n, b := range all {
		for _, c := range b {
			if c != byte(n) {
				t.Fatalf("the memory of Alloc(%d) was given away again", n)
			}
		}
	}
}

func TestResetKeepsLittleMemory(t *testing.T) {
	x := new(Exchange)
	x.Alloc(keptArena)
	if x.Reset(); cap(x.arena) != keptArena {
		t.Errorf("%d bytes are kept, want %d: usual exchanges must not allocate", cap(x.arena), keptArena)
	}
	x.Alloc(keptArena + 1)
	if x.Reset(); cap(x.arena) > keptArena {
		t.Errorf("%d bytes are kept", cap(x.arena))
	}
}

type flag struct{ raised int }

func (f *flag) Interrupt() { f.raised++ }

func TestCancel(t *testing.T) {
	first, second := &Error{Code: "first"}, &Error{Code: "second"}
	t.Run("interrupts who waits, once", func(t *testing.T) {
		x, f := new(Exchange), new(flag)
		if err := x.SetInterrupt(f); err != nil {
			t.Fatal(err)
		}
		x.Cancel(first)
		x.Cancel(second)
		if f.raised != 1 || x.Cancelled() != first {
			t.Errorf("raised %d times, cancelled by %v", f.raised, x.Cancelled())
		}
	})
	t.Run("is told to who would wait later", func(t *testing.T) {
		x, f := new(Exchange), new(flag)
		x.Cancel(first)
		if err := x.SetInterrupt(f); err != first || f.raised != 0 {
			t.Errorf("got %v, raised %d times", err, f.raised)
		}
	})
	t.Run("leaves alone who waits no more", func(t *testing.T) {
		x, f := new(Exchange), new(flag)
		x.SetInterrupt(f)
		x.SetInterrupt(nil)
		x.Cancel(first)
		if f.raised != 0 {
			t.Error("raised")
		}
	})
}

func TestLeft(t *testing.T) {
	now := time.Now()
	x := new(Exchange)
	if _, limited := x.Left(now); limited {
		t.Error("limited without a deadline")
	}
	x.SetDeadline(now.Add(3))
	for _, later := range []time.Duration{0, 3, 5} {
		if left, limited := x.Left(now.Add(later)); !limited || left != 3-later {
			t.Errorf("%d ns later: %d ns are left, limited %t", later, left, limited)
		}
	}
	x.Reset()
	if _, limited := x.Left(now); limited || !x.Deadline().IsZero() {
		t.Error("the deadline outlives the exchange")
	}
}

type closing struct{ closed int }

func (*closing) Read([]byte) (int, error) { return 0, io.EOF }
func (c *closing) Close() error           { c.closed++; return nil }

func TestReplyForgetsWhatWasAnsweredBefore(t *testing.T) {
	x, body := new(Exchange), new(closing)
	x.Response.Status, x.Response.Body, x.Response.ContentLength = 200, body, 5
	x.Response.Head.Add("A", "b")
	x.Reply(503)
	r := &x.Response
	if body.closed != 1 || r.Status != 503 || r.Body != nil || r.ContentLength != 0 || r.Head.Len() != 0 {
		t.Errorf("closed %d times, left %+v", body.closed, r)
	}
}

type tunnel struct {
	closing
	io.Writer
}

func (*tunnel) CloseWrite() error { return nil }

func TestReplyClosesATunnelThatIsNotUsed(t *testing.T) {
	x, other := new(Exchange), new(tunnel)
	x.Response.Status, x.Response.Tunnel = 101, other
	x.Reply(500)
	if other.closed != 1 || x.Response.Tunnel != nil {
		t.Errorf("closed %d times, left %v", other.closed, x.Response.Tunnel)
	}
}

func TestSetBodyIsReadToItsEnd(t *testing.T) {
	x := new(Exchange)
	x.SetBody([]byte("hello"))
	if b, err := io.ReadAll(x.Response.Body); string(b) != "hello" || err != nil || x.Response.ContentLength != 5 {
		t.Errorf("got %q, %v", b, err)
	}
	x.SetBody([]byte("hello"))
	if err := x.Response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(x.Response.Body); len(b) != 0 || err != nil {
		t.Errorf("after Close: %q, %v", b, err)
	}
}

type recorder struct {
	name string
	log  *[]string
}

func (r recorder) Done(*Exchange) { *r.log = append(*r.log, r.name) }

func TestFinishTellsEveryFinisherInOrder(t *testing.T) {
	var log []string
	x := new(Exchange)
	x.SetFinishers([]Finisher{recorder{"a", &log}, recorder{"b", &log}})
	x.Finish()
	if got := strings.Join(log, ""); got != "ab" {
		t.Errorf("got %s", got)
	}
}

func TestAnExchangeWithoutRouteHasNoPattern(t *testing.T) {
	x := new(Exchange)
	if x.Pattern() != "" || x.RouteID() != "" {
		t.Errorf("got %q of %q", x.Pattern(), x.RouteID())
	}
	x.Route, x.Match = &Route{ID: "a/b/0", Patterns: []string{"/x", "= /y"}}, 1
	if x.Pattern() != "= /y" || x.RouteID() != "a/b/0" {
		t.Errorf("got %q of %q", x.Pattern(), x.RouteID())
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	plain := &Error{Status: 502, Code: "upstream.reset", Retry: RetryReplay}
	copied := plain.With(cause)
	switch {
	case !errors.Is(copied, plain), !errors.Is(copied, cause), errors.Is(plain, cause):
		t.Error("a copy is not its original with a cause")
	case copied.Status != 502, copied.Retry != RetryReplay, plain.Err != nil:
		t.Error("the copy changed more than the cause")
	case errors.Is(copied, &Error{Code: "other"}):
		t.Error("errors of different codes are the same")
	case copied.Error() != "upstream.reset: cause", plain.Error() != "upstream.reset (502)":
		t.Errorf("texts are %q and %q", copied, plain)
	}
}

func TestTrace(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	trace, ok := ParseTrace(id)
	if !ok || !trace.IsValid() || string(trace.AppendHex(nil)) != id {
		t.Errorf("got %v, %v", trace, ok)
	}
	for name, s := range map[string]string{
		"upper case": strings.ToUpper(id), "short": id[1:], "long": id + "0", "no digit": "g" + id[1:], "zero": strings.Repeat("0", 32), "empty": "", "a dash": "-" + id[1:],
	} {
		if trace, ok := ParseTrace(s); ok || trace.IsValid() {
			t.Errorf("%s: accepted as %v", name, trace)
		}
	}
}
