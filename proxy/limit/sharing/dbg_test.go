package sharing_test
import ("testing";"time";"fmt";"math/rand/v2")
func TestDbg(t *testing.T) {
	found := 0
	for seed := range uint64(400) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, seed, randomLimit(r))
			n := 2 + r.IntN(5)
			if n > 2 { continue }
			w.joinAll(n)
			w.delay, w.loss = time.Duration(1+r.Int64N(int64(400*time.Millisecond))), 0.05*r.Float64()
			start := w.now
			var log []string
			bad := false
			for range 40 {
				d := time.Duration(r.Int64N(int64(time.Second)))
				rates := w.randomRates(n)
				for d > 0 {
				s := w.now.Add(d)
				was := w.excess()
				per := make([]int, n)
				k := len(w.admissions)
				w.run(min(d, 20*time.Millisecond), rates)
				for _, a := range w.admissions[k:] { per[a.by]++ }
				d = s.Sub(w.now)
				log = append(log, fmt.Sprint(w.now.Sub(start), rates, was, w.excess(), per))
				for _, n := range w.nodes { log = append(log, n.Dbg(hot)) }
				bad = bad || w.excess() > 3
				}
				if bad { break }
			}
			if bad {
				fmt.Println(seed, *w.limit, w.delay, w.loss)
				for _, l := range log[max(len(log)-150,0):] { fmt.Println(l) }
				found++
				if found > 0 { return }
			}
	}
}
