#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each: fuzz.sh 60s
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -eq 1 ] || { echo "usage: $0 TIME" >&2; exit 2; }

ran=0
while IFS=: read -r file target; do
	echo "== $file $target"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "./$(dirname "$file")"
	ran=$((ran + 1))
done < <(git grep --untracked -oE '^func Fuzz\w+' -- '*_test.go' | sed 's/func //')
echo "$ran fuzz targets ran for $1 each."
[ "$ran" -gt 0 ]
