{{- define "falcolake.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* At most 52 characters: a StatefulSet's pods have its name and a number, and are labelled by it. */ -}}
{{- define "falcolake.fullname" -}}
{{- $name := include "falcolake.name" . -}}
{{- $whole := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $whole .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "falcolake.selectorLabels" -}}
app.kubernetes.io/name: {{ include "falcolake.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "falcolake.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "falcolake.selectorLabels" . }}
app.kubernetes.io/part-of: falcolake
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.customLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Receivers have a name of their own: nothing that selects workers selects them. */ -}}
{{- define "falcolake.receiveSelectorLabels" -}}
app.kubernetes.io/name: {{ printf "%s-receive" (include "falcolake.name" . | trunc 55) }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "falcolake.receiveName" -}}
{{- printf "%s-receive" (include "falcolake.fullname" .) }}
{{- end }}

{{- define "falcolake.receiveLabels" -}}
{{- $labels := merge (include "falcolake.receiveSelectorLabels" . | fromYaml) (include "falcolake.labels" . | fromYaml) -}}
{{- toYaml $labels }}
{{- end }}

{{- define "falcolake.metadata" -}}
name: {{ include "falcolake.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "falcolake.labels" . | nindent 2 }}
{{- with .Values.customAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "falcolake.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "falcolake.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "falcolake.image" -}}
{{- $name := .Values.image.registry | empty | ternary .Values.image.repository (printf "%s/%s" .Values.image.registry .Values.image.repository) -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $name .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "falcolake.port" -}}
{{- default 6066 .Values.config.web.port | int }}
{{- end }}

{{- define "falcolake.checked" -}}
{{- $kafka := .Values.config.kafka -}}
{{- $lake := .Values.config.lake -}}
{{- $_ := required "config.kafka.bootstrap_servers is required: the brokers, host:port" $kafka.bootstrap_servers -}}
{{- $_ := required "config.lake.bucket is required" $lake.bucket -}}
{{- $_ := required "config.lake.region is required" $lake.region -}}
{{- $_ := required "config.lake.account_id is required: the account that the findings belong to" $lake.account_id -}}
{{- if and .Values.tls.existingSecret (not (has $kafka.security_protocol (list "SSL" "SASL_SSL"))) -}}
{{- fail "tls.existingSecret is set, but config.kafka.security_protocol has no TLS: SSL or SASL_SSL" -}}
{{- end -}}
{{- if and .Values.receive.tls.clientCa (not .Values.receive.tls.existingSecret) -}}
{{- fail "receive.tls.clientCa is set, but receive.tls.existingSecret is not" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled -}}
{{- fail "autoscaling.enabled and keda.enabled are both true: two scalers would fight over the number of workers" -}}
{{- end -}}
{{- range $name := list "autoscaling" "keda" -}}
{{- with index $.Values $name -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "%s.minReplicas is more than %s.maxReplicas" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.tls.cert (not .Values.tls.existingSecret) -}}
{{- fail "tls.cert is set, but tls.existingSecret is not" -}}
{{- end -}}
{{- end }}

{{- /* A setting as text. Helm reads every number of a values file as a float: 1e+06 is none of ours. */ -}}
{{- define "falcolake.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}
{{- else if or (kindIs "map" .) (kindIs "slice" .) }}{{ toJson . }}
{{- else }}{{ . }}{{ end }}
{{- end }}

{{- /* The settings, and what of them depends on the pod. */ -}}
{{- define "falcolake.env" -}}
{{- range $section := list "kafka" "lake" "window" "staging" "ocsf" "mapping" "log" "web" "receive" }}
{{- range $name, $value := index $.Values.config $section }}
{{- if not (or (kindIs "invalid" $value) (eq "" (toString $value))) }}
- name: FALCOLAKE_{{ upper $section }}__{{ upper $name }}
  value: {{ include "falcolake.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: FALCOLAKE_KAFKA__SSL_CA_FILE
  value: /etc/falcolake/tls/{{ .Values.tls.ca }}
{{- with .Values.tls.cert }}
- name: FALCOLAKE_KAFKA__SSL_CERT_FILE
  value: /etc/falcolake/tls/{{ . }}
{{- end }}
{{- with .Values.tls.key }}
- name: FALCOLAKE_KAFKA__SSL_KEY_FILE
  value: /etc/falcolake/tls/{{ . }}
{{- end }}
{{- end }}
{{- with .Values.config.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "falcolake.envFrom" -}}
{{- with .Values.config.existingSecret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}

{{- define "falcolake.mounts" -}}
- name: staging
  mountPath: /var/lib/falcolake
- name: tmp
  mountPath: /tmp
{{- if .Values.tls.existingSecret }}
- name: tls
  mountPath: /etc/falcolake/tls
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "falcolake.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- with .Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The ports of the brokers, separated by spaces. */ -}}
{{- define "falcolake.kafkaPorts" -}}
{{- $ports := list -}}
{{- range splitList "," .Values.config.kafka.bootstrap_servers -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" (trim .) | trimPrefix ":" | default "9092") -}}
{{- end -}}
{{- $ports | uniq | join " " -}}
{{- end }}

{{- /* The ports of S3, STS and KMS: HTTPS, and that of an endpoint of its own. */ -}}
{{- define "falcolake.lakePorts" -}}
{{- $ports := list "443" -}}
{{- with .Values.config.lake.endpoint_url -}}
{{- $url := urlParse . -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (eq $url.scheme "http" | ternary "80" "443")) -}}
{{- end -}}
{{- $ports | uniq | join " " -}}
{{- end }}

{{- /* Constraints, each with the labels that it counts by unless it has a selector of its own. */ -}}
{{- define "falcolake.spread" -}}
{{- $counted := dict "labelSelector" (dict "matchLabels" (last . | fromYaml)) -}}
{{- with first . -}}
topologySpreadConstraints:
  {{- range . }}
  - {{- hasKey . "labelSelector" | ternary . (merge (deepCopy .) $counted) | toYaml | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* A scaler's behaviour. A worker that is removed drains for its grace period, and a static member's partitions wait for
the session timeout, 45 seconds by default: until then the next one stays. */ -}}
{{- define "falcolake.scaling" -}}
scaleDown:
  stabilizationWindowSeconds: {{ last . }}
  policies:
    - type: Pods
      value: 1
      periodSeconds: {{ min 1800 (add (first .).Values.terminationGracePeriodSeconds 60) }}
{{- end }}
