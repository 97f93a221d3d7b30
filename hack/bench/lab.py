"""What every measurement needs: targets started on core 0, load and backends on core 1, and the kernel's accounts of both.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence

import peers

TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")  # microseconds of a CPU in one tick of /proc
PINNED = ("taskset", "-c", "0")


def prepare() -> None:
    """Gives this session's autogroup more weight, where the kernel has one: other work then disturbs less. Lifts the soft
    limit of descriptors, for the targets too."""
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as f:
        f.write("-15")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def started(peer: peers.Peer, *flags: str, prefix: Sequence[str] = PINNED):
    """The target's process, once it serves; it is stopped afterwards."""
    if serves(peer):
        raise SystemExit(f"{peer.name}: something serves on port {peer.port} already, and would be measured instead")
    with peer.log.open("w") as log:
        process = subprocess.Popen([*prefix, *peer.command, *flags], stdout=subprocess.DEVNULL, stderr=log)
    try:
        await_serving(peer, process)
        yield process
    finally:
        stop(process)


def await_serving(peer: peers.Peer, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{peer.name} ended with status {process.returncode}, see {peer.log}")
        if serves(peer):
            return
        time.sleep(0.05)
    raise SystemExit(f"{peer.name} does not serve on port {peer.port}")


def serves(peer: peers.Peer) -> bool:
    try:
        socket.create_connection(("127.0.0.1", peer.port), timeout=1).close()
        if peer.admin:
            urllib.request.urlopen(f"http://127.0.0.1:{peer.admin}/readyz", timeout=1).close()
    except OSError:
        return False
    return True


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_load(peer: peers.Peer, *options: object, prefix: Sequence[str] = (), backends: bool = True) -> subprocess.Popen:
    """Load on a target, with the backends unless another load has them; answer() awaits its end."""
    command = [*prefix, "taskset", "-c", "1", peers.OUT / "load", "-p", peer.port, "-H", peers.ASKED,
               *(["-b", ",".join(map(str, peers.ENDPOINTS))] if backends else []), *(["-T"] if peer.tls else []),
               *(["-f", peer.field] if peer.field else []), *options]
    return subprocess.Popen([str(word) for word in command], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def answer(load: subprocess.Popen) -> dict:
    """What the load reports; a request that was not answered is one of its errors."""
    out, err = load.communicate()
    if load.returncode != 0:
        raise SystemExit(f"the load ended with status {load.returncode}: {err}")
    row = json.loads(out)
    row["errors"] += abs(row["sent"] - row["answered"]) if not row["errors"] else 0
    return row


def load(peer: peers.Peer, *options: object, prefix: Sequence[str] = ()) -> dict:
    return answer(start_load(peer, *options, prefix=prefix))


def cpu_of(pid: int) -> float:
    """What the threads of a process have spent, in microseconds."""
    return sum(spent for spent, _ in accounts(pid)) / 1e3


def waited(pid: int) -> float:
    """How long the threads of a process could have run but had no core, in seconds."""
    return sum(waiting for _, waiting in accounts(pid)) / 1e9


def accounts(pid: int) -> list[tuple[int, int]]:
    """For each thread how long it ran and how long it waited for a core, in nanoseconds."""
    taken = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/task/{task}/schedstat") as f:
            ran, waiting, _ = map(int, f.read().split())
            taken.append((ran, waiting))
    return taken


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


def rss(process: subprocess.Popen) -> int:
    """Resident memory in bytes."""
    with open(f"/proc/{process.pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def metrics(peer: peers.Peer) -> dict[str, float]:
    """The series of /metrics that have no labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{peer.admin}/metrics", timeout=10) as page:
        lines = [line for line in page.read().decode().splitlines() if line[:1] != "#" and "{" not in line]
    return {name: float(value) for name, value in (line.split() for line in lines)}


def endpoints(peer: peers.Peer) -> list[int]:
    """The ports of the endpoints that the target uses now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{peer.debug}/debug/endpoints", timeout=10) as page:
        clusters = json.load(page).values()
    return sorted(int(e["endpoint"].rpartition(":")[2]) for cluster in clusters for e in cluster if not e["draining"])
