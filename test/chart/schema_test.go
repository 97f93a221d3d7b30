package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong with values is said before anything is installed.
func TestWrongValuesAreRefused(t *testing.T) {
	for _, c := range []struct{ name, values, want string }{
		{"an unknown value", "replicas: 3", "'replicas' not allowed"},
		{"an unknown value below", "service: {ports: {http: {targetPort: 80}}}", "'targetPort' not allowed"},
		{"text for a number", "replicaCount: three", "/replicaCount"},
		{"a negative number", "replicaCount: -1", "/replicaCount"},
		{"a port out of range", "service: {ports: {http: {port: 70000}}}", "/service/ports/http/port"},
		{"text for a list", "trustedProxies: 10.0.0.0/8", "/trustedProxies"},
		{"an address without a length", "proxyProtocolFrom: [10.0.0.1]", "/proxyProtocolFrom/0"},
		{"an unknown word", "secrets: {access: some}", "/secrets/access"},
		{"a number as a label", "podLabels: {a: 1}", "/podLabels/a"},
		{"a short digest", "image: {digest: 'sha256:12'}", "/image/digest"},
		{"a name of no class", "className: Edge_1", "/className"},
		{"a certificate without namespace", "defaultCertificate: wildcard", "/defaultCertificate"},
		{"a namespace twice", "watchNamespaces: [a, a]", "/watchNamespaces"},
		{"an argument that is no flag", "extraArgs: [debug]", "/extraArgs/0"},
		{"too short a grace period", "terminationGracePeriodSeconds: 35", "terminationGracePeriodSeconds is 35: it must be more than"},
		{"a flag that a value sets", "extraArgs: [--drain-delay=1s]", "--drain-delay is set by the value drain.delaySeconds"},
		{"a flag by which replicas share limits", "extraArgs: ['--rate-limit-peers-bind=:9000']", "--rate-limit-peers-bind is set by the value rateLimit.sharing.enabled"},
		{"a flag that the chart counts on", "extraArgs: [--http-port=80]", "the chart counts on the default of --http-port"},
		{"Secrets that are not read", "secrets: {access: none, clusterWide: true}", "secrets.access is none"},
		{"namespaces of a cluster", "secrets: {clusterWide: true, namespaces: [a]}", "leave secrets.namespaces empty"},
		{"ConfigMaps of a cluster", "configMaps: {clusterWide: true, namespaces: [a]}", "leave configMaps.namespaces empty"},
		{"a URL in place of a host", "jwksHosts: ['https://keycloak.identity.svc']", "/jwksHosts/0"},
		{"a watch that is not permitted", "secrets: {access: all}", "needs secrets.clusterWide"},
		{"a budget of nothing", "podDisruptionBudget: {maxUnavailable: null}", "give maxUnavailable or minAvailable"},
		{"more at least than at most", "autoscaling: {enabled: true, minReplicas: 4, maxReplicas: 3}", "autoscaling.minReplicas is more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := tryRender(t, c.values); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q in it", err, c.want)
			}
		})
	}
}

// Charts that depend on this one switch it by a value enabled and hand it global.
func TestAChartCanDependOnThisOne(t *testing.T) {
	render(t, "enabled: true\nglobal: {a: b}")
}

type schema struct {
	Ref                  string            `json:"$ref"`
	Properties           map[string]schema `json:"properties"`
	AdditionalProperties any               `json:"additionalProperties"`
}

func TestTheSchemaIsStrictAndKnowsWhatThereIs(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(path, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var top schema
	if err := json.Unmarshal(b, &top); err != nil {
		t.Fatal(err)
	}
	if top.AdditionalProperties != false {
		t.Error("unknown values are allowed")
	}
	// Known without a default, since others set them.
	delete(top.Properties, "enabled")
	delete(top.Properties, "global")
	leaves := defaults(t)
	for leaf := range leaves {
		s := top
		for step := range strings.SplitSeq(leaf, ".") {
			if s.AdditionalProperties != false {
				break // of Kubernetes
			}
			next, ok := s.Properties[step]
			if !ok {
				t.Errorf("the schema has no %s", leaf)
			}
			s = next
		}
	}
	var walk func(prefix string, s schema)
	walk = func(prefix string, s schema) {
		for name, p := range s.Properties {
			if p.AdditionalProperties == false {
				walk(prefix+name+".", p)
				continue
			}
			known := false
			for leaf := range leaves {
				known = known || leaf == prefix+name || strings.HasPrefix(leaf, prefix+name+".")
			}
			if !known {
				t.Errorf("values.yaml has no %s%s", prefix, name)
			}
		}
	}
	walk("", top)
}
