#!/usr/bin/env bash
# Builds the named tools from the versions pinned in this folder, once, into a cache outside the tree, and prints the
# directory that holds them:
#
#   install.sh kube-apiserver etcd kubectl     # hack/tools/go.mod: what tests against a real API server need
#   install.sh controller-gen                  # hack/tools/dev/go.mod: this one, golangci-lint and gotestsum
#   install.sh helm                            # hack/tools/helm/go.mod: what the chart is tested with
#   install.sh helm3                           # hack/tools/helm3/go.mod: the Helm before, with which it is rendered
#   install.sh oauth2-proxy                    # hack/tools/oauth2-proxy/go.mod: what extAuth is tested with
#   install.sh extauthz                        # hack/tools/extauthz/go.mod: and this, over gRPC too
#   install.sh kubelet kube-proxy              # hack/tools/cluster/go.mod: what else a cluster of one node consists of,
#                                              # with kube-controller-manager and kube-scheduler
#   install.sh bridge host-local               # hack/tools/cni/go.mod: what connects Pods, with loopback and portmap
#   install.sh coredns                         # hack/tools/dns: with the few plugins that such a cluster needs
#
# The tools of one call must be pinned by one module. PENSTOCK_CACHE moves the cache. A rebuild is due when the module,
# its checksums, its own sources or the Go version change.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")"
export CGO_ENABLED=0 GOWORK=off

usage() {
	echo "usage: $0 TOOL...; its head lists them" >&2
	exit 2
}

# module_of TOOL: the folder of the module that pins it.
module_of() {
	case $1 in
	kube-apiserver | etcd | kubectl) echo . ;;
	controller-gen | golangci-lint | gotestsum) echo dev ;;
	helm | helm3 | oauth2-proxy | extauthz) echo "$1" ;;
	kube-controller-manager | kube-scheduler | kubelet | kube-proxy) echo cluster ;;
	bridge | host-local | loopback | portmap) echo cni ;;
	coredns) echo dns ;;
	*) usage ;;
	esac
}

# package_of TOOL: its main package.
package_of() {
	case $1 in
	etcd) echo go.etcd.io/etcd/server/v3 ;;
	kube*) echo "k8s.io/kubernetes/cmd/$1" ;;
	controller-gen) echo sigs.k8s.io/controller-tools/cmd/controller-gen ;;
	golangci-lint) echo sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter ;; # with kube-api-linter in it
	gotestsum) echo gotest.tools/gotestsum ;;
	helm) echo helm.sh/helm/v4/cmd/helm ;;
	helm3) echo helm.sh/helm/v3/cmd/helm ;;
	oauth2-proxy) echo github.com/oauth2-proxy/oauth2-proxy/v7 ;;
	extauthz) echo istio.io/istio/samples/extauthz/cmd/extauthz ;;
	bridge | loopback) echo "github.com/containernetworking/plugins/plugins/main/$1" ;;
	host-local) echo github.com/containernetworking/plugins/plugins/ipam/host-local ;;
	portmap) echo github.com/containernetworking/plugins/plugins/meta/portmap ;;
	coredns) echo . ;;
	esac
}

# ldflags_of TOOL: Kubernetes reads its own version from variables that only the linker sets.
ldflags_of() {
	case $1 in
	kube*)
		local version x=k8s.io/component-base/version
		version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
		echo "-s -w -X $x.gitVersion=$version -X $x.gitMajor=1 -X $x.gitMinor=$(cut -d. -f2 <<<"$version")" \
			"-X $x.gitTreeState=clean -X $x.buildDate=1970-01-01T00:00:00Z"
		;;
	*) echo "-s -w" ;;
	esac
}

# build TOOL DIR: renames into place, so that nobody ever sees half a binary.
build() {
	temp=$(mktemp -d "$2/.build-XXXXXX")
	echo "Building $1 (once; kept in $2) ..." >&2
	go build -trimpath -ldflags "$(ldflags_of "$1")" -o "$temp/$1" "$(package_of "$1")" >&2
	mv "$temp/$1" "$2/$1"
	rm -rf "$temp"
}

temp=
trap 'rm -rf "$temp"' EXIT

[ $# -gt 0 ] || usage
module=$(module_of "$1")
for tool in "$@"; do
	[ "$(module_of "$tool")" = "$module" ] || usage
done

hash=$({ cat "$module/go.mod" "$module/go.sum" "$module"/*.go && go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
bin=${PENSTOCK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/penstock}/tools/$hash/bin
mkdir -p "$bin"
cd "$module"
for tool in "$@"; do
	if [ -x "$bin/$tool" ]; then
		continue
	fi
	exec 9>"$bin/.$tool.lock"
	! command -v flock >/dev/null || flock 9 # two callers at once: the second waits and finds it built
	if [ ! -x "$bin/$tool" ]; then
		build "$tool" "$bin"
	fi
	exec 9>&-
done
echo "$bin"
