"""Penstock with filters: what each adds to a request, and all together beside peers that have none.

  added   CPU that a filter adds to a request, by one route without and with it
  all     a token, a limit by its subject, metrics and access log on each of 10,000 routes, beside nginx and HAProxy plain
"""

import argparse
import base64
import contextlib
import hmac
import json
import shutil
import statistics
import sys
import time
from collections.abc import Sequence

import compare
import lab
import peers
from peers import ASKED, OUT, ROOT, Peer, write

WIDE = "requests: 1000000000, period: 1s"  # a limit that nobody meets
BY_HEADER = "key: [{type: Header, name: X-Api-Key}], "  # every request of the load has it
JWT = "jwt: {providers: [{name: bench, issuer: bench, secret: {name: tokens, key: secret, format: SharedSecret}}]}"
API_KEY = "apiKey: {secretName: clients, from: [{header: Authorization, scheme: Bearer}]}"  # the token is long enough to be a key
SHARED_SECRET = "a secret of at least thirty-two bytes"


def token() -> str:
    def part(b: bytes) -> str:
        return base64.urlsafe_b64encode(b).rstrip(b"=").decode()

    claims = {"iss": "bench", "sub": "client-7", "exp": int(time.time()) + 86400, "scope": "read write"}
    signed = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + "." + part(json.dumps(claims).encode())
    return signed + "." + part(hmac.digest(SHARED_SECRET.encode(), signed.encode(), "sha256"))


TOKEN = token()
AUTHORIZATION = f"Authorization: Bearer {TOKEN}"
SECRETS = f"""apiVersion: v1
kind: Secret
metadata: {{name: tokens, namespace: bench}}
stringData: {{secret: {SHARED_SECRET}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: clients, namespace: bench}}
stringData: {{client-7: {TOKEN}}}
"""
ROUTE = """apiVersion: gateway.penstock.io/v1alpha1
kind: GatewayRoute
metadata: {name: bench, namespace: bench}
spec:
  filters: {%s}
  rules: [{backends: [{service: backend, port: http}]}]
"""


def single(name: str, number: int, filters: str = "", limited: str = "", flags: Sequence[str] = (), field: str = "") -> Peer:
    """Penstock with one route, these filters and, unless it is empty, one limit on it."""
    where = OUT / name
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    write(where / "service.yaml", peers.PENSTOCK_SERVICE)
    write(where / "endpoints.yaml", "---\n".join(peers.penstock_slice(port, True) for port in peers.ENDPOINTS))
    write(where / "secrets.yaml", SECRETS)
    write(where / "route.yaml", ROUTE % filters)
    if limited:
        write(where / "policy.yaml", policy("bench", ["bench"], limited))
    port, admin = 8120 + number, 8140 + number
    command = [str(ROOT / "bin/penstock"), "standalone", "-f", str(where), "--drain-delay=0s", f"--http-port={port}", "--https-port=0",
               f"--admin-address=127.0.0.1:{admin}", "--debug-address=", "--access-log=/dev/null", *flags]
    return Peer(name, port, command, admin=admin, field=field)


def policy(name: str, routes: list[str], limit: str) -> str:
    targets = ", ".join(f"{{group: gateway.penstock.io, kind: GatewayRoute, name: {route}}}" for route in routes)
    return f"""apiVersion: gateway.penstock.io/v1alpha1
kind: RateLimitPolicy
metadata: {{name: {name}, namespace: bench}}
spec:
  targetRefs: [{targets}]
  limits: [{{name: per-client, {limit}}}]
"""


def guarded() -> Peer:
    """Penstock with its whole table, a token on every route, and on those that are asked for a limit by its subject."""
    where, most = OUT / "penstock-guarded", 16  # targets of a policy
    plain = peers.penstock()
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(peers.manifests(False), where)
    for file in where.iterdir():
        write(file, file.read_text().replace("\n  rules:\n", f"\n  filters: {{{JWT}}}\n  rules:\n"))
    write(where / "secrets.yaml", SECRETS)
    for at in range(0, ASKED, most):
        routes = [f"app{i}" for i in range(at, min(at + most, ASKED))]
        write(where / f"policy-{at}.yaml", policy(f"policy-{at}", routes, "key: [{type: Claim, name: sub}], " + WIDE))
    command = [str(where) if word == str(peers.manifests(False)) else word for word in plain.command if "port" not in word]
    command += ["--http-port=8110", "--https-port=0", "--admin-address=127.0.0.1:8111", "--debug-address=127.0.0.1:8112"]
    return Peer("penstock-guarded", 8110, command, admin=8111, debug=8112, field=AUTHORIZATION)


peers.MAKERS["penstock-guarded"] = guarded


def added(o: argparse.Namespace) -> int:
    variants = [
        single("filters-none", 0, field=AUTHORIZATION),
        single("filters-jwt", 1, JWT, field=AUTHORIZATION),
        single("filters-api-key", 2, API_KEY, field=AUTHORIZATION),
        single("filters-limit", 3, limited=BY_HEADER + WIDE, field=AUTHORIZATION),
    ]
    rows: dict[str, list[dict]] = {peer.name: [] for peer in variants}
    with contextlib.ExitStack() as stack:
        running = [(peer, stack.enter_context(lab.started(peer))) for peer in variants]
        for peer, _ in running:
            lab.load(peer, "-t", 1)
        for _ in range(o.rounds):
            for peer, process in running:
                rows[peer.name].append(compare.measure(peer, process, o))
    print("| filters | CPU us/req | added, median of rounds |\n|---|---|---|")
    for name, taken in rows.items():
        more = statistics.median(row["cpu"] - plain["cpu"] for row, plain in zip(taken, rows["filters-none"]))
        print(f"| {name} | {statistics.median(row['cpu'] for row in taken):.2f} | {more:.2f} |")
    return 1 if any(row["errors"] for taken in rows.values() for row in taken) else 0


def main() -> int:
    figure = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if figure == "all":
        sys.argv += ["penstock-guarded", "nginx", "haproxy"]
        return compare.main()
    if figure == "added":
        lab.prepare()
        return added(compare.arguments())
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
