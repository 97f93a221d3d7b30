package accesslog

import (
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/filter/internal/jsontext"
)

// Bounds on what clients choose, in bytes. The rest is cut off.
const (
	maxMethod    = 32
	maxHost      = 255
	maxPath      = 2048
	maxUserAgent = 256
	maxSubject   = 256
	maxCause     = 512
)

// appendLine appends the exchange as a JSON object and a line feed. Fields stand in a fixed order; those about the upstream
// and the failure are there only if there was one. The query is left out: it often carries secrets.
func (a *accessLog) appendLine(b []byte, x *exchange.Exchange) []byte {
	b = append(b, `{"time":"`...)
	b = a.stamps.append(b, x.Start)
	b = append(b, `","traceId":"`...)
	b = x.Trace.AppendHex(b)
	b = append(b, '"')
	b = appendText(b, `,"method":`, x.Request.Method, maxMethod)
	b = appendText(b, `,"host":`, x.Request.Host, maxHost)
	b = appendText(b, `,"path":`, path(&x.Request), maxPath)
	b = appendText(b, `,"protocol":`, string(x.Protocol), maxMethod)
	b = appendText(b, `,"route":`, x.RouteID(), maxPath)
	b = appendText(b, `,"pattern":`, x.Pattern(), maxPath)
	b = appendNumber(b, `,"status":`, int64(x.Response.Status))
	b = appendMilliseconds(b, `,"durationMs":`, x.Outcome.Duration)
	b = appendNumber(b, `,"requestBytes":`, x.Outcome.RequestBytes)
	b = appendNumber(b, `,"responseBytes":`, x.Outcome.ResponseBytes)
	b = append(b, `,"client":"`...)
	b = x.Client.AppendTo(b)
	b = append(b, '"')
	b = appendSubject(b, &x.Subject)
	b = appendText(b, `,"userAgent":`, x.Request.Head.Get(exchange.UserAgent), maxUserAgent)
	b = appendUpstream(b, &x.Upstream)
	b = appendFailure(b, x.Err)
	return append(b, "}\n"...)
}

func appendSubject(b []byte, s *exchange.Subject) []byte {
	if s.Kind == exchange.Anonymous {
		return b
	}
	b = appendText(b, `,"subject":`, s.ID, maxSubject)
	if s.Client != "" && s.Client != s.ID {
		b = appendText(b, `,"apiClient":`, s.Client, maxSubject)
	}
	return b
}

func appendUpstream(b []byte, u *exchange.Upstream) []byte {
	if u.Cluster == "" {
		return b
	}
	b = appendText(b, `,"cluster":`, u.Cluster, maxPath)
	if u.Attempts == 0 {
		return b // it had no endpoint to ask
	}
	b = append(b, `,"upstream":"`...)
	b = u.Address.AppendTo(b)
	b = append(b, '"')
	return appendNumber(b, `,"attempts":`, int64(u.Attempts))
}

func appendFailure(b []byte, e *exchange.Error) []byte {
	if e == nil {
		return b
	}
	b = appendText(b, `,"code":`, e.Code, maxPath)
	if e.Err != nil {
		b = appendText(b, `,"why":`, e.Err.Error(), maxCause)
	}
	return b
}

// path is the path, or, if the request was refused before it had one, what stands in its place, without the query.
func path(q *exchange.Request) string {
	if q.Path != "" {
		return q.Path
	}
	p, _, _ := strings.Cut(q.Target, "?")
	return p
}

// appendText appends a field; key is its name as it stands in the line, with the comma before and the colon behind.
func appendText(b []byte, key, value string, most int) []byte {
	return jsontext.AppendString(append(b, key...), value[:min(len(value), most)])
}

func appendNumber(b []byte, key string, value int64) []byte {
	return strconv.AppendInt(append(b, key...), value, 10)
}

// appendMilliseconds appends d with a resolution of a microsecond.
func appendMilliseconds(b []byte, key string, d time.Duration) []byte {
	us := d.Microseconds()
	b = strconv.AppendInt(append(b, key...), us/1000, 10)
	return append(b, '.', byte('0'+us/100%10), byte('0'+us/10%10), byte('0'+us%10))
}
