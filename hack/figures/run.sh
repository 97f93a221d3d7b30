#!/usr/bin/env bash
# Runs figures in a network namespace of its own: run.sh [flags] figure...
# The API server refuses endpoints on loopback, so the backends need other addresses; nothing of this machine's network changes.
# Needs root or user namespaces, and `ip` (Debian: iproute2).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

command -v ip >/dev/null || { echo "figures: ip is missing: apt-get install iproute2" >&2; exit 1; }
go build -o bin/figures ./hack/figures
exec unshare --net --map-root-user bash -c '
	set -e
	ip link set lo up
	for i in 2 3 4; do ip address add "192.0.2.$i/32" dev lo; done
	exec bin/figures "$@"' figures "$@"
