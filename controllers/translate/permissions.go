package translate

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// HostPermission lets the routes of some namespaces claim some hostnames.
type HostPermission struct {
	// Hostnames are each a host; a wildcard such as "*.example.com", for all hosts below example.com, and for wildcards of
	// no others; or "*" for all hosts, and for routes without hostnames, which claim all of them.
	Hostnames  []string   `json:"hostnames"`
	Namespaces Namespaces `json:"namespaces"`
}

// Namespaces are those that are named and those whose labels are selected.
type Namespaces struct {
	Names []string `json:"names,omitempty"`
	// Selector selects nothing if it is nil, and all namespaces if it is empty.
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// everyHost is the hostname of a permission for all hosts.
const everyHost = "*"

// Validate returns what is wrong with a permission that stands at a path.
func (p *HostPermission) Validate(at *field.Path) (errs field.ErrorList) {
	if len(p.Hostnames) == 0 {
		errs = append(errs, field.Required(at.Child("hostnames"), "name at least one"))
	}
	for i, h := range p.Hostnames {
		if h == everyHost {
			continue
		}
		for _, message := range validation.IsDNS1123Subdomain(strings.TrimPrefix(h, "*.")) {
			errs = append(errs, field.Invalid(at.Child("hostnames").Index(i), h, `neither "*" nor a hostname that may start with "*.": `+message))
		}
	}
	return append(errs, p.Namespaces.validate(at.Child("namespaces"))...)
}

func (n *Namespaces) validate(at *field.Path) (errs field.ErrorList) {
	if len(n.Names) == 0 && n.Selector == nil {
		errs = append(errs, field.Required(at, "names or a selector; the selector {} selects all namespaces"))
	}
	for i, name := range n.Names {
		for _, message := range validation.IsDNS1123Label(name) {
			errs = append(errs, field.Invalid(at.Child("names").Index(i), name, message))
		}
	}
	return append(errs, metav1validation.ValidateLabelSelector(n.Selector, metav1validation.LabelSelectorValidationOptions{}, at.Child("selector"))...)
}

// SelectsNamespaces reports whether the labels of namespaces matter.
func (o *Options) SelectsNamespaces() bool { return newHostPermissions(o.HostPermissions).selects }

// hostPermissions answer who may claim what. The zero value lets everybody claim everything.
type hostPermissions struct {
	// byHost has the holders of each hostname of a permission.
	byHost map[string][]holders
	// selects says that the labels of namespaces matter.
	selects bool
}

// holders are the namespaces of one permission.
type holders struct {
	names    []string
	selector labels.Selector
}

func newHostPermissions(list []HostPermission) (p hostPermissions) {
	for i := range list {
		h := holders{names: list[i].Namespaces.Names, selector: selectorOf(list[i].Namespaces.Selector)}
		p.selects = p.selects || list[i].Namespaces.Selector != nil && !h.selector.Empty()
		for _, host := range list[i].Hostnames {
			if p.byHost == nil {
				p.byHost = map[string][]holders{}
			}
			p.byHost[host] = append(p.byHost[host], h)
		}
	}
	return p
}

// selectorOf selects nothing by what is no selector.
func selectorOf(s *metav1.LabelSelector) labels.Selector {
	if selector, err := metav1.LabelSelectorAsSelector(s); err == nil {
		return selector
	}
	return labels.Nothing()
}

// may reports whether a namespace may claim a host, which may be a wildcard, or empty for all hosts. Of a namespace whose
// labels are not known, not even the absence of one is: found is false then.
func (p *hostPermissions) may(namespace string, known labels.Set, found bool, host string) bool {
	for _, h := range hostnamesCovering(host) {
		for _, allowed := range p.byHost[h] {
			if slices.Contains(allowed.names, namespace) || allowed.selector.Empty() || found && allowed.selector.Matches(known) {
				return true
			}
		}
	}
	return false
}

// hostnamesCovering returns the hostnames of permissions that cover a host.
func hostnamesCovering(host string) []string {
	out := []string{everyHost}
	if host == "" {
		return out
	}
	out = append(out, host)
	for _, parent, below := strings.Cut(strings.TrimPrefix(host, "*."), "."); below; _, parent, below = strings.Cut(parent, ".") {
		out = append(out, "*."+parent)
	}
	return out
}

// hosts returns those of a route's hostnames that its namespace may claim, and whether there is anything that it may: no
// hostnames are all hosts.
func (j *job) hosts() (permitted []string, something bool) {
	all := hostnames(j.route)
	claimed := all
	if len(all) == 0 {
		claimed = anyHost
	}
	permitted = j.permittedHosts(claimed, "a route without hostnames")
	something = len(permitted) > 0
	if len(all) == 0 {
		permitted = nil
	}
	return permitted, something
}

// permittedHosts returns those of some hosts, empty for all, that the namespace at work may claim, and says that it may not
// claim the others. Claimant is what claims all hosts.
func (j *job) permittedHosts(claimed []string, claimant string) (permitted []string) {
	if j.permissions.byHost == nil {
		return claimed
	}
	namespace := j.self.Namespace
	if j.permissions.selects {
		j.dependOn(dependency{Name: namespace})
	}
	known, found := j.catalog.namespaces[namespace]
	var refused []string
	for _, host := range claimed {
		if j.permissions.may(namespace, known, found, host) {
			permitted = append(permitted, host)
		} else {
			refused = append(refused, host)
		}
	}
	stranger := j.permissions.selects && !found
	if slices.Contains(refused, "") {
		refused = slices.DeleteFunc(refused, func(h string) bool { return h == "" })
		j.notAccepted(allHostsNotPermitted(namespace, claimant, stranger))
	}
	if len(refused) > 0 {
		j.notAccepted(hostsNotPermitted(namespace, refused, stranger))
	}
	return permitted
}

// withhold leaves nothing to serve of a route that may claim no host: in a snapshot, a rule without hosts is for all.
func (j *job) withhold() {
	j.rules, j.ranks, j.clusters, j.refs = nil, nil, nil, nil
}
