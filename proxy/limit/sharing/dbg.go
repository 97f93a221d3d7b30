package sharing
import ("fmt";"github.com/penstock/penstock/proxy/limit")
func (l *Limiter) Dbg(k limit.Key) string {
	e := l.entries.find(k)
	if e == nil { return "-" }
	return fmt.Sprintf("share %.3f level %.1f own %.1f room %.1f since %d unconf %d used %d pending %v rep %v slots %v %+v", e.share(int(l.others.Load())), e.meter.level(), e.meter.own(), e.meter.room(e.share(int(l.others.Load()))), e.since, e.unconfirmed, e.used, e.pending.Used, e.reported.Used, e.others, e.meter)
}
