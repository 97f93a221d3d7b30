#!/usr/bin/env bash
# Process 1 of the node: mounts, network and certificates, then the control plane and the node's own processes, in the order
# in which they need each other. Their logs are in $STATE/log; $STATE/ready appears when the node is Ready.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")"

node=10.200.0.1 pods=10.244.0.0/24 services=10.96.0.0/16 balancers=10.201.0.0/24 dns=10.96.0.10
pki=$STATE/pki
export KUBECONFIG=$pki/admin.kubeconfig

# start NAME COMMAND...: in the background, with its own log.
start() {
	local log=$STATE/log/$1
	shift
	"$@" >"$log" 2>&1 &
}

# unless_off COMMAND...: keeps it running, except while $STATE/apiserver.off exists. It ends at once, as in a crash.
unless_off() {
	local pid
	while :; do
		"$@" &
		pid=$!
		while kill -0 "$pid" 2>/dev/null && [ ! -e "$STATE/apiserver.off" ]; do sleep 0.2; done
		kill -KILL "$pid" 2>/dev/null
		wait "$pid"
		while [ -e "$STATE/apiserver.off" ]; do sleep 0.2; done
	done
}

# await COMMAND...: until it succeeds, for a minute at most.
await() {
	local _
	for _ in $(seq 300); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.2
	done
	echo "waited in vain for: $*" >&2
	exit 1
}

mounts() {
	local controllers dir setting
	mount --make-rshared /
	hostname node1
	# The control groups' file systems as this namespace sees them: its own groups are their roots.
	mount -t sysfs sysfs /sys
	mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
	for controllers in $(awk -F: '$1 != 0 { sub("name=", "", $2); print $2 }' /proc/self/cgroup); do
		mkdir -p "/sys/fs/cgroup/$controllers"
		mount -t cgroup -o "$(sed 's/^systemd$/none,name=systemd/' <<<"$controllers")" cgroup "/sys/fs/cgroup/$controllers"
	done
	for dir in /run /var/log /var/lib/kubelet /var/lib/containerd /var/lib/cni /etc/cni /opt; do
		mkdir -p "$dir"
		mount -t tmpfs -o mode=755 tmpfs "$dir"
	done
	mount --make-rshared /
	mkdir -p /run/netns /run/lock /run/sysctl
	# What the kubelet wants to be so on the whole machine is shown to it, without changing the machine.
	for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1; do
		echo "${setting#*=}" >"/run/sysctl/$(basename "${setting%=*}")"
		mount --bind "/run/sysctl/$(basename "${setting%=*}")" "/proc/sys/${setting%=*}"
	done
	echo nameserver 127.0.0.1 >/run/resolv.host
	printf '127.0.0.1 localhost\n%s node1\n' "$node" >/run/hosts.host
	mount --bind /run/resolv.host /etc/resolv.conf
	mount --bind /run/hosts.host /etc/hosts
	: >/run/resolv.conf # of Pods that want the node's
}

# A pair of interfaces whose ends are both here stands for the node's. Addresses of Services and load balancers need a route
# before kube-proxy's rules can rewrite them; nothing else is anywhere.
network() {
	ip link set lo up
	ip link add node0 type veth peer name node0p
	ip address add "$node/24" dev node0
	ip link set node0 up
	ip link set node0p up
	ip route add "$services" dev node0
	ip route add "$balancers" dev node0
	ip route add unreachable default
	echo 1 >/proc/sys/net/ipv4/ip_forward
	[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
}

certificates() {
	local token
	mkdir -p "$pki"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$pki/ca.key" -out "$pki/ca.crt" -subj /CN=cluster -days 365
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$pki/api.key" -out "$pki/api.csr" -subj /CN=kube-apiserver
	cat >"$pki/api.ext" <<-EXT
		subjectAltName=DNS:kubernetes.default.svc,DNS:kubernetes.default,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:$node
		extendedKeyUsage=serverAuth
	EXT
	openssl x509 -req -in "$pki/api.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 365 -extfile "$pki/api.ext" -out "$pki/api.crt"
	openssl genrsa -out "$pki/sa.key" 2048
	openssl rsa -in "$pki/sa.key" -pubout -out "$pki/sa.pub"
	token=$(openssl rand -hex 16)
	echo "$token,admin,admin,system:masters" >"$pki/tokens.csv"
	cat >"$KUBECONFIG" <<-CONFIG
		apiVersion: v1
		kind: Config
		current-context: cluster
		clusters: [{name: cluster, cluster: {server: "https://127.0.0.1:6443", certificate-authority: $pki/ca.crt}}]
		users: [{name: admin, user: {token: $token}}]
		contexts: [{name: cluster, context: {cluster: cluster, user: admin}}]
	CONFIG
}

# etcd does not sync: nothing of this survives anyway, and the disk may belong to somebody else's measurement.
control_plane() {
	# What Penstock writes, for tests to count.
	cat >/run/audit.yaml <<-AUDIT
		apiVersion: audit.k8s.io/v1
		kind: Policy
		omitStages: [RequestReceived]
		rules:
		- {level: Metadata, userGroups: ["system:serviceaccounts:penstock-system"], verbs: [create, update, patch, delete, deletecollection]}
		- {level: None}
	AUDIT
	start etcd etcd --data-dir /run/etcd --unsafe-no-fsync --listen-peer-urls http://127.0.0.1:2380
	start kube-apiserver unless_off kube-apiserver --audit-policy-file=/run/audit.yaml --audit-log-path="$STATE/log/audit" \
		--etcd-servers=http://127.0.0.1:2379 --secure-port=6443 --advertise-address="$node" \
		--service-cluster-ip-range="$services" --tls-cert-file="$pki/api.crt" --tls-private-key-file="$pki/api.key" \
		--service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
		--service-account-issuer=https://kubernetes.default.svc --token-auth-file="$pki/tokens.csv" \
		--kubelet-preferred-address-types=InternalIP --authorization-mode=RBAC --allow-privileged=true --profiling=false
}

# What must wait for the API server. There is one of each, so that nobody elects.
controllers() {
	await kubectl get --raw /readyz
	start kube-controller-manager kube-controller-manager --kubeconfig="$KUBECONFIG" --leader-elect=false --bind-address=127.0.0.1 \
		--root-ca-file="$pki/ca.crt" --service-account-private-key-file="$pki/sa.key" --profiling=false
	start kube-scheduler kube-scheduler --kubeconfig="$KUBECONFIG" --leader-elect=false --bind-address=127.0.0.1 --profiling=false
	start loadbalancer "$OWN/loadbalancer" --kubeconfig "$KUBECONFIG" --range "$balancers"
}

# containerd may not lower a process' OOM score where it lacks CAP_SYS_RESOURCE.
runtime() {
	local tar
	mkdir -p /etc/cni/net.d
	cat >/etc/cni/net.d/10-bridge.conflist <<-CNI
		{"cniVersion": "1.0.0", "name": "pods", "plugins": [
		  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
		   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni-ipam"}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	CNI
	cat >/run/containerd.toml <<-TOML
		version = 2
		root = "/var/lib/containerd"
		state = "/run/containerd"
		oom_score = 0
		disabled_plugins = ["io.containerd.internal.v1.opt"]
		[grpc]
		  address = "/run/containerd/containerd.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:dev"
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "$CNI"
		    conf_dir = "/etc/cni/net.d"
		  [plugins."io.containerd.grpc.v1.cri".containerd]
		    snapshotter = "overlayfs"
	TOML
	start containerd containerd -c /run/containerd.toml
	await ctr version
	for tar in "$IMAGES"/*.tar; do
		ctr -n k8s.io images import "$tar" >>"$STATE/log/images" 2>&1
	done
}

node() {
	cat >/run/kubelet.yaml <<-KUBELET
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		failCgroupV1: false
		cgroupDriver: cgroupfs
		containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		failSwapOn: false
		oomScoreAdj: 0
		enforceNodeAllocatable: [pods]
		evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
		imageGCHighThresholdPercent: 100
		imageGCLowThresholdPercent: 99
		makeIPTablesUtilChains: false
		registerNode: true
		resolvConf: /run/resolv.conf
		clusterDNS: [$dns]
		clusterDomain: cluster.local
		nodeStatusUpdateFrequency: 5s
	KUBELET
	cat >/run/proxy.yaml <<-PROXY
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		mode: nftables
		hostnameOverride: node1
		clientConnection: {kubeconfig: $KUBECONFIG}
		clusterCIDR: 10.244.0.0/16
		nodePortAddresses: [primary]
		conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
		oomScoreAdj: 0
	PROXY
	start kubelet kubelet --config=/run/kubelet.yaml --kubeconfig="$KUBECONFIG" --hostname-override=node1 --node-ip="$node"
	start kube-proxy kube-proxy --config=/run/proxy.yaml
	await kubectl get node node1
	kubectl wait --for=condition=Ready node/node1 --timeout=60s
}

mounts
network
certificates 2>"$STATE/log/certificates"
control_plane
runtime
controllers
node && touch "$STATE/ready"
trap 'exit 0' TERM INT
while :; do # as process 1, it reaps what others leave
	wait -n
	sleep 0.2
done
