package accesslog

import (
	"sync/atomic"
	"time"
)

// stamper appends times. It keeps the text of the present second: a line's time costs more than any other field of it.
type stamper struct{ second atomic.Pointer[second] }

type second struct {
	unix int64
	text string
}

// append appends t in RFC 3339, in UTC with milliseconds.
func (s *stamper) append(b []byte, t time.Time) []byte {
	now := s.second.Load()
	if unix := t.Unix(); now == nil || now.unix != unix {
		now = &second{unix, t.UTC().Format("2006-01-02T15:04:05.")}
		s.second.Store(now)
	}
	ms := t.Nanosecond() / int(time.Millisecond)
	b = append(b, now.text...)
	return append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}
