#!/usr/bin/env bash
# Builds Traefik, a target of the comparison, into hack/bench/out/traefik. It takes many minutes the first time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
module=github.com/traefik/traefik/v3
version=$(go list -m -f '{{.Version}}' "$module")

CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X $module/pkg/version.Version=${version#v}" \
	-o ../out/traefik "$module/cmd/traefik"
