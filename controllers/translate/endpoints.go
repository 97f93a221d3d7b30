package translate

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/penstock/penstock/proxy/snapshot"
)

// Endpoints returns the endpoints of a cluster, sorted by address and port, as the EndpointSlices of its Service tell
// them. There are none if the Service is missing (nil) or has no such port any more, nor for an external cluster. A change
// of the Service matters as much as one of a slice: it has the names of ports and the IP families.
//
// An endpoint that is ready and does not terminate takes requests; one that serves on while it terminates is Draining; any
// other is left out. Of a dual-stack Service, whose endpoints have an address in either family, only one family counts: the
// Service's first, or if that has no endpoints the other. An address that comes more than once counts in its best state.
func Endpoints(c *snapshot.Cluster, service *corev1.Service, list []*discoveryv1.EndpointSlice) []snapshot.Endpoint {
	port, ok := portOf(c, service)
	if !ok {
		return nil
	}
	first, second := families(service)
	if out := ofFamily(first, list, port.Name); len(out) > 0 {
		return out
	}
	return ofFamily(second, list, port.Name)
}

// portOf finds the port that a cluster stands for.
func portOf(c *snapshot.Cluster, service *corev1.Service) (corev1.ServicePort, bool) {
	if service == nil {
		return corev1.ServicePort{}, false
	}
	number, ok := strings.CutPrefix(c.Name, clusterPrefix(service.Namespace, service.Name))
	if !ok {
		return corev1.ServicePort{}, false
	}
	i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool {
		return isTCP(p) && strconv.Itoa(int(p.Port)) == number
	})
	if i < 0 {
		return corev1.ServicePort{}, false
	}
	return service.Spec.Ports[i], true
}

// families returns the address types of a Service in the order of preference: IPv4 first where it has none yet.
func families(service *corev1.Service) (first, second discoveryv1.AddressType) {
	if f := service.Spec.IPFamilies; len(f) > 0 && f[0] == corev1.IPv6Protocol {
		return discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeIPv4
	}
	return discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6
}

func ofFamily(family discoveryv1.AddressType, list []*discoveryv1.EndpointSlice, portName string) []snapshot.Endpoint {
	var out []snapshot.Endpoint
	for _, s := range list {
		if s.AddressType == family {
			out = appendEndpoints(out, s, portName)
		}
	}
	slices.SortFunc(out, compareEndpoints)
	return slices.CompactFunc(out, func(a, b snapshot.Endpoint) bool { return a.Address == b.Address && a.Port == b.Port })
}

// appendEndpoints appends the usable endpoints of a slice: each address with each port of that name.
func appendEndpoints(out []snapshot.Endpoint, s *discoveryv1.EndpointSlice, portName string) []snapshot.Endpoint {
	for i := range s.Ports {
		port, ok := usablePort(&s.Ports[i], portName)
		if !ok {
			continue
		}
		for _, e := range s.Endpoints {
			state, usable := stateOf(e.Conditions)
			if !usable {
				continue
			}
			for _, text := range e.Addresses {
				// The canonical form lets equal addresses of different slices meet.
				if ip, err := netip.ParseAddr(text); err == nil {
					out = append(out, snapshot.Endpoint{Address: ip.String(), Port: port, State: state})
				}
			}
		}
	}
	return out
}

func usablePort(p *discoveryv1.EndpointPort, name string) (uint16, bool) {
	usable := deref(p.Name, "") == name && p.Port != nil && deref(p.Protocol, corev1.ProtocolTCP) == corev1.ProtocolTCP
	return uint16(deref(p.Port, 0)), usable
}

// stateOf returns the state of an endpoint, and whether it is of use at all. What is not known about it is taken for the
// best, as the EndpointSlice API asks for.
func stateOf(c discoveryv1.EndpointConditions) (snapshot.EndpointState, bool) {
	ready, terminating := deref(c.Ready, true), deref(c.Terminating, false)
	if !terminating {
		return snapshot.Ready, ready
	}
	return snapshot.Draining, deref(c.Serving, ready)
}

// compareEndpoints orders by address and port, the better state first.
func compareEndpoints(a, b snapshot.Endpoint) int {
	return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port), cmp.Compare(a.State, b.State))
}

// deref returns what p points to, or the value that holds for nil.
func deref[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}
