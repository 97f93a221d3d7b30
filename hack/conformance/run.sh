#!/usr/bin/env bash
# Runs the conformance suites in a network namespace of its own: run.sh [flags] [suite...]
# CONFORMANCE_DIR names the folder with the cases of others; docs/conformance.md says what is in it.
# Needs root or user namespaces, `ip` (Debian: iproute2), and the tools of the suites.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

missing() { echo "conformance: $1 is missing: $2" >&2; exit 1; }
command -v ip >/dev/null || missing ip "apt-get install iproute2"
command -v slowhttptest >/dev/null || missing slowhttptest "apt-get install slowhttptest"
command -v testssl >/dev/null || missing testssl "apt-get install testssl.sh"
[ -n "${CONFORMANCE_DIR:-}" ] || missing CONFORMANCE_DIR "it names the folder with the cases of others; see docs/conformance.md"
for file in http11probe.json llhttp-request.json autobahn-frames.json.gz json_web_signature_test.json; do
	[ -r "$CONFORMANCE_DIR/$file" ] || missing "$CONFORMANCE_DIR/$file" "see docs/conformance.md"
done
[ -x bin/penstock ] || missing bin/penstock "make build"

go build -o bin/conformance ./hack/conformance
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
# Attackers bring processors of their own: the last one is theirs, and the gateway, its good clients and its backends have the others.
last=$(($(nproc) - 1))
[ "$last" -gt 0 ] || { echo "conformance: on one processor slow clients take that of the gateway" >&2; exit 1; }
exec taskset -c "0-$((last - 1))" unshare --net --map-root-user bash -c '
	set -e
	ip link set lo up
	# Attackers and idle clients connect from these (slow.go), so that a bound per address does not make them harmless.
	for i in {10..13} {20..29}; do ip address add "192.0.2.$i/32" dev lo; done
	exec bin/conformance "$@"' conformance -attackers "$last" "$@"
