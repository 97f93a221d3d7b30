#!/usr/bin/env bash
# Fails when generated code, golden files or a go.mod are stale. It regenerates and compares the tree before and after, so
# that it also gives a sensible answer while there is uncommitted work.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# tree: a line for every file that is tracked or could be.
tree() {
	git ls-files -z --cached --others --exclude-standard | xargs -0 sha256sum 2>/dev/null | sort -k 2 || true
}

before=$(tree)
"${MAKE:-make}" --no-print-directory generate
after=$(tree)

failed=0
for module in . hack/tools hack/tools/{cluster,cni,dev,dns,extauthz,helm,helm3,monitoring,oauth2-proxy}; do
	if ! (cd "$module" && go mod tidy -diff); then
		echo "verify: $module/go.mod is not tidy: run go mod tidy there and commit the result." >&2
		failed=1
	fi
done

if [ "$before" != "$after" ]; then
	mapfile -t stale < <(diff <(echo "$before") <(echo "$after") | sed -n 's/^[<>] [0-9a-f]*  //p' | sort -u)
	echo "verify: stale; make generate has just written these anew, review and commit them:" >&2
	printf '  %s\n' "${stale[@]}" >&2
	git --no-pager diff --stat -- "${stale[@]}" >&2
	failed=1
fi
exit "$failed"
