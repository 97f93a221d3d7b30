{{/* The name of the chart in names and labels. */}}
{{- define "penstock.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of all objects. 51 characters leave room for the longest suffix. */}}
{{- define "penstock.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 51 | trimSuffix "-" }}
{{- end }}

{{- define "penstock.serviceAccountName" -}}
{{- $default := ternary (include "penstock.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $default .Values.serviceAccount.name }}
{{- end }}

{{- define "penstock.selectorLabels" -}}
app.kubernetes.io/name: {{ include "penstock.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "penstock.labels" -}}
{{- $own := include "penstock.selectorLabels" . | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63) }}
{{- toYaml (merge $own .Values.commonLabels) }}
{{- end }}

{{/* Labels of an object that has some of its own: penstock.labelsWith (list . EXTRA). Ours have precedence. */}}
{{- define "penstock.labelsWith" -}}
{{- toYaml (merge (include "penstock.labels" (first .) | fromYaml) (last .)) }}
{{- end }}

{{- define "penstock.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{/* Seconds until a Pod that ends is killed. */}}
{{- define "penstock.gracePeriod" -}}
{{- $drain := add .Values.drain.delaySeconds .Values.drain.timeoutSeconds }}
{{- $grace := .Values.terminationGracePeriodSeconds }}
{{- if kindIs "invalid" $grace }}{{ $grace = add $drain 5 }}{{ end }}
{{- if le (int64 $grace) $drain }}
{{- fail (printf "terminationGracePeriodSeconds is %d: it must be more than drain.delaySeconds and drain.timeoutSeconds together, which are %d" (int64 $grace) $drain) }}
{{- end }}
{{- int64 $grace }}
{{- end }}

{{/* Failed probes until a Pod gets no connections: not before the drain's delay is over. */}}
{{- define "penstock.readinessFailures" -}}
{{- $periods := div (add .Values.drain.delaySeconds .Values.readinessProbe.periodSeconds -1) .Values.readinessProbe.periodSeconds }}
{{- default (max 3 $periods) .Values.readinessProbe.failureThreshold | int64 }}
{{- end }}

{{/* What IngressClasses of this installation have as their controller: the program derives the same from --class. */}}
{{- define "penstock.ingressController" -}}
gateway.penstock.io/ingress-controller{{ if ne .Values.className "penstock" }}-{{ .Values.className }}{{ end }}
{{- end }}

{{/* Whether replicas share rate limits among themselves: "true" or nothing. */}}
{{- define "penstock.sharing" -}}
{{- if and .Values.rateLimit.sharing.enabled (not .Values.rateLimit.redis.url) }}true{{ end }}
{{- end }}

{{- define "penstock.args" -}}
{{- $args := list "serve" (printf "--class=%s" .Values.className) }}
{{- if not .Values.ingress.enabled }}{{ $args = append $args "--ingress=false" }}{{ end }}
{{- with .Values.watchNamespaces }}{{ $args = append $args (printf "--namespaces=%s" (join "," .)) }}{{ end }}
{{- $args = append $args (printf "--secrets=%s" .Values.secrets.access) }}
{{- with .Values.defaultCertificate }}{{ $args = append $args (printf "--default-certificate=%s" .) }}{{ end }}
{{- with .Values.jwksHosts }}{{ $args = append $args (printf "--jwks-hosts=%s" (join "," .)) }}{{ end }}
{{- with .Values.trustedProxies }}{{ $args = append $args (printf "--trusted-proxies=%s" (join "," .)) }}{{ end }}
{{- with .Values.proxyProtocolFrom }}{{ $args = append $args (printf "--proxy-protocol-from=%s" (join "," .)) }}{{ end }}
{{- with .Values.rateLimit.redis.url }}{{ $args = append $args (printf "--rate-limit-store=%s" .) }}{{ end }}
{{- if .Values.rateLimit.redis.secretName }}
{{- $args = append $args "--rate-limit-store-password-file=/etc/penstock-redis/password" }}
{{- if hasPrefix "rediss:" .Values.rateLimit.redis.url }}{{ $args = append $args "--rate-limit-store-ca-file=/etc/penstock-redis/ca.crt" }}{{ end }}
{{- end }}
{{- if include "penstock.sharing" . }}{{ $args = append $args "--rate-limit-peers-bind=:8083" }}{{ end }}
{{- $args = append $args (printf "--https-redirect-port=%d" (int64 .Values.service.ports.https.port)) }}
{{- $args = append $args (printf "--log-level=%s" .Values.logLevel) }}
{{- $args = append $args (printf "--access-log=%s" .Values.accessLog) }}
{{- $args = append $args (printf "--drain-delay=%ds" (int64 .Values.drain.delaySeconds)) }}
{{- $args = append $args (printf "--drain-timeout=%ds" (int64 .Values.drain.timeoutSeconds)) }}
{{- if .Values.state.enabled }}{{ $args = append $args "--state-dir=/var/lib/penstock" }}{{ end }}
{{- $args = append $args (printf "--service=%s" (include "penstock.fullname" .)) }}
{{- if .Values.hostPermissions }}{{ $args = append $args "--host-permissions=/etc/penstock/permissions.yaml" }}{{ end }}
{{- toYaml (concat $args .Values.extraArgs) }}
{{- end }}

{{/* What one value alone can't show to be wrong. */}}
{{- define "penstock.validate" -}}
{{- $set := dict
  "--class" "className" "--ingress" "ingress.enabled" "--namespaces" "watchNamespaces" "--secrets" "secrets.access" "--default-certificate" "defaultCertificate" "--jwks-hosts" "jwksHosts"
  "--trusted-proxies" "trustedProxies" "--proxy-protocol-from" "proxyProtocolFrom" "--https-redirect-port" "service.ports.https.port"
  "--log-level" "logLevel" "--access-log" "accessLog" "--drain-delay" "drain.delaySeconds" "--drain-timeout" "drain.timeoutSeconds"
  "--state-dir" "state.enabled" "--host-permissions" "hostPermissions" "--rate-limit-store" "rateLimit.redis.url"
  "--rate-limit-store-password-file" "rateLimit.redis.secretName" "--rate-limit-store-ca-file" "rateLimit.redis.secretName"
  "--rate-limit-peers-bind" "rateLimit.sharing.enabled" }}
{{- $fixed := list "--http-port" "--https-port" "--admin-address" "--bind-address" "--leader-election-name" "--leader-election-namespace"
  "--leader-election-identity" "--service" "--pod-uid" "--pod-ips" }}
{{- range .Values.extraArgs }}
{{- $flag := regexFind "^--[a-z-]+" . }}
{{- with get $set $flag }}{{ fail (printf "extraArgs: %s is set by the value %s" $flag .) }}{{ end }}
{{- if has $flag $fixed }}{{ fail (printf "extraArgs: the chart counts on the default of %s" $flag) }}{{ end }}
{{- end }}
{{- with .Values.secrets }}
{{- if and (eq .access "none") (or .clusterWide .namespaces) }}
{{- fail "secrets.access is none: then leave secrets.clusterWide and secrets.namespaces empty, since no Secret is read" }}
{{- end }}
{{- if and .clusterWide .namespaces }}
{{- fail "secrets.clusterWide permits all namespaces: leave secrets.namespaces empty" }}
{{- end }}
{{- if and (eq .access "all") (not $.Values.watchNamespaces) (not .clusterWide) }}
{{- fail "secrets.access is all: that watches the Secrets of the whole cluster and needs secrets.clusterWide, unless there are watchNamespaces" }}
{{- end }}
{{- end }}
{{- with .Values.configMaps }}
{{- if and .clusterWide .namespaces }}
{{- fail "configMaps.clusterWide permits all namespaces: leave configMaps.namespaces empty" }}
{{- end }}
{{- end }}
{{- with .Values.rateLimit.redis }}
{{- if and .secretName (not .url) }}
{{- fail "rateLimit.redis.secretName: there is no rateLimit.redis.url that it could be for" }}
{{- end }}
{{- end }}
{{- with .Values.podDisruptionBudget }}
{{- if and .enabled (kindIs "invalid" .maxUnavailable) (kindIs "invalid" .minAvailable) }}
{{- fail "podDisruptionBudget: give maxUnavailable or minAvailable" }}
{{- end }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int64 .Values.autoscaling.minReplicas) (int64 .Values.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" }}
{{- end }}
{{- end }}
