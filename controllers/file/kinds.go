package file

import (
	"encoding/json"
	"errors"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
	strictjson "sigs.k8s.io/json"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/yield"
)

// kind is how a kind of object is made of its generic form, which it may change. What takes long is done in turns.
type kind interface {
	decode(*unstructured.Unstructured, *yield.Turns) (metav1.Object, field.ErrorList)
}

// The kinds whose objects are in no namespace.
var (
	namespaces     = corev1.SchemeGroupVersion.WithKind("Namespace")
	ingressClasses = networkingv1.SchemeGroupVersion.WithKind("IngressClass")
)

func isNamespaced(k schema.GroupVersionKind) bool { return k != namespaces && k != ingressClasses }

// kinds are the kinds that manifests may hold.
var kinds = map[schema.GroupVersionKind]kind{
	v1alpha1.GroupVersion.WithKind(v1alpha1.KindGatewayRoute):       custom[v1alpha1.GatewayRoute]{},
	v1alpha1.GroupVersion.WithKind(v1alpha1.KindRateLimitPolicy):    custom[v1alpha1.RateLimitPolicy]{},
	networkingv1.SchemeGroupVersion.WithKind(translate.KindIngress): builtin[networkingv1.Ingress]{finishIngress},
	ingressClasses: builtin[networkingv1.IngressClass]{finishIngressClass},
	namespaces:     builtin[corev1.Namespace]{finishNamespace},
	corev1.SchemeGroupVersion.WithKind("Service"):                            builtin[corev1.Service]{finishService},
	corev1.SchemeGroupVersion.WithKind("Secret"):                             builtin[corev1.Secret]{finishSecret},
	corev1.SchemeGroupVersion.WithKind("ConfigMap"):                          builtin[corev1.ConfigMap]{finishConfigMap},
	discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"):                 builtin[discoveryv1.EndpointSlice]{finishEndpointSlice},
	{Group: gatewayv1.GroupName, Version: "v1", Kind: "ReferenceGrant"}:      builtin[gatewayv1beta1.ReferenceGrant]{finishReferenceGrant},
	{Group: gatewayv1.GroupName, Version: "v1beta1", Kind: "ReferenceGrant"}: builtin[gatewayv1beta1.ReferenceGrant]{finishReferenceGrant},
}

// custom is a kind that has a CRD: its generic form passes what the API server would do to it, and is then converted.
type custom[T any] struct{}

func (custom[T]) decode(u *unstructured.Unstructured, turns *yield.Turns) (metav1.Object, field.ErrorList) {
	if errs := admit(u, turns); len(errs) > 0 {
		return nil, errs
	}
	turns.Next()
	object := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, object); err != nil {
		return nil, field.ErrorList{field.InternalError(nil, err)}
	}
	return any(object).(metav1.Object), nil
}

// builtin is a kind whose schema is a Go type: it is decoded strictly, then given its defaults and checked by finish, as
// far as Penstock uses it.
type builtin[T any] struct {
	finish func(*T) field.ErrorList
}

func (b builtin[T]) decode(u *unstructured.Unstructured, _ *yield.Turns) (metav1.Object, field.ErrorList) {
	text, err := json.Marshal(u.Object)
	if err != nil {
		return nil, field.ErrorList{field.InternalError(nil, err)}
	}
	object := new(T)
	unknown, err := strictjson.UnmarshalStrict(text, object)
	if err != nil {
		return nil, field.ErrorList{typeError(err)}
	}
	var errs field.ErrorList
	for _, err := range unknown {
		errs = append(errs, strictError(err))
	}
	errs = append(errs, checkMetadata(any(object).(metav1.Object), isNamespaced(u.GroupVersionKind()))...)
	return any(object).(metav1.Object), append(errs, b.finish(object)...)
}

// checkMetadata gives an object generation 1, whatever its manifest says, and checks its metadata as the API server does.
func checkMetadata(object metav1.Object, namespaced bool) field.ErrorList {
	object.SetGeneration(1)
	return validation.ValidateObjectMetaAccessor(object, namespaced, validation.NameIsDNSSubdomain, field.NewPath("metadata"))
}

// strictError is the error for what strict decoding found; of that only unknown fields are left once a document is parsed.
func strictError(err error) *field.Error {
	var at strictjson.FieldError
	if errors.As(err, &at) {
		return unknownField(at.FieldPath())
	}
	return field.InternalError(nil, err)
}

// typeError is the error for a value of the wrong type.
func typeError(err error) *field.Error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return &field.Error{
			Type: field.ErrorTypeTypeInvalid, Field: wrong.Field, BadValue: wrong.Value,
			Detail: "must be of type " + wrong.Type.String(),
		}
	}
	return &field.Error{Type: field.ErrorTypeTypeInvalid, BadValue: "object", Detail: err.Error()}
}
