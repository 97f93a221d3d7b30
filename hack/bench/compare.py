#!/usr/bin/env python3
"""Plain proxying side by side: all targets run on core 0, load and backends on core 1. In each round every target has its
turn, so that what else happens on a shared machine meets them all; a row is a target's medians, and what it says against
the first target is the median of the rounds' ratios, which hardly depends on how fast the machine is. All targets are
started anew now and then: where in memory a process happens to lie makes it faster or slower by several per cent for as long
as it lives.

CPU per request is the steadiest figure; `other` is how much of a core anything else took meanwhile (above 0.1 the row is
noise). Compare rows of one run only.
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import time

import lab
import peers


def main() -> int:
    args = arguments()
    lab.prepare()
    targets = peers.available(args.targets)
    rows = {peer.name: [] for peer in targets}
    for start in range(args.starts):
        rounds = (args.rounds + start) // args.starts  # as even as can be
        with contextlib.ExitStack() as running:
            processes = [running.enter_context(lab.started(peer)) for peer in targets]
            for peer in targets:
                lab.load(peer, *options(args), "-t", 1)  # pools and caches are warm afterwards
            lab.await_quiet()
            for _ in range(rounds):
                for peer, process in zip(targets, processes):
                    rows[peer.name].append(measure(peer, process, args))
    print_table(rows, args)
    return 1 if any(row["errors"] for taken in rows.values() for row in taken) else 0


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=40, help="measurements of each target (default 40)")
    p.add_argument("--starts", type=int, default=8, help="how often all targets are started for them (default 8)")
    p.add_argument("--seconds", type=float, default=0.5, help="length of a measurement (default 0.5): short, since a shared machine changes its speed within seconds")
    p.add_argument("--connections", type=int, default=50, help="keep-alive connections (default 50)")
    p.add_argument("--path", default="/", help="/ (100 bytes, default), /1k or /64k")
    p.add_argument("--rate", type=float, default=0, help="requests a second; 0 (default) is as fast as answered")
    p.add_argument("--new", action="store_true", help="a new connection for each request, with TLS a full handshake")
    p.add_argument("targets", nargs="*", default=peers.DEFAULT, metavar="target",
                   help=f"of {', '.join(peers.MAKERS)}; default: {' '.join(peers.DEFAULT)}")
    args = p.parse_args()
    args.starts = min(args.starts, args.rounds)
    for name in set(args.targets) - set(peers.MAKERS):
        p.error(f"unknown target {name}")
    return args


def options(args: argparse.Namespace) -> list:
    return ["-c", args.connections, "-u", args.path, "-r", args.rate, *(["-n"] if args.new else [])]


def measure(peer: peers.Peer, process: subprocess.Popen, args: argparse.Namespace) -> dict:
    began, own, all_cpu = time.monotonic(), lab.cpu_of(process.pid), lab.busy()
    children = lab.children_cpu()
    row = lab.load(peer, *options(args), "-t", args.seconds)
    spent = lab.cpu_of(process.pid) - own
    others = lab.busy() - all_cpu - spent - (lab.children_cpu() - children)
    row["cpu"] = spent / max(row["answered"], 1)
    row["other"] = max(0, others / 1e6 / (time.monotonic() - began))
    return row


def print_table(rows: dict[str, list[dict]], args: argparse.Namespace) -> None:
    def median(name: str, key: str) -> float:
        return statistics.median(row.get(key, 0) for row in rows[name])

    base = next(iter(rows))
    print(f"\n{args.connections} {'new' if args.new else 'kept'} connections, path {args.path}, "
          f"{args.rounds} rounds of {args.seconds:g} s, {args.starts} starts" + (f", {args.rate:g} requests/s" if args.rate else ""))
    print(f"| target | req/s | against {base} | p50 us | p99 us | p999 us | CPU us/req | against {base} | errors | other |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, taken in rows.items():
        against = {key: f"{statistics.median(row[key] / other[key] for row, other in zip(taken, rows[base])):.3f}"
                   for key in ("rps", "cpu")}
        errors = sum(row["errors"] for row in taken)
        print(f"| {name} | {median(name, 'rps'):.0f} | {against['rps']} | {median(name, 'p50'):.0f} "
              f"| {median(name, 'p99'):.0f} | {median(name, 'p999'):.0f} | {median(name, 'cpu'):.1f} | {against['cpu']} "
              f"| {errors} | {median(name, 'other'):.2f} |")


if __name__ == "__main__":
    sys.exit(main())
