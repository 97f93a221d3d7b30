package file

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// finishIngressClass checks the controller.
func finishIngressClass(c *networkingv1.IngressClass) field.ErrorList {
	at := field.NewPath("spec", "controller")
	if c.Spec.Controller == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	return validation.IsDomainPrefixedPath(at, c.Spec.Controller)
}

// finishIngress checks what the API server checks of an Ingress that is created.
func finishIngress(i *networkingv1.Ingress) (errs field.ErrorList) {
	spec := field.NewPath("spec")
	if len(i.Spec.Rules) == 0 && i.Spec.DefaultBackend == nil {
		errs = append(errs, field.Invalid(spec, i.Spec.Rules, "either defaultBackend or rules must be specified"))
	}
	if i.Spec.IngressClassName != nil {
		const annotation = "kubernetes.io/ingress.class"
		if other, ok := i.Annotations[annotation]; ok && other != *i.Spec.IngressClassName {
			errs = append(errs, field.Invalid(field.NewPath("metadata", "annotations").Key(annotation), other,
				"must match spec.ingressClassName when both are specified"))
		}
		errs = append(errs, check(validation.IsDNS1123Subdomain, *i.Spec.IngressClassName, spec.Child("ingressClassName"))...)
	}
	if i.Spec.DefaultBackend != nil {
		errs = append(errs, checkIngressBackend(i.Spec.DefaultBackend, spec.Child("defaultBackend"))...)
	}
	for k, entry := range i.Spec.TLS {
		for n, host := range entry.Hosts {
			errs = append(errs, checkIngressHost(host, spec.Child("tls").Index(k).Child("hosts").Index(n))...)
		}
	}
	for k := range i.Spec.Rules {
		errs = append(errs, checkIngressRule(&i.Spec.Rules[k], spec.Child("rules").Index(k))...)
	}
	return errs
}

func checkIngressRule(r *networkingv1.IngressRule, at *field.Path) (errs field.ErrorList) {
	if r.Host != "" {
		if _, err := netip.ParseAddr(r.Host); err == nil {
			errs = append(errs, field.Invalid(at.Child("host"), r.Host, "must be a DNS name, not an IP address"))
		}
		errs = append(errs, checkIngressHost(r.Host, at.Child("host"))...)
	}
	if r.HTTP == nil {
		return errs
	}
	paths := at.Child("http", "paths")
	if len(r.HTTP.Paths) == 0 {
		errs = append(errs, field.Required(paths, ""))
	}
	for i := range r.HTTP.Paths {
		errs = append(errs, checkIngressPath(&r.HTTP.Paths[i], paths.Index(i))...)
	}
	return errs
}

// pathTypes are those that the API knows.
var pathTypes = []networkingv1.PathType{networkingv1.PathTypeExact, networkingv1.PathTypePrefix, networkingv1.PathTypeImplementationSpecific}

func checkIngressPath(p *networkingv1.HTTPIngressPath, at *field.Path) (errs field.ErrorList) {
	switch {
	case p.PathType == nil:
		errs = append(errs, field.Required(at.Child("pathType"), "pathType must be specified"))
	case !slices.Contains(pathTypes, *p.PathType):
		errs = append(errs, field.NotSupported(at.Child("pathType"), *p.PathType, pathTypes))
	case *p.PathType == networkingv1.PathTypeImplementationSpecific:
		if p.Path != "" && !strings.HasPrefix(p.Path, "/") {
			errs = append(errs, field.Invalid(at.Child("path"), p.Path, "must be an absolute path"))
		}
	case !isPlain(p.Path):
		errs = append(errs, field.Invalid(at.Child("path"), p.Path, "must be an absolute path without empty or dot segments and encoded slashes"))
	}
	return append(errs, checkIngressBackend(&p.Backend, at.Child("backend"))...)
}

// isPlain reports whether a path is absolute and has nothing that servers read in different ways.
func isPlain(p string) bool {
	plain := path.Clean(p) == p || path.Clean(p)+"/" == p
	return strings.HasPrefix(p, "/") && plain && !strings.Contains(strings.ToLower(p), "%2f")
}

func checkIngressBackend(b *networkingv1.IngressBackend, at *field.Path) (errs field.ErrorList) {
	switch {
	case b.Service == nil && b.Resource == nil:
		return field.ErrorList{field.Required(at, "service or resource")}
	case b.Service != nil && b.Resource != nil:
		return field.ErrorList{field.Invalid(at, "", "cannot set both resource and service backends")}
	case b.Resource != nil:
		return nil
	}
	service := at.Child("service")
	errs = append(errs, check(validation.IsDNS1035Label, b.Service.Name, service.Child("name"))...)
	port, number, name := service.Child("port"), b.Service.Port.Number, b.Service.Port.Name
	switch {
	case name != "" && number != 0:
		errs = append(errs, field.Invalid(port, name, "cannot set both port name and port number"))
	case name != "":
		errs = append(errs, check(validation.IsValidPortName, name, port.Child("name"))...)
	case number == 0:
		errs = append(errs, field.Required(port, "port name or number is required"))
	default:
		errs = append(errs, checkPort(number, port.Child("number"))...)
	}
	return errs
}

func checkIngressHost(host string, at *field.Path) field.ErrorList {
	if strings.Contains(host, "*") {
		return check(validation.IsWildcardDNS1123Subdomain, host, at)
	}
	return check(validation.IsDNS1123Subdomain, host, at)
}

// check returns an error for each thing that is wrong with a value.
func check(wrong func(string) []string, value string, at *field.Path) (errs field.ErrorList) {
	for _, message := range wrong(value) {
		errs = append(errs, field.Invalid(at, value, message))
	}
	return errs
}
