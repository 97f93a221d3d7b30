#!/usr/bin/env bash
# Runs every fuzz target of the module, one after another, for the given time each: fuzz.sh TIME [WORKERS]
# On a machine that others use: nice hack/fuzz.sh 10m 1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -eq 1 ] || [ $# -eq 2 ] || { echo "usage: $0 TIME [WORKERS]" >&2; exit 2; }
workers=${2:-$(getconf _NPROCESSORS_ONLN)}

ran=0 failed=()
while IFS=: read -r file target; do
	echo "== $file $target"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 1x -parallel "$workers" "./$(dirname "$file")" </dev/null || failed+=("$target")
	ran=$((ran + 1))
done < <(git grep --untracked -oE '^func Fuzz\w+' -- '*_test.go' | sed 's/func //')
echo "$ran fuzz targets ran for $1 each, ${#failed[@]} failed: ${failed[*]:-none}"
[ "$ran" -gt 0 ] && [ ${#failed[@]} -eq 0 ]
