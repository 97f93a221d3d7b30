#!/usr/bin/env bash
# Builds what the comparison needs into hack/bench/out and runs it; bin/penstock must be there (`make build`). Options are
# compare.py's. The comparison gets a session of its own, which the kernel's autogroup then weighs as one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=hack/bench out=hack/bench/out

for tool in gcc python3 taskset setsid; do
	command -v "$tool" >/dev/null || { echo "$0: $tool is missing." >&2; exit 1; }
done
[ -x bin/penstock ] || { echo "$0: bin/penstock is missing: run make build." >&2; exit 1; }

mkdir -p "$out"
for program in load forward; do
	[ "$out/$program" -nt "$here/$program.c" ] || gcc -O2 -o "$out/$program" "$here/$program.c"
done
CGO_ENABLED=0 go build -trimpath -o "$out/revproxy" "./$here/revproxy"
exec setsid -w python3 "$here/compare.py" "$@"
