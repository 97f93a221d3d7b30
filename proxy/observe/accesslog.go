package observe

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// accessLogBuffer bounds the bytes that wait to be written; there are two such buffers.
	accessLogBuffer = 1 << 20
	// accessLogBatch is how many waiting bytes are written at once without further delay: so few that both buffers stay in a processor's
	// caches. Where the target can't be written to without waiting, each write rouses the runtime's monitor; see prompt.
	accessLogBatch = 32 << 10
	// accessLogDelay is how long a line waits for company.
	accessLogDelay = 100 * time.Millisecond
)

// AccessLog writes lines from a goroutine of its own. Whoever adds a line never waits for the disk: what doesn't fit into the
// buffer is dropped and counted. It is safe for concurrent use.
type AccessLog struct {
	w       io.Writer
	dropped atomic.Uint64

	mu     sync.Mutex // guards what follows
	lines  []byte
	count  uint64
	closed bool

	waiting, plenty chan struct{} // each holds one signal
	closing, done   chan struct{}
}

// NewAccessLog returns a log that writes to w until it is closed.
func NewAccessLog(w io.Writer) *AccessLog {
	l := &AccessLog{
		w: newPrompt(w), waiting: make(chan struct{}, 1), plenty: make(chan struct{}, 1),
		closing: make(chan struct{}), done: make(chan struct{}),
	}
	go l.run()
	return l
}

// Add copies one line, which ends in a line feed, into the log.
func (l *AccessLog) Add(line []byte) {
	l.mu.Lock()
	before := len(l.lines)
	after := before + len(line)
	fits := !l.closed && after <= accessLogBuffer
	if fits {
		l.lines = append(l.lines, line...)
		l.count++
	}
	l.mu.Unlock()
	switch {
	case !fits:
		l.dropped.Add(1)
	case before == 0:
		signal(l.waiting)
	case before < accessLogBatch && after >= accessLogBatch:
		signal(l.plenty)
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // one is pending already
	}
}

// Close writes what waits and ends the log. Lines that are added later are dropped.
func (l *AccessLog) Close() {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.closing)
	}
	<-l.done
}

func (l *AccessLog) run() {
	defer close(l.done)
	delay := time.NewTimer(accessLogDelay)
	var spare []byte
	for {
		select {
		case <-l.waiting:
		case <-l.closing:
			l.flush(spare)
			return
		}
		delay.Reset(accessLogDelay)
		select {
		case <-delay.C:
		case <-l.plenty:
		case <-l.closing:
		}
		spare = l.flush(spare)
	}
}

// flush writes the waiting lines, while new ones gather in spare, and returns the written buffer as the next spare.
func (l *AccessLog) flush(spare []byte) []byte {
	l.mu.Lock()
	lines, count := l.lines, l.count
	l.lines, l.count = spare[:0], 0
	l.mu.Unlock()
	if len(lines) == 0 {
		return lines
	}
	if _, err := l.w.Write(lines); err != nil {
		l.dropped.Add(count)
	}
	return lines
}

// Metrics shows how many lines were lost.
func (l *AccessLog) Metrics() prometheus.Collector {
	return Counter("gateway_access_log_dropped_total",
		"Lines of the access log that were lost, because the buffer was full or writing failed.", l.dropped.Load)
}
