#!/usr/bin/env bash
# Builds what the measurements need into hack/bench/out and runs one; bin/penstock must be there (`make build`):
#   run.sh [options] [target...]   plain proxying side by side, see compare.py
#   run.sh FIGURE [options]        latency, cost, idle, quota or soak, see dataplane.py
#   run.sh filters FIGURE          added or all, see filters.py
#   run.sh limits FIGURE           redis, hot, shared or faults, see limits.py
#   run.sh pgo [options]           a profile for the compiler, see pgo.py
# The targets traefik and traefik-default need hack/bench/traefik/build.sh first, which takes minutes.
# It gets a session of its own, which the kernel's autogroup then weighs as one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=hack/bench out=hack/bench/out

for tool in gcc python3 taskset setsid openssl; do
	command -v "$tool" >/dev/null || { echo "$0: $tool is missing." >&2; exit 1; }
done
echo '#include <openssl/ssl.h>' | gcc -E - >/dev/null 2>&1 ||
	{ echo "$0: OpenSSL's headers are missing (Debian: libssl-dev)." >&2; exit 1; }
[ -x bin/penstock ] || { echo "$0: bin/penstock is missing: run make build." >&2; exit 1; }

mkdir -p "$out"
for program in load forward; do
	[ "$out/$program" -nt "$here/$program.c" ] || gcc -O2 -o "$out/$program" "$here/$program.c" -lssl -lcrypto
done
CGO_ENABLED=0 go build -trimpath -o "$out/revproxy" "./$here/revproxy"
case "${1-}" in
filters | limits | pgo) script=$1.py && shift ;;
latency | cost | idle | quota | soak) script=dataplane.py ;;
*) script=compare.py ;;
esac
exec setsid -w python3 "$here/$script" "$@"
