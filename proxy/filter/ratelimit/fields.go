package ratelimit

import (
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/proxy/exchange"
	"github.com/penstock/penstock/proxy/limit"
)

// The fields are those of draft-ietf-httpapi-ratelimit-headers-10: lists with an item for each limit (§3, §4), and the three of
// nobody's standard that clients of older services know.
const (
	policyField    = "RateLimit-Policy"
	limitField     = "RateLimit"
	legacyLimit    = "X-RateLimit-Limit"
	legacyRemains  = "X-RateLimit-Remaining"
	legacyReset    = "X-RateLimit-Reset"
	fieldSize      = 48 // bytes of an item, for most
	inFlightQuotas = "concurrent-requests"
)

// items returns the limit's name as a String of RFC 8941, and its item of the field RateLimit-Policy. The namespace stays inside.
func (r *rule) items() (name, policy string) {
	_, object, _ := strings.Cut(r.limit.Policy, "/")
	name = `"` + object + "/" + r.limit.Name + `"`
	policy = name + ";q=" + strconv.FormatInt(r.limit.Requests, 10)
	if r.limit.Algorithm == limit.Concurrency {
		return name, policy + `;qu="` + inFlightQuotas + `"`
	}
	return name, policy + ";w=" + strconv.FormatInt(seconds(r.limit.Period), 10)
}

// seconds rounds up: who comes too early is refused again.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// tell adds fields about those limits whose policy tells of them in such an answer.
func (s *state) tell(x *exchange.Exchange, h *exchange.Head, refused bool) {
	policies, limits := x.Alloc(len(s.asked) * fieldSize)[:0], x.Alloc(len(s.asked) * fieldSize)[:0]
	var strictest *asked
	for i := range s.asked {
		a := &s.asked[i]
		if a.Remaining < 0 || !a.rule.tells(refused) {
			continue
		}
		policies = append(separate(policies), a.rule.policy...)
		limits = a.appendItem(separate(limits))
		if a.rule.legacy && (strictest == nil || a.stricterThan(strictest)) {
			strictest = a
		}
	}
	if len(policies) == 0 {
		return
	}
	h.Add(policyField, exchange.String(policies))
	h.Add(limitField, exchange.String(limits))
	if strictest != nil {
		addNumber(x, h, legacyLimit, strictest.rule.limit.Requests)
		addNumber(x, h, legacyRemains, strictest.Remaining)
		addNumber(x, h, legacyReset, seconds(strictest.Reset))
	}
}

func (r *rule) tells(refused bool) bool {
	return !r.shadow && (r.report == reportAlways || refused && r.report == reportRefused)
}

func separate(list []byte) []byte {
	if len(list) > 0 {
		list = append(list, ", "...)
	}
	return list
}

func (a *asked) appendItem(b []byte) []byte {
	b = append(b, a.rule.item...)
	b = strconv.AppendInt(append(b, ";r="...), a.Remaining, 10)
	if a.rule.limit.Algorithm != limit.Concurrency {
		b = strconv.AppendInt(append(b, ";t="...), seconds(a.Reset), 10)
	}
	return b
}

// stricterThan compares refusals first, by how long they last, then what remains.
func (a *asked) stricterThan(b *asked) bool {
	if a.Allowed != b.Allowed {
		return !a.Allowed
	}
	if !a.Allowed {
		return a.RetryAfter == limit.Never || b.RetryAfter != limit.Never && a.RetryAfter > b.RetryAfter
	}
	return a.Remaining < b.Remaining
}

func addNumber(x *exchange.Exchange, h *exchange.Head, name string, n int64) {
	h.Add(name, exchange.String(strconv.AppendInt(x.Alloc(20)[:0], n, 10)))
}
