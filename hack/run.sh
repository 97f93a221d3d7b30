#!/usr/bin/env bash
# Starts three demo backends and Penstock in standalone mode on the quickstart manifests, says what to try, and ends all of
# it on Ctrl-C or when one of them fails. Needs what `make run` built into bin/quickstart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

manifests=config/samples/quickstart
traffic=8080 admin=8081
pids=()

stop() {
	trap - EXIT
	kill "${pids[@]}" 2>/dev/null || true
	wait
}
trap stop EXIT
trap 'exit 0' INT TERM

# start COMMAND...: runs it in the background, out of reach of the terminal's Ctrl-C: stop() ends it in good order.
start() {
	"$@" &
	pids+=($!)
}

# ready: does the admin port answer 200? Spoken by bash itself, so that a fresh machine needs no curl to get here.
ready() {
	local status
	exec 3<>"/dev/tcp/127.0.0.1/$admin" || return 1
	printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
	read -r status <&3
	exec 3>&-
	[[ $status == *" 200 "* ]]
} 2>/dev/null

alive() {
	for pid in "${pids[@]}"; do
		kill -0 "$pid" 2>/dev/null || return 1
	done
}

start bin/quickstart/demo -name user-service -addr 127.0.0.1:9101
start bin/quickstart/demo -name order-service -addr 127.0.0.1:9102
start bin/quickstart/demo -name product-service -addr 127.0.0.1:9103
start bin/quickstart/penstock standalone -f "$manifests" --drain-delay 0s

until ready; do
	alive || exit 1
	sleep 0.1
done

cat <<TXT

Penstock serves $manifests on http://localhost:$traffic (metrics: http://localhost:$admin/metrics). Try:

$(sed -n 's/^# curl /  curl /p' "$manifests"/*.yaml)
  curl -i localhost:$traffic/nothing-here
  curl -s localhost:$admin/metrics | grep ^gateway_

Edit a manifest and ask again: changes are followed. Ctrl-C ends everything.

TXT
wait -n || true
exit 1
