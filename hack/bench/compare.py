#!/usr/bin/env python3
"""Plain proxying side by side: starts each target in turn on core 0, with load and backends on core 1, and prints a row for
each: the median of the rounds. Targets are interleaved, so that what else happens on the machine meets them all.

CPU per request is the steadiest figure; `other` is how much of a core anything else took during the row (above 0.1 the row
is noise). Compare rows of one run only.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time

import peers

TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")  # microseconds of a CPU in one tick of /proc


def main() -> int:
    args = arguments()
    outweigh()
    targets = peers.available(args.targets)
    rows = {peer.name: [] for peer in targets}
    for _ in range(args.rounds):
        for peer in targets:
            rows[peer.name].append(measure(peer, args))
    print_table(rows, args)
    return 1 if any(row["errors"] for taken in rows.values() for row in taken) else 0


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5, help="measurements of each target (default 5)")
    p.add_argument("--seconds", type=float, default=5, help="length of a measurement (default 5)")
    p.add_argument("--connections", type=int, default=50, help="keep-alive connections (default 50)")
    p.add_argument("--path", default="/", help="/ (100 bytes, default), /1k or /64k")
    p.add_argument("--rate", type=float, default=0, help="requests a second; 0 (default) is as fast as answered")
    p.add_argument("targets", nargs="*", default=list(peers.MAKERS), help=f"of {', '.join(peers.MAKERS)}")
    args = p.parse_args()
    for name in set(args.targets) - set(peers.MAKERS):
        p.error(f"unknown target {name}")
    return args


def outweigh() -> None:
    """Gives this session's autogroup more weight, where the kernel has one: other work then disturbs less."""
    try:
        with open("/proc/self/autogroup", "w") as f:
            f.write("-15")
    except OSError:
        pass


def measure(peer: peers.Peer, args: argparse.Namespace) -> dict:
    process = subprocess.Popen(
        ["taskset", "-c", "0", *peer.command],
        env=os.environ | peer.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_port(peer, process)
        load(peer, args, seconds=1)  # connections, pools and caches are warm afterwards
        await_quiet()
        started, own, all_cpu = time.monotonic(), cpu_of(process.pid), busy()
        children = children_cpu()
        row = load(peer, args, args.seconds)
        spent = cpu_of(process.pid) - own
        others = busy() - all_cpu - spent - (children_cpu() - children)
        row["cpu"] = spent / max(row["answered"], 1)
        row["other"] = max(0, others / 1e6 / (time.monotonic() - started))
        return row
    finally:
        stop(process)


def await_port(peer: peers.Peer, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{peer.name} ended with status {process.returncode}: {' '.join(peer.command)}")
        try:
            socket.create_connection(("127.0.0.1", peer.port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{peer.name} does not listen on port {peer.port}")


def load(peer: peers.Peer, args: argparse.Namespace, seconds: float) -> dict:
    command = [str(peers.OUT / "load"), "-p", str(peer.port), "-c", str(args.connections), "-t", str(seconds),
               "-r", str(args.rate), "-u", args.path, "-b", ",".join(map(str, peers.ENDPOINTS))]
    done = subprocess.run(["taskset", "-c", "1", *command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{peer.name}: the load ended with status {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_of(pid: int) -> float:
    """User and system time of a process, in microseconds."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def children_cpu() -> float:
    t = os.times()
    return (t.children_user + t.children_system) * 1e6


def busy() -> float:
    """What all cores have spent on anything, in microseconds."""
    with open("/proc/stat") as f:
        t = [int(x) for x in f.readline().split()[1:]]
    return (sum(t[:3]) + t[5] + t[6]) * TICK


def await_quiet(longest: float = 15) -> None:
    deadline = time.monotonic() + longest
    while time.monotonic() < deadline:
        before = busy()
        time.sleep(0.4)
        if busy() - before < 60_000:
            return


def print_table(rows: dict[str, list[dict]], args: argparse.Namespace) -> None:
    def median(name: str, key: str) -> float:
        return statistics.median(row.get(key, 0) for row in rows[name])

    print(f"\n{args.connections} connections, path {args.path}, {args.rounds} rounds of {args.seconds:g} s"
          + (f", {args.rate:g} requests/s" if args.rate else ""))
    print("| target | req/s | against nginx | p50 us | p99 us | p999 us | CPU us/req | against nginx | errors | other |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, taken in rows.items():
        against = {key: "-" for key in ("rps", "cpu")}
        if "nginx" in rows:
            against = {key: f"{median(name, key) / median('nginx', key):.2f}" for key in against}
        errors = sum(row["errors"] for row in taken)
        print(f"| {name} | {median(name, 'rps'):.0f} | {against['rps']} | {median(name, 'p50'):.0f} "
              f"| {median(name, 'p99'):.0f} | {median(name, 'p999'):.0f} | {median(name, 'cpu'):.1f} | {against['cpu']} "
              f"| {errors} | {median(name, 'other'):.2f} |")


if __name__ == "__main__":
    sys.exit(main())
