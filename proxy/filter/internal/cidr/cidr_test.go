package cidr

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestNetworksAreParsed(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.0/24":      "",
		"192.0.2.7":         "",
		"0.0.0.0/0":         "",
		"2001:db8::/32":     "",
		"2001:db8::1":       "",
		"::/0":              "",
		"192.0.2.1/24":      "write 192.0.2.0/24",
		"2001:db8::1/64":    "write 2001:db8::/64",
		"192.0.2.0/33":      "neither",
		"192.0.2.0/024":     "neither",
		"192.0.2":           "neither",
		"::ffff:192.0.2.1":  "neither",
		"::ffff:1.2.3.0/24": "neither",
		"fe80::1%eth0":      "neither",
		"fe80::%eth0/64":    "neither",
		"shop.example.com":  "neither",
		"":                  "neither",
		"/":                 "neither",
	} {
		_, err := Parse([]string{text})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// networks are random ones of both families.
func networks(n int) []string {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]string, n)
	for i := range all {
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], random.Uint64())
		address, bits := netip.AddrFrom16(a), 16+random.IntN(49)
		if i%2 == 0 {
			address, bits = netip.AddrFrom4([4]byte(a[:4])), 8+random.IntN(25)
		}
		all[i] = netip.PrefixFrom(address, bits).Masked().String()
	}
	return all
}

// The table agrees with a plain list of prefixes.
func TestContainsAgreesWithAList(t *testing.T) {
	texts := networks(1000)
	set, err := Parse(texts)
	if err != nil {
		t.Fatal(err)
	}
	var list []netip.Prefix
	for _, s := range texts {
		list = append(list, netip.MustParsePrefix(s))
	}
	check := func(a netip.Addr) {
		want := slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
		if got := set.Contains(a); got != want {
			t.Errorf("%v: %v, want %v", a, got, want)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		check(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, random.Uint32()))))
	}
	for _, p := range list {
		check(p.Addr())
		check(p.Addr().Prev())
	}
	check(netip.Addr{})
}

func BenchmarkContains(b *testing.B) {
	for _, n := range []int{10, 1000} {
		set, err := Parse(networks(n))
		if err != nil {
			b.Fatal(err)
		}
		for _, a := range []string{"192.0.2.1", "2001:db8::1"} {
			b.Run(fmt.Sprintf("%d/%s", n, a), func(b *testing.B) {
				address := netip.MustParseAddr(a)
				b.ReportAllocs()
				for b.Loop() {
					set.Contains(address)
				}
			})
		}
	}
}
