package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/controllers/replicas"
	"github.com/penstock/penstock/controllers/translate"
)

// A replica that waited for what it does not watch would stay unready for as long as its patience lasts.
func TestANewReplicaCatchesUpWithWhatItWatches(t *testing.T) {
	everywhere := replicas.Positions{"GatewayRoute": "1", "Ingress": "2", "IngressClass": "3", "Namespace": "4", "ReferenceGrant": "5"}
	inSome := replicas.Positions{"GatewayRoute/shop": "1", "GatewayRoute/blog": "2", "Ingress/shop": "3", "IngressClass/": "4", "ReferenceGrant/shop": "5"}
	for _, tt := range []struct {
		name    string
		options Options
		others  replicas.Positions
		want    replicas.Positions
	}{
		{"without Ingresses", Options{}, everywhere, replicas.Positions{"GatewayRoute": "1", "ReferenceGrant": "5"}},
		{
			"with Ingresses",
			Options{Ingress: true},
			everywhere,
			replicas.Positions{"GatewayRoute": "1", "Ingress": "2", "IngressClass": "3", "ReferenceGrant": "5"},
		},
		{
			"a namespace less",
			Options{Ingress: true, Translate: translate.Options{Namespaces: []string{"shop"}}},
			inSome,
			replicas.Positions{"GatewayRoute/shop": "1", "Ingress/shop": "3", "IngressClass/": "4", "ReferenceGrant/shop": "5"},
		},
		{"all namespaces, where there were some", Options{Ingress: true}, inSome, replicas.Positions{}},
		{"some namespaces, where there were all", Options{Translate: translate.Options{Namespaces: []string{"shop"}}}, everywhere, replicas.Positions{}},
	} {
		if diff := cmp.Diff(tt.want, tt.others.Where(tt.options.watches)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
	}
}
