#!/usr/bin/env bash
# Runs test/e2e in a cluster of its own, with the image that `make image` left and charts/penstock, and ends that cluster in
# any case: e2e.sh [FLAGS OF GO TEST], e.g. e2e.sh -run TestRollingRestart. Lines that begin with "figure:" are what
# docs/benchmarks.md states.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CLUSTER_NAME=${CLUSTER_NAME:-penstock-e2e} # beside one that somebody uses
cluster=hack/cluster/cluster

# finish shows what may explain a failure, and ends the cluster.
finish() {
	local status=$?
	trap - EXIT
	if [ "$status" -ne 0 ]; then
		"$cluster" kubectl get pods,services,endpointslices --all-namespaces -o wide || true
		"$cluster" kubectl --namespace penstock-system logs --selector app.kubernetes.io/name=penstock --prefix --tail 30 || true
	fi
	"$cluster" down
	exit "$status"
}

flags=()
for flag in "$@"; do # a test binary wants them so
	flags+=("${flag/#-/-test.}")
done

"$cluster" build
# A replica of the other build hangs when it is told to.
CGO_ENABLED=0 go build -trimpath -buildvcs=false -gcflags=all=-dwarf=false -tags faults,grpcnotrace -ldflags '-s -w' -o bin/faults/penstock ./cmd/penstock
bin/cluster/image -o bin/image/faults.tar -ref ghcr.io/penstock/penstock:faults bin/faults/penstock
CGO_ENABLED=0 go test -c -trimpath -buildvcs=false -tags e2e -o bin/e2e.test ./test/e2e
trap finish EXIT
trap 'exit 1' INT TERM
"$cluster" up
began=$(date +%s%N)
"$cluster" install >/dev/null
echo "figure: installation: helm upgrade --install --wait took $((($(date +%s%N) - began) / 1000000)) ms, image import included"
"$cluster" load bin/image/faults.tar >/dev/null
"$cluster" exec bin/e2e.test -test.v -test.timeout "${E2E_TIMEOUT:-30m}" "${flags[@]}"
