package jwks

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestWhereKeysMayBeFetched(t *testing.T) {
	named := &Reach{Hosts: []string{"keycloak.identity.svc", "*.corp.example.com"}}
	for _, tt := range []struct {
		host, address string
		// In turn: by default, with --jwks-hosts, with external backends.
		byDefault, named, everywhere bool
	}{
		{"login.example.com", "93.184.215.14", true, true, true},
		{"login.example.com", "2606:2800:21f::1", true, true, true},
		{"login.example.com", "10.0.0.1", false, false, true},
		{"login.example.com", "172.16.0.1", false, false, true},
		{"login.example.com", "192.168.0.1", false, false, true},
		{"login.example.com", "100.64.0.1", false, false, true},
		{"login.example.com", "198.18.0.1", false, false, true},
		{"login.example.com", "255.255.255.255", false, false, true},
		{"login.example.com", "fd00::1", false, false, true},
		{"login.example.com", "::ffff:10.0.0.1", false, false, true},
		{"login.example.com", "64:ff9b::a00:1", false, false, true},
		{"login.example.com", "2002:a00:1::", false, false, true},
		{"localhost", "127.0.0.1", false, false, true},
		{"localhost", "::1", false, false, true},
		{"keycloak.identity.svc", "10.96.0.7", false, true, true},
		{"Keycloak.Identity.svc.", "10.96.0.7", false, true, true},
		{"keycloak.identity.svc.evil.example", "10.96.0.7", false, false, true},
		{"login.corp.example.com", "10.1.1.1", false, true, true},
		{"a.b.corp.example.com", "10.1.1.1", false, true, true},
		{"corp.example.com", "10.1.1.1", false, false, true},
		{".corp.example.com", "10.1.1.1", false, false, true},
		{"evilcorp.example.com", "10.1.1.1", false, false, true},
		{"metadata.corp.example.com", "169.254.169.254", false, false, false},
		{"metadata.corp.example.com", "::ffff:169.254.169.254", false, false, false},
		{"metadata.corp.example.com", "fe80::1%eth0", false, false, false},
		{"metadata.corp.example.com", "fd00:ec2::254", false, false, false},
		{"metadata.corp.example.com", "fd20:ce::254", false, false, false},
		{"metadata.corp.example.com", "100.100.100.200", false, false, false},
		{"metadata.corp.example.com", "0.0.0.0", false, false, false},
		{"metadata.corp.example.com", "::", false, false, false},
		{"metadata.corp.example.com", "224.0.0.1", false, false, false},
	} {
		a := netip.MustParseAddr(tt.address)
		for i, reach := range []*Reach{{}, named, everywhere} {
			if got, want := reach.permits(tt.host, a) == nil, []bool{tt.byDefault, tt.named, tt.everywhere}[i]; got != want {
				t.Errorf("%s at %s by %+v: permitted %v, want %v", tt.host, tt.address, *reach, got, want)
			}
		}
	}
}

func TestTheAddressIsLookedAtThatIsAsked(t *testing.T) {
	asked := false
	s := serve(t, func(http.ResponseWriter, *http.Request) { asked = true })
	_, _, err := get(t, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), "", &Reach{})
	if err == nil || !strings.Contains(err.Error(), "is no public address, and this installation does not name localhost in --jwks-hosts") || asked {
		t.Errorf("asked %v, error %v", asked, err)
	}
	if _, _, err = get(t, s.URL, "", &Reach{Hosts: []string{"127.0.0.1"}}); err == nil || !asked {
		t.Errorf("a host that is named: asked %v, error %v", asked, err)
	}
}
