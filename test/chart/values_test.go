package chart

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/controllers/translate"
)

// effect is something that holds of what is rendered.
type effect struct {
	what  string
	holds func(*testing.T, manifests) bool
}

// is says that value stands at a path of an object. Without value nothing must stand there.
func is(object, path string, value any) effect {
	return effect{fmt.Sprintf("%s of %s is %v", path, object, value), func(t *testing.T, m manifests) bool {
		t.Helper()
		o := m.find(object)
		return o != nil && same(t, at(o, path), value)
	}}
}

// has says that the list at a path of an object has an element.
func has(object, path string, element any) effect {
	return effect{fmt.Sprintf("%s of %s has %v", path, object, element), func(t *testing.T, m manifests) bool {
		t.Helper()
		list, _ := at(m.find(object), path).([]any)
		return slices.ContainsFunc(list, func(e any) bool { return same(t, e, element) })
	}}
}

func exists(object string) effect {
	return effect{object + " is there", func(_ *testing.T, m manifests) bool { return m.find(object) != nil }}
}

func absent(object string) effect {
	return effect{object + " is not there", func(_ *testing.T, m manifests) bool { return m.find(object) == nil }}
}

// text says that some text stands in what is at a path.
func text(object, path, part string) effect {
	return effect{fmt.Sprintf("%q stands in %s of %s", part, path, object), func(_ *testing.T, m manifests) bool {
		return strings.Contains(fmt.Sprint(at(m.find(object), path)), part)
	}}
}

// all says that several effects hold.
func all(effects ...effect) effect {
	var what []string
	for _, e := range effects {
		what = append(what, e.what)
	}
	return effect{strings.Join(what, ", and "), func(t *testing.T, m manifests) bool {
		t.Helper()
		return !slices.ContainsFunc(effects, func(e effect) bool { return !e.holds(t, m) })
	}}
}

const (
	deployment = "Deployment/penstock"
	pod        = "spec.template.spec"
	container  = pod + ".containers.0"
	service    = "Service/penstock"
	metrics    = "Service/penstock-metrics"
	monitor    = "ServiceMonitor/penstock"
	rules      = "PrometheusRule/penstock"
	testPod    = "Pod/penstock-test-ready"
	scaler     = "HorizontalPodAutoscaler/penstock"
	budget     = "PodDisruptionBudget/penstock"
	policy     = "NetworkPolicy/penstock"
	routesCRD  = "CustomResourceDefinition/gatewayroutes.gateway.penstock.io"
)

func argument(a string) effect { return has(deployment, container+".args", a) }

// cases set every value to something else than its default, given others that it takes to see the effect.
var cases = []struct {
	value, to, given string
	want             effect
}{
	{value: "image.repository", to: "registry.example/penstock", want: all(
		is(deployment, container+".image", "registry.example/penstock:0.1.0"), is(testPod, "spec.containers.0.image", "registry.example/penstock:0.1.0"))},
	{value: "image.tag", to: "dev", want: is(deployment, container+".image", "ghcr.io/penstock/penstock:dev")},
	{value: "image.digest", to: "sha256:" + strings.Repeat("0a", 32), given: "image: {tag: dev}", want: is(deployment, container+".image",
		"ghcr.io/penstock/penstock@sha256:"+strings.Repeat("0a", 32))},
	{value: "image.pullPolicy", to: "Never", want: all(
		is(deployment, container+".imagePullPolicy", "Never"), is(testPod, "spec.containers.0.imagePullPolicy", "Never"))},
	{value: "imagePullSecrets", to: "[{name: registry}]", want: all(
		is(deployment, pod+".imagePullSecrets.0.name", "registry"), is(testPod, "spec.imagePullSecrets.0.name", "registry"))},

	{value: "nameOverride", to: "edge", want: all(
		is("Deployment/penstock-edge", "spec.selector.matchLabels.[app.kubernetes.io/name]", "edge"), is("Service/penstock-edge", "spec.selector.[app.kubernetes.io/name]", "edge"))},
	{value: "fullnameOverride", to: "edge", want: all(exists("Deployment/edge"), exists("Service/edge-metrics"), exists("ClusterRole/edge"), absent(deployment))},
	{value: "commonLabels", to: "{team: edge}", want: all(
		is(service, "metadata.labels.team", "edge"), is(routesCRD, "metadata.labels.team", "edge"), is("ClusterRole/penstock", "metadata.labels.team", "edge"),
		is(deployment, "spec.template.metadata.labels.team", "edge"), is(deployment, "spec.selector.matchLabels.team", nil))},

	{value: "crds.enabled", to: "false", want: absent(routesCRD)},
	{value: "crds.keep", to: "false", want: is(routesCRD, "metadata.annotations.[helm.sh/resource-policy]", nil)},

	{value: "className", to: "internal", want: all(
		argument("--class=internal"), is("IngressClass/internal", "spec.controller", translate.IngressController("internal")), absent("IngressClass/penstock"))},
	{value: "ingress.enabled", to: "false", want: all(
		argument("--ingress=false"), absent("IngressClass/penstock"), effect{"no rule names Ingresses", func(_ *testing.T, m manifests) bool {
			return !strings.Contains(fmt.Sprint(at(m.find("ClusterRole/penstock"), "rules")), "ingress")
		}})},
	{value: "ingressClass.enabled", to: "false", want: all(absent("IngressClass/penstock"), text("ClusterRole/penstock", "rules", "ingresses/status"))},
	{value: "ingressClass.name", to: "public", want: all(
		is("IngressClass/public", "spec.controller", translate.IngressController("penstock")), absent("IngressClass/penstock"))},
	{value: "ingressClass.default", to: "true", want: is("IngressClass/penstock", "metadata.annotations.[ingressclass.kubernetes.io/is-default-class]", "true")},
	{value: "ingressClass.annotations", to: "{team: edge}", want: is("IngressClass/penstock", "metadata.annotations.team", "edge")},
	{value: "watchNamespaces", to: "[shop, blog]", want: all(
		argument("--namespaces=shop,blog"), exists("Role/shop/penstock-watch"), exists("RoleBinding/blog/penstock-watch"),
		is("ClusterRole/penstock", "rules.0.resources", []string{"customresourcedefinitions"}),
		is("ClusterRole/penstock", "rules.1.resources", []string{"ingressclasses"}), is("ClusterRole/penstock", "rules.2", nil),
		text("Role/shop/penstock-watch", "rules", "ingresses/status"),
		absent("ClusterRole/penstock-secrets"))},
	{value: "secrets.access", to: "none", want: all(argument("--secrets=none"), absent("ClusterRole/penstock-secrets"))},
	{value: "secrets.clusterWide", to: "true", want: is("ClusterRoleBinding/penstock-secrets", "roleRef.name", "penstock-secrets")},
	{value: "secrets.namespaces", to: "[shop]", want: all(
		is("RoleBinding/shop/penstock-secrets", "roleRef.kind", "ClusterRole"), is("RoleBinding/shop/penstock-secrets", "subjects.0.namespace", namespace),
		absent("ClusterRoleBinding/penstock-secrets"))},
	{value: "secrets.namespaces", to: "[shop]", given: "watchNamespaces: [shop]", want: all(
		is("RoleBinding/shop/penstock-secrets", "roleRef.kind", "Role"), exists("Role/shop/penstock-secrets"), absent("ClusterRole/penstock-secrets"))},
	{value: "configMaps.clusterWide", to: "true", want: is("ClusterRoleBinding/penstock-configmaps", "roleRef.name", "penstock-configmaps")},
	{value: "configMaps.namespaces", to: "[shop]", want: all(
		is("RoleBinding/shop/penstock-configmaps", "roleRef.kind", "ClusterRole"), absent("ClusterRoleBinding/penstock-configmaps"), absent("RoleBinding/shop/penstock-secrets"))},
	{value: "configMaps.namespaces", to: "[shop]", given: "watchNamespaces: [shop]", want: all(
		is("RoleBinding/shop/penstock-configmaps", "roleRef.kind", "Role"), exists("Role/shop/penstock-configmaps"), absent("ClusterRole/penstock-configmaps"))},
	{value: "jwksHosts", to: "[keycloak.identity.svc, '*.corp.example.com']", want: argument("--jwks-hosts=keycloak.identity.svc,*.corp.example.com")},
	{value: "defaultCertificate", to: "edge/wildcard", want: argument("--default-certificate=edge/wildcard")},
	{value: "trustedProxies", to: "[10.0.0.0/8, 'fd00::/8']", want: argument("--trusted-proxies=10.0.0.0/8,fd00::/8")},
	{value: "proxyProtocolFrom", to: "[10.0.0.0/8]", want: argument("--proxy-protocol-from=10.0.0.0/8")},
	{value: "rateLimit.redis.url", to: "redis://redis.cache:6379/0", want: argument("--rate-limit-store=redis://redis.cache:6379/0")},
	{value: "rateLimit.sharing.enabled", to: "false", given: "networkPolicy: {enabled: true}", want: all(
		is(deployment, container+".ports", parseStatic("[{name: http, containerPort: 8080}, {name: https, containerPort: 8443}, {name: admin, containerPort: 8081}]")),
		is(policy, "spec.ingress.1.ports", parseStatic("[{port: admin}]")),
	)},
	{value: "rateLimit.redis.secretName", to: "redis", given: "rateLimit: {redis: {url: 'rediss://redis.cache'}}", want: all(
		argument("--rate-limit-store-password-file=/etc/penstock-redis/password"), argument("--rate-limit-store-ca-file=/etc/penstock-redis/ca.crt"),
		has(deployment, container+".volumeMounts", map[string]any{"name": "redis", "mountPath": "/etc/penstock-redis", "readOnly": true}),
		text(deployment, pod+".volumes", "redis"),
	)},
	{value: "logLevel", to: "debug", want: argument("--log-level=debug")},
	{value: "accessLog", to: "'off'", want: argument("--access-log=off")},
	{value: "extraArgs", to: "[--merge-slashes=false]", want: argument("--merge-slashes=false")},
	{value: "hostPermissions", to: "[{hostnames: [a.example.com], namespaces: {names: [shop]}}]", given: "watchNamespaces: [shop]", want: all(
		text("ConfigMap/penstock-host-permissions", "data", "a.example.com"),
		has(deployment, container+".args", "--host-permissions=/etc/penstock/permissions.yaml"),
		has(deployment, container+".volumeMounts", map[string]any{"name": "host-permissions", "mountPath": "/etc/penstock", "readOnly": true}),
		text("ClusterRole/penstock", "rules", "namespaces"),
	)},
	{value: "extraEnv", to: "[{name: GOGC, value: '100'}]", want: has(deployment, container+".env", parseStatic("{name: GOGC, value: '100'}"))},

	{value: "replicaCount", to: "5", want: is(deployment, "spec.replicas", 5)},
	{value: "resources.requests.cpu", to: "1", want: is(deployment, container+".resources.requests.cpu", 1)},
	{value: "resources.requests.memory", to: "1Gi", want: is(deployment, container+".resources.requests.memory", "1Gi")},
	{value: "resources.limits.cpu", to: "null", want: is(deployment, container+".resources.limits", map[string]any{"memory": "512Mi"})},
	{value: "resources.limits.memory", to: "1Gi", want: is(deployment, container+".resources.limits.memory", "1Gi")},
	{value: "state.enabled", to: "false", want: all(is(deployment, pod+".volumes", nil), is(deployment, container+".volumeMounts", nil), is(deployment, container+".args.10", nil))},
	{value: "state.sizeLimit", to: "128Mi", want: is(deployment, pod+".volumes.0.emptyDir", map[string]any{"medium": "Memory", "sizeLimit": "128Mi"})},
	{value: "drain.delaySeconds", to: "25", want: all(
		argument("--drain-delay=25s"), is(deployment, pod+".terminationGracePeriodSeconds", 60), is(deployment, container+".readinessProbe.failureThreshold", 13))},
	{value: "drain.timeoutSeconds", to: "300", want: all(argument("--drain-timeout=300s"), is(deployment, pod+".terminationGracePeriodSeconds", 310))},
	{value: "terminationGracePeriodSeconds", to: "36", want: is(deployment, pod+".terminationGracePeriodSeconds", 36)},
	{value: "updateStrategy.type", to: "Recreate", given: "updateStrategy: {rollingUpdate: null}", want: is(deployment, "spec.strategy", map[string]any{"type": "Recreate"})},
	{value: "updateStrategy.rollingUpdate.maxUnavailable", to: "25%", want: is(deployment, "spec.strategy.rollingUpdate.maxUnavailable", "25%")},
	{value: "updateStrategy.rollingUpdate.maxSurge", to: "2", want: is(deployment, "spec.strategy.rollingUpdate.maxSurge", 2)},
	{value: "startupProbe.periodSeconds", to: "7", want: is(deployment, container+".startupProbe.periodSeconds", 7)},
	{value: "startupProbe.timeoutSeconds", to: "7", want: is(deployment, container+".startupProbe.timeoutSeconds", 7)},
	{value: "startupProbe.failureThreshold", to: "7", want: is(deployment, container+".startupProbe.failureThreshold", 7)},
	{value: "livenessProbe.periodSeconds", to: "7", want: is(deployment, container+".livenessProbe.periodSeconds", 7)},
	{value: "livenessProbe.timeoutSeconds", to: "7", want: is(deployment, container+".livenessProbe.timeoutSeconds", 7)},
	{value: "livenessProbe.failureThreshold", to: "7", want: is(deployment, container+".livenessProbe.failureThreshold", 7)},
	{value: "readinessProbe.periodSeconds", to: "1", want: all(
		is(deployment, container+".readinessProbe.periodSeconds", 1), is(deployment, container+".readinessProbe.failureThreshold", 5))},
	{value: "readinessProbe.timeoutSeconds", to: "7", want: is(deployment, container+".readinessProbe.timeoutSeconds", 7)},
	{value: "readinessProbe.failureThreshold", to: "1", want: is(deployment, container+".readinessProbe.failureThreshold", 1)},
	{value: "podSecurityContext.runAsNonRoot", to: "false", want: is(deployment, pod+".securityContext.runAsNonRoot", false)},
	{value: "podSecurityContext.runAsUser", to: "1000", want: is(deployment, pod+".securityContext.runAsUser", 1000)},
	{value: "podSecurityContext.fsGroup", to: "1000", want: is(deployment, pod+".securityContext.fsGroup", 1000)},
	{value: "podSecurityContext.seccompProfile.type", to: "Unconfined", want: is(deployment, pod+".securityContext.seccompProfile.type", "Unconfined")},
	{value: "securityContext.allowPrivilegeEscalation", to: "true", want: is(deployment, container+".securityContext.allowPrivilegeEscalation", true)},
	{value: "securityContext.readOnlyRootFilesystem", to: "false", want: is(deployment, container+".securityContext.readOnlyRootFilesystem", false)},
	{value: "securityContext.capabilities.drop", to: "[NET_RAW]", want: is(deployment, container+".securityContext.capabilities.drop", []string{"NET_RAW"})},
	{value: "podAnnotations", to: "{example.com/a: b}", want: is(deployment, "spec.template.metadata.annotations", map[string]any{"example.com/a": "b"})},
	{value: "podLabels", to: "{a: b}", want: all(is(deployment, "spec.template.metadata.labels.a", "b"), is(deployment, "spec.selector.matchLabels.a", nil))},
	{value: "nodeSelector", to: "{pool: edge}", want: all(
		is(deployment, pod+".nodeSelector", map[string]any{"pool": "edge"}), is(testPod, "spec.nodeSelector", map[string]any{"pool": "edge"}))},
	{value: "tolerations", to: "[{key: edge, operator: Exists}]", want: all(is(deployment, pod+".tolerations.0.key", "edge"), is(testPod, "spec.tolerations.0.key", "edge"))},
	{value: "affinity", to: "{nodeAffinity: {}}", want: is(deployment, pod+".affinity", map[string]any{"nodeAffinity": map[string]any{}})},
	{value: "topologySpreadConstraints", to: "[{topologyKey: rack, maxSkew: 2, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]", want: is(
		deployment, pod+".topologySpreadConstraints",
		parseStatic("[{topologyKey: rack, maxSkew: 2, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]"))},
	{value: "priorityClassName", to: "system-cluster-critical", want: is(deployment, pod+".priorityClassName", "system-cluster-critical")},
	{value: "podDisruptionBudget.enabled", to: "false", want: absent(budget)},
	{value: "podDisruptionBudget.maxUnavailable", to: "34%", want: is(budget, "spec.maxUnavailable", "34%")},
	{value: "podDisruptionBudget.minAvailable", to: "2", want: all(is(budget, "spec.minAvailable", 2), is(budget, "spec.maxUnavailable", nil))},
	{value: "autoscaling.enabled", to: "true", want: all(is(scaler, "spec.scaleTargetRef.name", "penstock"), is(deployment, "spec.replicas", nil))},
	{value: "autoscaling.minReplicas", to: "2", given: "autoscaling: {enabled: true}", want: is(scaler, "spec.minReplicas", 2)},
	{value: "autoscaling.maxReplicas", to: "4", given: "autoscaling: {enabled: true}", want: is(scaler, "spec.maxReplicas", 4)},
	{value: "autoscaling.targetCPU", to: "2", given: "autoscaling: {enabled: true}", want: is(scaler, "spec.metrics.0.resource.target.averageValue", 2)},
	{value: "autoscaling.metrics", to: "[{type: Pods}]", given: "autoscaling: {enabled: true}", want: is(scaler, "spec.metrics.1.type", "Pods")},
	{value: "autoscaling.behavior", to: "{scaleDown: {stabilizationWindowSeconds: 60}}", given: "autoscaling: {enabled: true}", want: is(
		scaler, "spec.behavior.scaleDown.stabilizationWindowSeconds", 60)},

	{value: "service.type", to: "ClusterIP", want: all(is(service, "spec.type", "ClusterIP"), is(service, "spec.externalTrafficPolicy", nil))},
	{value: "service.annotations", to: "{example.com/lb: nlb}", want: is(service, "metadata.annotations", map[string]any{"example.com/lb": "nlb"})},
	{value: "service.labels", to: "{a: b}", want: all(is(service, "metadata.labels.a", "b"), is(metrics, "metadata.labels.a", nil))},
	{value: "service.externalTrafficPolicy", to: "Cluster", want: is(service, "spec.externalTrafficPolicy", "Cluster")},
	{value: "service.loadBalancerClass", to: "example.com/lb", want: is(service, "spec.loadBalancerClass", "example.com/lb")},
	{value: "service.loadBalancerSourceRanges", to: "[192.0.2.0/24]", want: is(service, "spec.loadBalancerSourceRanges", []string{"192.0.2.0/24"})},
	{value: "service.ipFamilyPolicy", to: "PreferDualStack", want: is(service, "spec.ipFamilyPolicy", "PreferDualStack")},
	{value: "service.ipFamilies", to: "[IPv6, IPv4]", want: is(service, "spec.ipFamilies", []string{"IPv6", "IPv4"})},
	{value: "service.ports.http.port", to: "8000", want: is(service, "spec.ports.0.port", 8000)},
	{value: "service.ports.http.nodePort", to: "30080", want: is(service, "spec.ports.0.nodePort", 30080)},
	{value: "service.ports.https.port", to: "8443", want: all(is(service, "spec.ports.1.port", 8443), argument("--https-redirect-port=8443"))},
	{value: "service.ports.https.nodePort", to: "30443", want: is(service, "spec.ports.1.nodePort", 30443)},

	{value: "serviceAccount.create", to: "false", want: all(absent("ServiceAccount/penstock"), is(deployment, pod+".serviceAccountName", "default"))},
	{value: "serviceAccount.name", to: "edge", want: all(
		exists("ServiceAccount/edge"), is(deployment, pod+".serviceAccountName", "edge"), is("ClusterRoleBinding/penstock", "subjects.0.name", "edge"))},
	{value: "serviceAccount.annotations", to: "{a: b}", want: is("ServiceAccount/penstock", "metadata.annotations", map[string]any{"a": "b"})},
	{value: "rbac.create", to: "false", want: all(absent("ClusterRole/penstock"), absent("Role/penstock"), absent("ClusterRoleBinding/penstock"), absent("ClusterRole/penstock-secrets"), absent("ClusterRole/penstock-configmaps"))},
	{value: "networkPolicy.enabled", to: "true", want: all(
		is(policy, "spec.ingress.0.from", nil), is(policy, "spec.ingress.0.ports", parseStatic("[{port: http}, {port: https}]")),
		is(policy, "spec.ingress.2.from.0", parseStatic("{namespaceSelector: {}}")))},
	{value: "networkPolicy.from", to: "[{ipBlock: {cidr: 10.0.0.0/8}}]", given: "networkPolicy: {enabled: true}", want: is(
		policy, "spec.ingress.0.from", parseStatic("[{ipBlock: {cidr: 10.0.0.0/8}}]"))},
	{value: "networkPolicy.metricsFrom", to: "[{podSelector: {}}]", given: "networkPolicy: {enabled: true}", want: all(
		is(policy, "spec.ingress.2.from.0", parseStatic("{podSelector: {}}")),
		is(policy, "spec.ingress.2.from.1.podSelector.matchLabels.[app.kubernetes.io/name]", "penstock-test"))},

	{value: "metrics.service.port", to: "9090", want: all(is(metrics, "spec.ports.0.port", 9090), is(
		testPod, "spec.containers.0.args", []string{"probe", "http://penstock-metrics.penstock-system:9090/readyz"}))},
	{value: "metrics.service.annotations", to: "{a: b}", want: is(metrics, "metadata.annotations", map[string]any{"a": "b"})},
	{value: "metrics.service.labels", to: "{a: b}", want: all(is(metrics, "metadata.labels.a", "b"), is(metrics, "metadata.labels.[app.kubernetes.io/component]", "metrics"))},
	{value: "metrics.serviceMonitor.enabled", to: "true", want: all(
		is(monitor, "spec.endpoints", parseStatic("[{port: admin, path: /metrics}]")), is(monitor, "spec.namespaceSelector.matchNames", []string{namespace}))},
	{value: "metrics.serviceMonitor.labels", to: "{a: b}", given: monitored, want: is(monitor, "metadata.labels.a", "b")},
	{value: "metrics.serviceMonitor.interval", to: "15s", given: monitored, want: is(monitor, "spec.endpoints.0.interval", "15s")},
	{value: "metrics.serviceMonitor.scrapeTimeout", to: "5s", given: monitored, want: is(monitor, "spec.endpoints.0.scrapeTimeout", "5s")},
	{value: "metrics.serviceMonitor.relabelings", to: "[{action: labeldrop, regex: a}]", given: monitored, want: is(
		monitor, "spec.endpoints.0.relabelings.0.action", "labeldrop")},
	{value: "metrics.serviceMonitor.metricRelabelings", to: "[{action: labeldrop, regex: a}]", given: monitored, want: is(
		monitor, "spec.endpoints.0.metricRelabelings.0.action", "labeldrop")},
	{value: "metrics.prometheusRule.enabled", to: "true", want: text(rules, "spec.groups.0.rules.0.expr", `job="penstock-metrics",namespace="penstock-system"`)},
	{value: "metrics.prometheusRule.labels", to: "{a: b}", given: ruled, want: is(rules, "metadata.labels.a", "b")},
	{value: "metrics.prometheusRule.disabled", to: "[PenstockAbsent]", given: ruled, want: is(rules, "spec.groups.0.rules.0.alert", "PenstockErrors")},
	{value: "metrics.prometheusRule.errorPercent", to: "2.5", given: ruled, want: text(rules, "spec.groups.0.rules.1.expr", " > 2.5")},
	{value: "metrics.prometheusRule.certificateDays", to: "30", given: ruled, want: text(rules, "spec.groups.0.rules", " < 30 * 86400")},
	{value: "metrics.prometheusRule.runbookURL", to: "https://example.com/runbook", given: ruled, want: is(
		rules, "spec.groups.0.rules.0.annotations.runbook_url", "https://example.com/runbook#penstockabsent")},
}

const (
	monitored = "metrics: {serviceMonitor: {enabled: true}}"
	ruled     = "metrics: {prometheusRule: {enabled: true}}"
)

func parseStatic(text string) (v any) {
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	return v
}

// set returns values with one more, as YAML.
func set(t *testing.T, values, path string, to any) string {
	t.Helper()
	top := map[string]any{}
	if given, ok := parse(t, values).(map[string]any); ok {
		top = given
	}
	steps, m := strings.Split(path, "."), top
	for _, step := range steps[:len(steps)-1] {
		next, ok := m[step].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[step] = next
		}
		m = next
	}
	m[steps[len(steps)-1]] = to
	out, err := yaml.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestEveryValueHasItsEffect(t *testing.T) {
	defaults, seen, without := defaults(t), map[string]bool{}, map[string]manifests{}
	for _, c := range cases {
		seen[c.value] = true
		if _, ok := without[c.given]; !ok {
			without[c.given] = render(t, c.given)
		}
		t.Run(c.value, func(t *testing.T) {
			standard, ok := defaults[c.value]
			if !ok {
				t.Fatal("values.yaml has no such value")
			}
			to := parse(t, c.to)
			if same(t, standard, to) {
				t.Fatalf("%v is the default", to)
			}
			if c.want.holds(t, without[c.given]) {
				t.Errorf("without the value, too: %s", c.want.what)
			}
			if got := render(t, set(t, c.given, c.value, to)); !c.want.holds(t, got) {
				t.Errorf("not so: %s", c.want.what)
			}
		})
	}
	for value := range defaults {
		if !seen[value] {
			t.Errorf("%s has no case", value)
		}
	}
}
