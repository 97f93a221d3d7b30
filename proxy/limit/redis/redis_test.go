package redis_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"

	"github.com/penstock/penstock/proxy/limit"
	"github.com/penstock/penstock/proxy/limit/redis"
	"github.com/penstock/penstock/test/testcert"
	"github.com/penstock/penstock/test/testredis"
)

// patient is a timeout for tests that are not about time, on machines that are busy with others.
const patient = 10 * time.Second

// start runs a Store until the test ends.
func start(tb testing.TB, timeout time.Duration, server *goredis.UniversalOptions) *redis.Store {
	tb.Helper()
	s := redis.New(redis.Options{
		Server: server, Timeout: timeout, Replica: fmt.Sprint(tb.Name(), rand.Uint64()),
		Local: limit.NewLocal(1000, time.Now), Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	tb.Cleanup(func() { cancel(); <-done })
	return s
}

// started is a Store that has reached its server.
func started(tb testing.TB, timeout time.Duration, addresses ...string) *redis.Store {
	tb.Helper()
	s := start(tb, timeout, &goredis.UniversalOptions{Addrs: addresses})
	awaitServer(tb, s)
	return s
}

var probe = &limit.Limit{Policy: "test", Name: "probe", Requests: 1 << 30, Burst: 1 << 30, Period: time.Hour}

// awaitServer asks until the server decides.
func awaitServer(tb testing.TB, s *redis.Store) {
	tb.Helper()
	for s.Take(probe, key(1<<40), 1).Degraded {
		if tb.Context().Err() != nil {
			tb.Fatal("the server never decided")
		}
		runtime.Gosched() // nothing tells of it but asking
	}
}

func key(n uint64) (k limit.Key) {
	binary.LittleEndian.PutUint64(k[:], n)
	return k
}

var algorithms = []limit.Algorithm{limit.TokenBucket, limit.SlidingWindow}

func TestReplicasHoldALimitTogether(t *testing.T) {
	server := testredis.Start(t)
	for _, a := range algorithms {
		l := &limit.Limit{Requests: 1000, Burst: 1000, Period: 24 * time.Hour, Algorithm: a}
		var allowed atomic.Int64
		var all sync.WaitGroup
		for range 3 {
			s := started(t, patient, server.Address)
			for range 10 {
				all.Go(func() {
					for range 100 {
						if d := s.Take(l, key(uint64(a)), 1); d.Allowed && !d.Degraded {
							allowed.Add(1)
						}
					}
				})
			}
		}
		all.Wait()
		if n := allowed.Load(); n != 1000 {
			t.Errorf("algorithm %d: %d of 3000 were allowed, want 1000", a, n)
		}
	}
}

func TestTheRateHoldsAsTimeGoesBy(t *testing.T) {
	s := started(t, patient, testredis.Start(t).Address)
	l := &limit.Limit{Requests: 100, Burst: 10, Period: time.Second}
	began, allowed := time.Now(), 0
	for time.Since(began) < time.Second {
		if s.Take(l, key(1), 1).Allowed {
			allowed++
		}
	}
	if most := 10 + time.Since(began).Seconds()*100; float64(allowed) > most || allowed < 11 {
		t.Errorf("%d allowed, want more than the burst and at most %f", allowed, most)
	}
}

// Within a day's period no time passes, so both ways to keep a limit must agree on everything.
func TestTheScriptsDoWhatTheLocalLimiterDoes(t *testing.T) {
	s := started(t, patient, testredis.Start(t).Address)
	for _, a := range algorithms {
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, uint64(a)))
			local := limit.NewLocal(1, time.Now)
			l := &limit.Limit{Algorithm: a, Requests: 1 + r.Int64N(30), Burst: 1 + r.Int64N(30), Period: 24 * time.Hour}
			k := key(r.Uint64())
			for range 50 {
				cost := 1 + r.Int64N(4)
				if r.IntN(5) == 0 {
					cost -= 3 * r.Int64N(2)
					s.Charge(l, k, cost)
					local.Charge(l, k, cost, limit.Whole)
					settle(t, s, local, l, k)
					continue
				}
				got, want := s.Take(l, k, cost), local.Take(l, k, cost, limit.Whole)
				if got.Allowed != want.Allowed || got.Remaining != want.Remaining || (got.RetryAfter == limit.Never) != (want.RetryAfter == limit.Never) {
					t.Fatalf("algorithm %d, seed %d, %+v: %+v, want %+v", a, seed, l, got, want)
				}
				if diff := got.Reset - want.Reset; diff.Abs() > 2*time.Hour { // the width of a slot, whose beginnings differ
					t.Fatalf("algorithm %d, seed %d: reset after %v, want %v", a, seed, got.Reset, want.Reset)
				}
			}
		}
	}
}

// alike reports whether two limiters know of the same use. The beginnings of their slots, of up to 2 hours, differ.
func alike(a, b limit.Decision) bool {
	return a.Remaining == b.Remaining && (a.Reset-b.Reset).Abs() <= 2*time.Hour
}

// settle waits until the server has taken what was charged: nobody else is told.
func settle(t *testing.T, s *redis.Store, local *limit.Local, l *limit.Limit, k limit.Key) {
	t.Helper()
	for !alike(s.Take(l, k, 0), local.Take(l, k, 0, limit.Whole)) {
		if t.Context().Err() != nil {
			t.Fatal("the server never took what was charged")
		}
	}
}

func TestAnEditOfThePeriodKeepsWhatWasUsed(t *testing.T) {
	s := started(t, patient, testredis.Start(t).Address)
	for _, a := range algorithms {
		s.Take(&limit.Limit{Algorithm: a, Requests: 10, Burst: 10, Period: time.Hour}, key(1), 10)
		edited := &limit.Limit{Algorithm: a, Requests: 10, Burst: 10, Period: 2 * time.Hour}
		if d := s.Take(edited, key(1), 6); d.Allowed {
			t.Errorf("algorithm %d: an edit forgot what was used: %+v", a, d)
		}
	}
}

func TestAServerWithoutTheScriptsGetsThem(t *testing.T) {
	server := testredis.Start(t)
	s := started(t, patient, server.Address)
	admin := goredis.NewClient(&goredis.Options{Addr: server.Address})
	defer admin.Close()
	for _, a := range algorithms {
		if err := admin.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if d := s.Take(&limit.Limit{Algorithm: a, Requests: 10, Burst: 10, Period: time.Hour}, key(2), 1); d.Degraded || !d.Allowed {
			t.Errorf("algorithm %d: %+v", a, d)
		}
	}
}

func TestWhatIsWantedTogetherTravelsTogether(t *testing.T) {
	slow := testredis.StartSlow(t, testredis.Start(t).Address)
	slow.Delay(5 * time.Millisecond)
	s := started(t, patient, slow.Address)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range 10 {
				s.Take(probe, key(3), 1)
			}
		})
	}
	all.Wait()
	if trips, asks := metric(t, s, "gateway_rate_limit_store_round_trips_total"), metric(t, s, "gateway_rate_limit_store_requests_total"); trips > asks/2 {
		t.Errorf("%v round trips for %v decisions", trips, asks)
	}
}

func TestSeveralLimitsTakeOneRoundTrip(t *testing.T) {
	s := started(t, patient, testredis.Start(t).Address)
	before := metric(t, s, "gateway_rate_limit_store_round_trips_total")
	asks := []limit.Ask{{Limit: probe, Key: key(4), Cost: 1}, {Limit: probe, Key: key(5), Cost: 1}}
	s.TakeAll(asks)
	if n := metric(t, s, "gateway_rate_limit_store_round_trips_total") - before; n != 1 || !asks[1].Decision.Allowed {
		t.Errorf("%v round trips, %+v", n, asks)
	}
}

func metric(t *testing.T, s *redis.Store, name string) float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(s)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if m := f.GetMetric()[0]; f.GetName() == name {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// faults are ways to fail, each with what ends it.
func TestEachFailureModeHoldsWhileTheServerFails(t *testing.T) {
	for name, fault := range map[string]func(*testing.T, *testredis.Server, *testredis.Slow) (end func()){
		"killed": func(t *testing.T, s *testredis.Server, _ *testredis.Slow) func() {
			t.Helper()
			s.Kill(t)
			return func() { s.Start(t) }
		},
		"hung": func(t *testing.T, s *testredis.Server, _ *testredis.Slow) func() {
			t.Helper()
			s.Hang(t)
			return func() { s.Continue(t) }
		},
		"slow": func(_ *testing.T, _ *testredis.Server, s *testredis.Slow) func() {
			s.Delay(300 * time.Millisecond)
			return func() { s.Delay(0) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := testredis.Start(t)
			slow := testredis.StartSlow(t, server.Address)
			s := started(t, redis.DefaultTimeout, slow.Address)
			end := fault(t, server, slow)
			for !s.Take(probe, key(6), 1).Degraded { // answers may be under way
				if t.Context().Err() != nil {
					t.Fatal("the failure is not noticed")
				}
			}
			for mode, want := range map[limit.FailureMode]int{limit.LocalShare: 4, limit.Open: 10, limit.Closed: 0} {
				l := &limit.Limit{Requests: 4, Burst: 4, Period: time.Hour, OnFailure: mode}
				allowed := 0
				for range 10 {
					d := s.Take(l, key(7), 1)
					if !d.Degraded {
						t.Fatal("the server decided")
					}
					if d.Allowed {
						allowed++
					}
				}
				if mode != limit.LocalShare && allowed != want || mode == limit.LocalShare && (allowed < 1 || allowed > want) {
					t.Errorf("mode %d: %d of 10 allowed, want %d", mode, allowed, want)
				}
			}
			end()
			awaitServer(t, s)
		})
	}
}

func TestALocalShareIsThePartOfOneReplica(t *testing.T) {
	server := testredis.Start(t)
	stores := []*redis.Store{started(t, patient, server.Address), started(t, patient, server.Address)}
	for _, s := range stores {
		for metric(t, s, "gateway_rate_limit_store_replicas") != 2 {
			if t.Context().Err() != nil {
				t.Fatal("the replicas don't know of each other")
			}
			runtime.Gosched()
		}
	}
	server.Kill(t)
	l := &limit.Limit{Requests: 100, Burst: 100, Period: 24 * time.Hour}
	for _, s := range stores {
		allowed := 0
		for range 200 {
			if d := s.Take(l, key(8), 1); d.Degraded && d.Allowed {
				allowed++
			}
		}
		if allowed != 50 {
			t.Errorf("a replica of two allowed %d of 100", allowed)
		}
	}
}

func TestAFailureBringsNoFullBuckets(t *testing.T) {
	server := testredis.Start(t)
	s := started(t, patient, server.Address)
	l := &limit.Limit{Requests: 10, Burst: 10, Period: 24 * time.Hour}
	for range 10 {
		s.Take(l, key(10), 1)
	}
	server.Kill(t)
	for range 10 {
		if d := s.Take(l, key(10), 1); d.Allowed {
			t.Fatalf("what the server had allowed is allowed again: %+v", d)
		}
	}
}

func TestAPasswordAndTLS(t *testing.T) {
	data := testcert.Data("redis", "redis.test")
	certificate, private := string(data["tls.crt"]), string(data["tls.key"])
	server := testredis.Start(t, "--requirepass", "secret", "--tls-cert-file", testredis.File(t, "crt", certificate),
		"--tls-key-file", testredis.File(t, "key", private), "--tls-auth-clients", "no", "--tls-port", "0")
	admin := goredis.NewClient(&goredis.Options{Addr: server.Address, Password: "secret"})
	defer admin.Close()
	// The port changes sides: it is free for TLS once plain text has left it.
	_, port, _ := strings.Cut(server.Address, ":")
	if err := admin.ConfigSet(t.Context(), "port", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := admin.ConfigSet(t.Context(), "tls-port", port).Err(); err != nil {
		t.Fatal(err)
	}
	o, err := redis.ParseURL("rediss://" + server.Address)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	o.Password, o.TLSConfig = "secret", &tls.Config{RootCAs: roots, ServerName: "redis.test", MinVersion: tls.VersionTLS12}
	awaitServer(t, start(t, patient, o))
}

func TestACluster(t *testing.T) {
	server := testredis.Start(t, "--cluster-enabled", "yes")
	admin := goredis.NewClient(&goredis.Options{Addr: server.Address})
	defer admin.Close()
	if err := admin.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	o, err := redis.ParseURL("redis://" + server.Address + "?cluster=true")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, patient, o)
	awaitServer(t, s)
	for n := range uint64(50) {
		l := &limit.Limit{Requests: 1, Burst: 1, Period: time.Hour}
		if !s.Take(l, key(n), 1).Allowed || s.Take(l, key(n), 1).Allowed {
			t.Errorf("key %d: not one and no more", n)
		}
	}
}

func TestASentinelSaysWhereTheServerIs(t *testing.T) {
	server := testredis.Start(t)
	host, port, _ := strings.Cut(server.Address, ":")
	config := testredis.File(t, "sentinel.conf", "sentinel monitor main "+host+" "+port+" 1\n")
	sentinel := testredis.StartSentinel(t, config)
	o, err := redis.ParseURL("redis://" + sentinel.Address + "?sentinel=main")
	if err != nil {
		t.Fatal(err)
	}
	awaitServer(t, start(t, patient, o))
}

func TestURLs(t *testing.T) {
	for text, want := range map[string]string{
		"redis://a":                          "[a:6379] db 0",
		"redis://a:1/2":                      "[a:1] db 2",
		"redis://user@a":                     "[a:6379] db 0 user",
		"rediss://a":                         "[a:6379] db 0 tls",
		"redis://[2001:db8::1]":              "[[2001:db8::1]:6379] db 0",
		"redis://a,b:1?cluster=true":         "[a:6379 b:1] db 0 cluster",
		"redis://a,b/1?sentinel=main":        "[a:26379 b:26379] db 1 sentinel main",
		"redis://a,b":                        "several hosts",
		"redis://":                           "host is empty",
		"http://a":                           "scheme",
		"redis://user:secret@a":              "password",
		"redis://a/x":                        "database",
		"redis://a/1?cluster=true":           "database",
		"redis://a?cluster=true&sentinel=ma": "no sentinels",
		"redis://a?cluster=maybe":            "cluster=maybe",
	} {
		if got := describe(redis.ParseURL(text)); got != want && !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		} else if strings.Contains(got, "secret") {
			t.Errorf("%s: the error has the password", text)
		}
	}
}

func describe(o *goredis.UniversalOptions, err error) string {
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("%v db %d", o.Addrs, o.DB)
	for what, is := range map[string]bool{" user": o.Username != "", " tls": o.TLSConfig != nil, " cluster": o.IsClusterMode, " sentinel " + o.MasterName: o.MasterName != ""} {
		if is {
			text += what
		}
	}
	return text
}

func BenchmarkTake(b *testing.B) {
	s := started(b, patient, testredis.Start(b).Address)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Take(probe, key(9), 1)
		}
	})
}
