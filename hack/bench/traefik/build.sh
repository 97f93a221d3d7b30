#!/usr/bin/env bash
# Builds Traefik, a target of the comparison, into hack/bench/out: minutes the first time, and a gigabyte or so of modules
# and build cache. Its program is Traefik's own, of the version pinned in go.mod; what stubs/ leaves out is ACME, basic and
# digest authentication.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export CGO_ENABLED=0 GOWORK=off
module=github.com/traefik/traefik/v3

mkdir -p ../out
version=$(go list -m -f '{{.Version}}' "$module")
go build -trimpath -ldflags "-s -w -X $module/pkg/version.Version=${version#v}" -o ../out/traefik "$module/cmd/traefik"
