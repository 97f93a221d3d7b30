package filter

import "encoding/json"

// Target is where a filter sends requests of its own: a port of a Service, or of a host outside the cluster.
type Target struct {
	// Service is one of Namespace; empty: that of the route.
	Service   string `json:"service,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	// Host is set in place of Service.
	Host string `json:"host,omitempty"`
	Port Port   `json:"port"`
}

// Port is a number, or the name of a Service's port.
type Port struct {
	Number int32
	Name   string
}

// UnmarshalJSON reads a number or a string.
func (p *Port) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &p.Name)
	}
	return json.Unmarshal(b, &p.Number)
}

// MarshalJSON writes what UnmarshalJSON reads.
func (p Port) MarshalJSON() ([]byte, error) {
	if p.Name != "" {
		return json.Marshal(p.Name)
	}
	return json.Marshal(p.Number)
}

// Reaching returns d with the Targets of configurations of type C, the one that d was defined with.
func Reaching[C any](d Definition, targets func(C) []Target) Definition {
	d.Targets = func(raw json.RawMessage) []Target {
		c, err := decode[C](raw)
		if err != nil {
			return nil // Check says why
		}
		return targets(c)
	}
	return d
}
