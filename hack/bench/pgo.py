"""A CPU profile of what serves requests, for the compiler: bin/penstock under the loads that the other figures measure, plain, with
TLS, and with filters. Written to the file that `make build` hands to the compiler, or to another one.
"""

import argparse
import subprocess
import sys
import urllib.request
from pathlib import Path

import filters
import lab
import peers

# What is asked of whom. The shares of the samples say what matters how much.
SHAPES = [
    (peers.penstock, ["-c", 50], 3),
    (peers.penstock, ["-c", 200, "-u", "/1k"], 2),
    (peers.penstock, ["-c", 50, "-u", "/64k"], 1),
    (lambda: peers.penstock(tls=True), ["-c", 50], 2),
    (lambda: peers.penstock(tls=True), ["-c", 50, "-n"], 1),
    (filters.guarded, ["-c", 50], 2),
]


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seconds", type=float, default=10, help="for each share of the samples (default 10)")
    p.add_argument("--out", type=Path, default=peers.ROOT / "cmd/penstock/serving.pgo", help="where to (default %(default)s)")
    args = p.parse_args()
    lab.prepare()
    parts = [profile(at, make(), options, shares * args.seconds) for at, (make, options, shares) in enumerate(SHAPES)]
    merged = subprocess.run(["go", "tool", "pprof", "-proto", *parts], check=True, capture_output=True).stdout
    args.out.write_bytes(merged)
    print(f"{args.out}: {len(merged)} bytes")
    return 0


def profile(at: int, peer: peers.Peer, options: list, seconds: float) -> Path:
    """Takes a profile of a target under load."""
    part = peers.OUT / f"profile-{at}.pb.gz"
    with lab.started(peer):
        lab.load(peer, *options, "-t", 1)
        load = lab.start_load(peer, *options, "-t", seconds + 2)
        url = f"http://127.0.0.1:{peer.debug}/debug/pprof/profile?seconds={seconds:.0f}"
        with urllib.request.urlopen(url, timeout=seconds + 30) as taken:
            part.write_bytes(taken.read())
        if lab.answer(load)["errors"]:
            raise SystemExit(f"{peer.name}: requests failed")
    return part


if __name__ == "__main__":
    sys.exit(main())
