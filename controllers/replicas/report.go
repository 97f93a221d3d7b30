// Package replicas lets the replicas of an installation know of each other what they serve. Each says it in a Lease of its own.
package replicas

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// ClassLabel marks the Leases of the replicas of a class; its value is the class.
const ClassLabel = "gateway.penstock.io/replica-of"

// reportAnnotation of a Lease is the replica's Report, as JSON.
const reportAnnotation = "gateway.penstock.io/report"

// Positions say up to which resourceVersion somebody has taken notice of the changes of each kind of objects, or of a kind in one
// namespace. They are never written once they are shared.
type Positions map[string]string

// Reached reports whether p is at q or beyond, in everything that q names.
func (p Positions) Reached(q Positions) bool {
	for of, at := range q {
		if Earlier(p[of], at) {
			return false
		}
	}
	return true
}

// With returns p, but for what q says.
func (p Positions) With(q Positions) Positions {
	out := maps.Clone(p)
	if out == nil {
		out = make(Positions, len(q))
	}
	maps.Copy(out, q)
	return out
}

// Where is what p says of some places.
func (p Positions) Where(is func(of string) bool) Positions {
	out := maps.Clone(p)
	maps.DeleteFunc(out, func(of, _ string) bool { return !is(of) })
	return out
}

// Furthest is the later of two positions in each of their places.
func Furthest(p, q Positions) Positions {
	out := p.With(nil)
	for of, at := range q {
		if Earlier(out[of], at) {
			out[of] = at
		}
	}
	return out
}

// Earlier reports whether resourceVersion a is before b. None is before all others; what can't be compared is not known to have
// come later, and so counts as before.
func Earlier(a, b string) bool {
	switch {
	case b == "" || a == b:
		return false
	case a == "":
		return true
	}
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order < 0
}

// Report is what a replica says about itself.
type Report struct {
	// Incarnation tells the processes of a replica apart that follow each other.
	Incarnation string `json:"incarnation"`
	// Release is the version of the program.
	Release string `json:"release,omitempty"`
	// Addresses are those at which the replica serves, IP addresses; empty if it doesn't know.
	Addresses []string `json:"addresses,omitempty"`
	// Version is that of the snapshot that it serves, a digest of its content.
	Version string `json:"version,omitempty"`
	// Positions are those up to which the snapshot is known to take all changes into account.
	Positions Positions `json:"positions,omitempty"`
	// Changes are the positions of the latest changes among those. A list is as far as the API server, behind which there may be no change
	// for long, so that who has only watched can't be there. It is nil only in reports of releases that did not say it.
	Changes Positions `json:"changes"`
	// Sharing is where others tell this replica how much of rate limits they have used; nil if nowhere.
	Sharing *Sharing `json:"sharing,omitempty"`
}

// Latest is how far another replica has to get to take all changes into account that this one does.
func (r Report) Latest() Positions {
	if r.Changes == nil {
		return r.Positions
	}
	return r.Changes
}

// Sharing is how a replica is reached, at any of its addresses, by those that share rate limits with it.
type Sharing struct {
	Port uint16 `json:"port"`
	// Key is the public key by which the replica is known, of Ed25519.
	Key []byte `json:"key"`
}

// Replica is one as its Lease shows it.
type Replica struct {
	Name string
	Report
	// Renewed is when the replica last said that it is there, by its own clock.
	Renewed time.Time
}

// Parse reads a Lease.
func Parse(l *coordinationv1.Lease) (Replica, error) {
	r := Replica{}
	if l.Spec.HolderIdentity != nil {
		r.Name = *l.Spec.HolderIdentity
	}
	if l.Spec.RenewTime != nil {
		r.Renewed = l.Spec.RenewTime.Time
	}
	if err := json.Unmarshal([]byte(l.Annotations[reportAnnotation]), &r.Report); err != nil {
		return r, fmt.Errorf("lease %s/%s: annotation %s: %w", l.Namespace, l.Name, reportAnnotation, err)
	}
	return r, nil
}
