#!/usr/bin/env python3
"""Figures of the data plane other than throughput, one a subcommand:

  latency  p50, p99 and p999 at half of what nginx can do; for Penstock also while a route changes every second
  cost     allocations and system calls a request (needs perf, and root)
  idle     resident memory of an idle connection, with and without TLS
  quota    p50, p99 and p999 in a control group with half a CPU (needs root)
  soak     memory and failed requests over ten minutes of load with changes of routes and endpoints

Each ends with status 1 if a request failed or a change was not taken up.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import lab
import peers


def main() -> int:
    args = arguments()
    lab.prepare()
    errors = args.figure(args)
    if errors:
        print(f"{errors} requests failed", file=sys.stderr)
    return 1 if errors else 0


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    figures = p.add_subparsers(required=True)

    def figure(run, seconds: float, rounds: int | None = None) -> argparse.ArgumentParser:
        f = figures.add_parser(run.__name__, description=run.__doc__)
        f.set_defaults(figure=run)
        if rounds:
            f.add_argument("--rounds", type=int, default=rounds, help=f"measurements of each (default {rounds})")
        f.add_argument("--seconds", type=float, default=seconds, help=f"length of each (default {seconds:g})")
        f.add_argument("--connections", type=int, default=50, help="keep-alive connections (default 50)")
        return f

    f = figure(latency, 1, rounds=40)
    f.add_argument("--rate", type=float, help="requests a second; default: half of what nginx can do, measured first")
    f = figure(cost, 10, rounds=1)
    f.add_argument("--path", default="/", help="/ (100 bytes, default), /1k or /64k")
    f.add_argument("targets", nargs="*", default=["penstock", "nginx", "penstock-tls", "nginx-tls"], metavar="target")
    f = figure(idle, 20, rounds=1)
    f.set_defaults(connections=10_000)
    f.add_argument("--tls-connections", type=int, default=5_000, help="the same with TLS (default 5000)")
    f = figure(quota, 20, rounds=3)
    f.add_argument("--rate", type=float, default=5_000, help="requests a second (default 5000)")
    f.add_argument("--cpus", type=float, default=0.5, help="the quota, in CPUs (default 0.5)")
    f = figure(soak, 600)
    f.add_argument("--share", type=float, default=0.7, help="of the measured capacity (default 0.7)")
    return p.parse_args()


# Latency


def latency(args: argparse.Namespace) -> int:
    """Latency at a fixed rate, from the moment at which a request was due, in rounds in which every target has its turn. Who
    changes the route takes a core for a moment too, so Penstock is also measured beside changes to a file that it does
    not read. Rounds are many and short, so that most have none of the moments in which the host takes a core away."""
    targets = peers.available(["penstock", "nginx", "haproxy"])
    penstock, nginx, _ = targets
    rate = args.rate or capacity(nginx, args) / 2
    plans = {peer.name: (peer, contextlib.nullcontext) for peer in targets}
    plans[CHANGING] = penstock, lambda: changes(penstock)
    plans[BESIDE] = penstock, changes_elsewhere
    rows = {name: [] for name in plans}
    with contextlib.ExitStack() as running:
        processes = {peer.name: running.enter_context(lab.started(peer)) for peer in targets}
        for _ in range(args.rounds):
            for name, (peer, meanwhile) in plans.items():
                rows[name].append(paced(peer, processes[peer.name], args, rate, meanwhile))
    print(f"\n{rate:.0f} requests/s, {args.connections} connections, {args.rounds} rounds of {args.seconds:g} s")
    print_latency(rows, ["p50", "p99", "p999", "max"])
    for name, taken in rows.items():
        print(f"{name} waited for its core {median(taken, 'waited'):.1%} of the time")
    for name, base in ((penstock.name, nginx.name), (CHANGING, penstock.name), (CHANGING, BESIDE)):
        against = ", ".join(f"{key} {ratio(rows[name], rows[base], key):.2f}" for key in ("p99", "p999"))
        print(f"{name} against {base}, the median of the rounds: {against}")
    return failed(rows)


CHANGING, BESIDE = "penstock, changing", "penstock, beside other changes"


def ratio(rows: list[dict], others: list[dict], key: str) -> float:
    return statistics.median(row[key] / other[key] for row, other in zip(rows, others))


def capacity(peer: peers.Peer, args: argparse.Namespace) -> float:
    """Requests/s with as many connections, the median of three short rounds."""
    with lab.started(peer):
        options = ["-c", args.connections, "-t", min(args.seconds, 5)]
        taken = [lab.load(peer, *options) for _ in range(3)]
    if failed({peer.name: taken}):
        raise SystemExit(f"{peer.name}: requests failed")
    rps = median(taken, "rps")
    print(f"{peer.name} can do {rps:.0f} requests/s", flush=True)
    return rps


def paced(peer: peers.Peer, process: subprocess.Popen, args: argparse.Namespace, rate: float, meanwhile) -> dict:
    options = ["-c", args.connections, "-r", rate]
    lab.load(peer, *options, "-t", 1)
    lab.await_quiet()
    before = lab.waited(process.pid)
    with meanwhile():
        row = lab.load(peer, *options, "-t", args.seconds)
    return row | {"waited": (lab.waited(process.pid) - before) / args.seconds}


def median(rows: list[dict], key: str) -> float:
    return statistics.median(row[key] for row in rows)


def failed(rows: dict[str, list[dict]]) -> int:
    return sum(row["errors"] for taken in rows.values() for row in taken)


def print_latency(rows: dict[str, list[dict]], keys: list[str]) -> None:
    table(["target", *(f"{key} us" for key in keys), "errors"],
          [[name, *(f"{median(taken, key):.0f}" for key in keys), failed({name: taken})] for name, taken in rows.items()])


def table(head: list[str], rows: list[list]) -> None:
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(map(str, row)) + " |")


# Changes


@contextlib.contextmanager
def changes(peer: peers.Peer, endpoints: bool = False):
    """Changes a route, and maybe endpoints, meanwhile. A change that was not taken up ends the run."""
    changing = Changes(peer, endpoints)
    changing.start()
    try:
        yield
    finally:
        changing.end()
    changing.check()


@contextlib.contextmanager
def changes_elsewhere():
    """Writes a route every second to where nobody reads it."""
    ended, path = threading.Event(), peers.OUT / "elsewhere.yaml"

    def write() -> None:
        start, n = time.monotonic(), 0
        while not ended.wait(start + n + 0.5 - time.monotonic()):
            n += 1
            peers.write(path, peers.changing_route(time.time_ns(), tls=False))

    writing = threading.Thread(target=write)
    writing.start()
    try:
        yield
    finally:
        ended.set()
        writing.join()


class Changes(threading.Thread):
    """Changes a route that is asked for every second, and with endpoints half a second later those of its Service, by a
    timetable: what the target is slow to take up does not slow it. It costs the target no more than the changes do, and a
    look at its endpoints before each change of them."""

    def __init__(self, peer: peers.Peer, endpoints: bool):
        super().__init__()
        self.peer, self.of_endpoints, self.ended = peer, endpoints, threading.Event()
        self.applied = self.snapshots()
        self.routes = self.endpoints = self.endpoints_seen = 0

    def run(self) -> None:
        start = time.monotonic()
        while not self.ended.wait(start + self.routes + 0.5 - time.monotonic()):
            self.routes += 1
            peers.write_route(self.peer.tls, time.time_ns())
            if self.of_endpoints and not self.ended.wait(start + self.routes - time.monotonic()):
                self.look()
                self.endpoints += 1
                peers.write_endpoints(self.peer.tls, self.ready())

    def ready(self) -> list[int]:
        return peers.ENDPOINTS[self.endpoints % 2:]

    def look(self) -> None:
        """Notes whether the last change of endpoints has been taken up."""
        seen = lab.endpoints(self.peer) == self.ready()
        self.endpoints_seen += seen and self.endpoints > 0

    def snapshots(self) -> int:
        return self.peer.log.read_text().count('"snapshot applied"')

    def end(self) -> None:
        self.ended.set()
        self.join()

    def check(self) -> None:
        time.sleep(2)  # far longer than the last changes may take
        if self.endpoints:
            self.look()
        applied = self.snapshots() - self.applied
        print(f"{self.peer.name} took up {applied} of {self.routes} changes of a route"
              + (f" and {self.endpoints_seen} of {self.endpoints} of endpoints" if self.of_endpoints else ""))
        if applied < self.routes or self.endpoints_seen < self.endpoints:
            raise SystemExit(f"{self.peer.name} did not take up every change")


# Cost

PERF = peers.OUT / "perf.csv"
SYSCALLS = ["read", "write", "writev", "readv", "recvfrom", "sendto", "epoll_wait", "epoll_pwait", "epoll_ctl",
            "futex", "nanosleep", "getsockopt", "getpid"]


def cost(args: argparse.Namespace) -> int:
    """Allocations, counted by Go's runtime, and system calls, counted by the kernel, divided by requests."""
    if not shutil.which("perf"):
        raise SystemExit("perf is not installed")
    rows, errors = [], 0
    for peer in peers.available(args.targets) * args.rounds:
        with lab.started(peer) as process:
            options = ["-c", args.connections, "-u", args.path]
            lab.load(peer, *options, "-t", 1)
            scrape = -mallocs(peer) + mallocs(peer)  # what reading the figure costs itself
            before = mallocs(peer)
            row = lab.load(peer, *options, "-t", args.seconds, prefix=perf(process.pid))
            allocations = (mallocs(peer) - before - scrape) / row["answered"]
        calls = {name: count / row["answered"] for name, count in counted().items()}
        every = calls.pop("raw_syscalls")
        named = ", ".join(f"{name} {count:.2f}" for name, count in sorted(calls.items()) if count >= 0.005)
        rows.append([peer.name, row["answered"], f"{allocations:.3f}" if peer.admin else "-", f"{every:.2f}", named])
        errors += row["errors"]
    table(["target", "requests", "allocations a request", "system calls a request", "of these"], rows)
    return errors


def mallocs(peer: peers.Peer) -> float:
    return lab.metrics(peer)["go_memstats_mallocs_total"] if peer.admin else 0


def perf(pid: int) -> list[str]:
    """What runs a command and counts the system calls of a process meanwhile."""
    events = ["raw_syscalls:sys_enter", *(f"syscalls:sys_enter_{name}" for name in SYSCALLS)]
    return ["perf", "stat", "-x,", "-o", str(PERF), "-e", ",".join(events), "-p", str(pid)]


def counted() -> dict[str, float]:
    """What perf has counted, by the name of the call; raw_syscalls are all."""
    lines = [line.split(",") for line in PERF.read_text().splitlines() if "sys_enter" in line]
    return {name.removesuffix(":sys_enter").removeprefix("syscalls:sys_enter_"): float(count)
            for count, _, name, *_ in lines}


# Idle connections


def idle(args: argparse.Namespace) -> int:
    """Resident memory before connections that make one request each, and with all of them idle."""
    plans = [("penstock", args.connections), ("nginx", args.connections),
             ("penstock-tls", args.tls_connections), ("nginx-tls", args.tls_connections)]
    rows, errors = [], 0
    for name, connections in plans:
        taken = [settle(peers.available([name])[0], connections, args.seconds) for _ in range(args.rounds)]
        each = statistics.median(row["after"] - row["before"] for row in taken) / connections
        errors += sum(row["errors"] for row in taken)
        before, after = (f"{median(taken, key) / 2**20:.1f}" for key in ("before", "after"))
        rows.append([name, connections, before, after, f"{each / 1024:.1f}"])
    table(["target", "connections", "MiB before", "MiB with them", "KiB each"], rows)
    return errors


def settle(peer: peers.Peer, connections: int, seconds: float) -> dict:
    # All come from one address here, of which Penstock by default takes but half of what it has room for.
    flags = ["--max-connections", "12000", "--max-connections-per-client", "12000"] if peer.admin else []
    with lab.started(peer, *flags) as process:
        lab.load(peer, "-c", 50, "-t", 1)
        before = lab.rss(process)
        load = lab.start_load(peer, "-c", connections, "-i")
        if load.stdout.readline() != "ready\n":
            raise SystemExit(f"{peer.name}: the load ended: {load.stderr.read()}")
        time.sleep(seconds)  # of garbage, what the target gives back is given back
        return {"before": before, "after": lab.rss(process), **lab.answer(load)}


# Quota


def quota(args: argparse.Namespace) -> int:
    """Latency at a fixed rate with a part of a CPU, on any core; GOMAXPROCS is what Go chooses, or 1."""
    peer = peers.available(["penstock"])[0]
    rows = {}
    for _ in range(args.rounds):
        for setting in ({}, {"GOMAXPROCS": "1"}):
            row = throttled(peer, args, setting)
            rows.setdefault(f"penstock, GOMAXPROCS {row['procs']:.0f}{'' if setting else ' by default'}", []).append(row)
    print(f"\n{args.cpus:g} CPU, {args.rate:g} requests/s, {args.connections} connections, "
          f"{args.rounds} rounds of {args.seconds:g} s")
    print_latency(rows, ["p50", "p99", "p999", "max"])
    for name, taken in rows.items():
        print(f"{name}: {median(taken, 'cpu'):.1f} us of CPU a request, "
              f"throttled in {median(taken, 'throttled'):.1%} of the periods")
    return failed(rows)


def throttled(peer: peers.Peer, args: argparse.Namespace, environment: dict[str, str]) -> dict:
    with control_group(args.cpus) as group:
        enter = ["env", *(f"{name}={value}" for name, value in environment.items()),
                 "sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        with lab.started(peer, prefix=enter) as process:
            options = ["-c", args.connections, "-r", args.rate, "-s"]
            lab.load(peer, *options, "-t", 1)
            lab.await_quiet()
            before, own = cpu_stat(group), lab.cpu_of(process.pid)
            row = lab.load(peer, *options, "-t", args.seconds)
            spent = {key: value - before[key] for key, value in cpu_stat(group).items()}
            row["throttled"] = spent["nr_throttled"] / max(spent["nr_periods"], 1)
            row["cpu"] = (lab.cpu_of(process.pid) - own) / max(row["answered"], 1)
            row["procs"] = lab.metrics(peer)["go_sched_gomaxprocs_threads"]
            return row


@contextlib.contextmanager
def control_group(cpus: float, period: int = 100_000):
    """The folder of a control group, version 1 or 2, with as much of the CPUs in each period, in microseconds."""
    root, v1 = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/cpu")
    group = (v1 if v1.is_dir() else root) / f"penstock-bench-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as e:
        raise SystemExit(f"a control group can't be made: {e}") from e
    try:
        if v1.is_dir():
            (group / "cpu.cfs_period_us").write_text(str(period))
            (group / "cpu.cfs_quota_us").write_text(str(int(cpus * period)))
        else:
            (root / "cgroup.subtree_control").write_text("+cpu")
            (group / "cpu.max").write_text(f"{int(cpus * period)} {period}")
        yield group
    finally:
        group.rmdir()


def cpu_stat(group: Path) -> dict[str, int]:
    return {key: int(value) for key, value in (line.split() for line in (group / "cpu.stat").read_text().splitlines())}


# Soak


def soak(args: argparse.Namespace) -> int:
    """Load at a share of what Penstock can do, while a route and the endpoints change every second."""
    peer = peers.available(["penstock"])[0]
    rate = capacity(peer, args) * args.share
    with lab.started(peer) as process:
        lab.load(peer, "-c", args.connections, "-t", 1)
        with changes(peer, endpoints=True):
            load = lab.start_load(peer, "-c", args.connections, "-r", rate, "-t", args.seconds)
            samples = sample(process, args.seconds)
            row = lab.answer(load)
    tenth = len(samples) // 10
    early, late = (statistics.median(part) for part in (samples[tenth:2 * tenth], samples[-tenth:]))
    print(f"{args.seconds:g} s at {rate:.0f} requests/s: {row['sent']} sent, {row['answered']} answered, "
          f"{row['errors']} failed, p99 {row['p99']} us, p999 {row['p999']} us")
    print(f"resident memory in the second tenth {early:.1f} MiB, in the last {late:.1f} MiB: {late / early:.2f}")
    return row["errors"]


def sample(process: subprocess.Popen, seconds: float) -> list[float]:
    """Resident memory in MiB, sixty times in as many seconds: every 10 s of 10 minutes."""
    samples, start = [], time.monotonic()
    for i in range(1, 61):
        time.sleep(max(0, start + i * seconds / 60 - time.monotonic()))
        samples.append(lab.rss(process) / 2**20)
        print(f"{i * seconds / 60:g} s: {samples[-1]:.1f} MiB", flush=True)
    return samples


if __name__ == "__main__":
    sys.exit(main())
