package translate

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/test/testcert"
)

// BenchmarkTranslatorRotate renews the certificate of one host among many that have one of their own each.
func BenchmarkTranslatorRotate(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			in := largeInput(n, shapes[0].host)
			for _, r := range in.Routes {
				r.Spec.TLS = &v1alpha1.TLS{SecretName: r.Name}
				in.Secrets = append(in.Secrets, &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name},
					Data:       testcert.Data(r.Name, string(r.Spec.Hostnames[0])),
				})
			}
			t := NewTranslator(builtin.Registry(builtin.Deps{}))
			t.Translate(in)
			middle := &in.Secrets[n/2]
			forms := []*corev1.Secret{*middle, {ObjectMeta: (*middle).ObjectMeta, Data: testcert.Data("renewed")}}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				*middle = forms[(i+1)%2]
				t.Translate(in)
			}
		})
	}
}
