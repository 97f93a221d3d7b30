package file

import (
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
)

// finishNamespace sets the label that the API server gives every Namespace, and checks the name.
func finishNamespace(n *corev1.Namespace) (errs field.ErrorList) {
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	n.Labels[corev1.LabelMetadataName] = n.Name
	for _, message := range validation.IsDNS1123Label(n.Name) {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), n.Name, message))
	}
	return errs
}

// finishService applies the API server's defaults and checks the ports.
func finishService(s *corev1.Service) field.ErrorList {
	if s.Spec.Type == "" {
		s.Spec.Type = corev1.ServiceTypeClusterIP
	}
	var errs field.ErrorList
	if s.Spec.Type == corev1.ServiceTypeExternalName && s.Spec.ExternalName == "" {
		errs = append(errs, field.Required(field.NewPath("spec", "externalName"), "of type ExternalName"))
	}
	names := map[string]bool{}
	for i := range s.Spec.Ports {
		port, path := &s.Spec.Ports[i], field.NewPath("spec", "ports").Index(i)
		finishServicePort(port)
		errs = append(errs, checkPort(port.Port, path.Child("port"))...)
		if port.Name == "" && len(s.Spec.Ports) > 1 {
			errs = append(errs, field.Required(path.Child("name"), "with several ports"))
		}
		if port.Name != "" && names[port.Name] {
			errs = append(errs, field.Duplicate(path.Child("name"), port.Name))
		}
		names[port.Name] = true
	}
	return errs
}

func finishServicePort(port *corev1.ServicePort) {
	if port.Protocol == "" {
		port.Protocol = corev1.ProtocolTCP
	}
	if port.TargetPort == (intstr.IntOrString{}) {
		port.TargetPort = intstr.FromInt32(port.Port)
	}
}

// finishSecret moves stringData to data and checks the keys, as the API server does. No message shows a value.
func finishSecret(s *corev1.Secret) field.ErrorList {
	if len(s.StringData) > 0 && s.Data == nil {
		s.Data = map[string][]byte{}
	}
	for key, value := range s.StringData {
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
	if s.Type == "" {
		s.Type = corev1.SecretTypeOpaque
	}
	path := field.NewPath("data")
	errs := checkKeys(s.Data, path)
	if s.Type == corev1.SecretTypeTLS {
		for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
			if _, ok := s.Data[key]; !ok {
				errs = append(errs, field.Required(path.Key(key), ""))
			}
		}
	}
	return errs
}

// finishConfigMap checks the keys, as the API server does.
func finishConfigMap(c *corev1.ConfigMap) field.ErrorList {
	errs := append(checkKeys(c.Data, field.NewPath("data")), checkKeys(c.BinaryData, field.NewPath("binaryData"))...)
	for _, key := range slices.Sorted(maps.Keys(c.BinaryData)) {
		if _, twice := c.Data[key]; twice {
			errs = append(errs, field.Invalid(field.NewPath("data").Key(key), key, "duplicate of key present in binaryData"))
		}
	}
	return errs
}

func checkKeys[V any](data map[string]V, path *field.Path) (errs field.ErrorList) {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		for _, message := range validation.IsConfigMapKey(key) {
			errs = append(errs, field.Invalid(path.Key(key), key, message))
		}
	}
	return errs
}

// finishEndpointSlice applies the API server's defaults and checks addresses and ports.
func finishEndpointSlice(s *discoveryv1.EndpointSlice) field.ErrorList {
	var errs field.ErrorList
	switch s.AddressType {
	case discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeFQDN:
	default:
		errs = append(errs, field.NotSupported(field.NewPath("addressType"), s.AddressType,
			[]discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeFQDN}))
	}
	for i, endpoint := range s.Endpoints {
		addresses := field.NewPath("endpoints").Index(i).Child("addresses")
		if len(endpoint.Addresses) == 0 {
			errs = append(errs, field.Required(addresses, ""))
		}
		for j, address := range endpoint.Addresses {
			errs = append(errs, checkAddress(s.AddressType, address, addresses.Index(j))...)
		}
	}
	for i := range s.Ports {
		errs = append(errs, finishSlicePort(&s.Ports[i], field.NewPath("ports").Index(i))...)
	}
	return errs
}

func finishSlicePort(port *discoveryv1.EndpointPort, path *field.Path) field.ErrorList {
	if port.Name == nil {
		port.Name = new(string)
	}
	if port.Protocol == nil {
		protocol := corev1.ProtocolTCP
		port.Protocol = &protocol
	}
	if port.Port == nil {
		return nil
	}
	return checkPort(*port.Port, path.Child("port"))
}

func checkAddress(form discoveryv1.AddressType, address string, path *field.Path) field.ErrorList {
	ip, err := netip.ParseAddr(address)
	switch form {
	case discoveryv1.AddressTypeIPv4:
		if err != nil || !ip.Is4() {
			return field.ErrorList{field.Invalid(path, address, "must be an IPv4 address")}
		}
	case discoveryv1.AddressTypeIPv6:
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return field.ErrorList{field.Invalid(path, address, "must be an IPv6 address without zone")}
		}
	case discoveryv1.AddressTypeFQDN:
		return validation.IsFullyQualifiedDomainName(path, address)
	}
	return nil
}

func checkPort(port int32, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, message := range validation.IsValidPortNum(int(port)) {
		errs = append(errs, field.Invalid(path, port, message))
	}
	return errs
}

// finishReferenceGrant checks what Gateway API's CRD requires.
func finishReferenceGrant(g *gatewayv1beta1.ReferenceGrant) field.ErrorList {
	var errs field.ErrorList
	spec := field.NewPath("spec")
	require := func(path *field.Path, present bool) {
		if !present {
			errs = append(errs, field.Required(path, ""))
		}
	}
	require(spec.Child("from"), len(g.Spec.From) > 0)
	require(spec.Child("to"), len(g.Spec.To) > 0)
	for i, from := range g.Spec.From {
		require(spec.Child("from").Index(i).Child("kind"), from.Kind != "")
		require(spec.Child("from").Index(i).Child("namespace"), from.Namespace != "")
	}
	for i, to := range g.Spec.To {
		require(spec.Child("to").Index(i).Child("kind"), to.Kind != "")
	}
	return errs
}
