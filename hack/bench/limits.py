"""What rate limits cost, how well replicas hold one together, and what a failing store does to requests:

  redis     latency that a limit in Redis adds at 10,000 requests/s
  hot       three processes share a hot key in Redis: 1,000 in 10 s, offered ten times that
  shared    three processes share a hot key without Redis: asked of all alike, then of one alone
  faults    Redis is killed, hangs, is slow and starts anew under load

Redis (redis-server must be installed) and the load share core 1, the gateway has core 0.
"""

import argparse
import contextlib
import signal
import shutil
import socket
import statistics
import subprocess
import threading
import time

import filters
import lab
import peers
from filters import WIDE

REDIS = 16379
MESH = 16390  # and the two behind it
SLOW = 16380  # a way to the same server that can be made slow
REMEMBERED = 10.5  # for how many seconds a window of ten counts a request

def gateway(number: int, limit: str, *flags: str) -> peers.Peer:
    """A process with one route and, unless it is empty, one limit on it."""
    return filters.single(f"limits-{number}", number, limited=limit and filters.BY_HEADER + limit, flags=flags)


class Redis:
    """A server that can be made to fail."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(["taskset", "-c", "1", "redis-server", "--port", str(REDIS), "--bind", "127.0.0.1", "--save", ""],
                                        stdout=subprocess.DEVNULL)
        while socket.socket().connect_ex(("127.0.0.1", REDIS)):
            time.sleep(0.01)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def hang(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def redis():
    server = Redis()
    try:
        yield server
    finally:
        server.kill()


class Slow:
    """Forwards connections to Redis and holds each answer back."""

    delay = 0.0

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", SLOW))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", REDIS))
            except OSError:
                client.close()
                continue
            for a, b, delayed in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.pump, args=(a, b, delayed), daemon=True).start()

    def pump(self, source: socket.socket, to: socket.socket, delayed: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self.delay if delayed else 0)
                to.sendall(data)
        source.close()
        to.close()


def await_metric(peer: peers.Peer, name: str, value: float) -> float:
    """How long it takes until a metric has that value."""
    began = time.monotonic()
    while lab.metrics(peer)[name] != value:
        time.sleep(0.005)
    return time.monotonic() - began


def await_store(peer: peers.Peer, up: float) -> float:
    """How long it takes until the store is up, or down."""
    return await_metric(peer, "gateway_rate_limit_store_up", up)


def latency(o: argparse.Namespace) -> None:
    with redis(), contextlib.ExitStack() as stack:
        targets = [gateway(0, ""), gateway(1, WIDE + ", scope: Cluster", f"--rate-limit-store=redis://127.0.0.1:{REDIS}")]
        for p in targets:
            stack.enter_context(lab.started(p))
        await_store(targets[1], 1)
        rows: list[list[dict]] = [[], []]
        for _ in range(o.rounds):
            for i, p in enumerate(targets):
                rows[i].append(lab.load(p, "-c", 50, "-t", o.seconds, "-r", 10000, "-s"))
        for name, list_ in zip(("without", "with"), rows):
            print(name, {q: statistics.median(r[q] for r in list_) for q in ("p50", "p90", "p99", "max")}, "us, errors", sum(r["errors"] for r in list_))
        m = lab.metrics(targets[1])
        print(f"{m['gateway_rate_limit_store_round_trips_total'] / m['gateway_rate_limit_store_requests_total']:.2f} round trips a decision, "
              f"{m['gateway_rate_limit_store_degraded_total']:.0f} decisions without the server")


def hot(o: argparse.Namespace) -> None:
    for algorithm, most in (("TokenBucket", 1000 + 100 * o.window), ("SlidingWindow", 100 * o.window)):
        with redis(), contextlib.ExitStack() as stack:
            limit = f"requests: 1000, period: 10s, algorithm: {algorithm}, scope: Cluster"
            targets = [gateway(i, limit, f"--rate-limit-store=redis://127.0.0.1:{REDIS}") for i in range(3)]
            for p in targets:
                stack.enter_context(lab.started(p))
            for p in targets:
                await_store(p, 1)
            loads = [lab.start_load(p, "-c", 10, "-t", o.window, "-r", 334, "-s", backends=i == 0) for i, p in enumerate(targets)]
            rows = [lab.answer(load) for load in loads]
            degraded = sum(lab.metrics(p)["gateway_rate_limit_store_degraded_total"] for p in targets)
        admitted, offered = sum(r["answered"] - r["errors"] for r in rows), sum(r["sent"] for r in rows)
        print(f"{algorithm}: {admitted} of {offered} admitted in {o.window} s; {degraded:.0f} decisions without the server"
              f"; at most {most}: {100 * admitted / most - 100:+.2f} %")


def shared(o: argparse.Namespace) -> None:
    """What is counted begins once the burst is spent, so that in a long time both algorithms admit the rate. A window admits its limit in bursts,
    of which a time holds more or less: a process that has the limit for itself is asked for as much at the same time, for comparison."""
    secret = peers.OUT / "limits-secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    addresses = [f"127.0.0.1:{MESH + i}" for i in range(3)]
    rate = 100  # a second
    for algorithm in ("TokenBucket", "SlidingWindow"):
        limit = f"requests: {10 * rate}, period: 10s, algorithm: {algorithm}, scope: "
        with contextlib.ExitStack() as stack:
            sharing = [gateway(i, limit + "Cluster", f"--rate-limit-peers-bind={bind}", f"--rate-limit-peers={','.join(addresses)}",
                               f"--rate-limit-peers-secret-file={secret}") for i, bind in enumerate(addresses)]
            single = gateway(3, limit + "Replica")
            for p in (*sharing, single):
                stack.enter_context(lab.started(p))
            for p in sharing:
                await_metric(p, "gateway_rate_limit_peers", 2)
            alike = [*((p, 334) for p in sharing), (single, 1002)]
            shifted = [(sharing[0], 1000), (single, 1000)]
            ask(alike, 10)
            stages = {"asked of all alike": ask(alike, o.window)}
            ask(shifted, 3)
            stages["from 3 s after all came to one"] = ask(shifted, o.window)
            follows = [follow(alike, shifted, 12 + 2.1 * i) for i in range(o.shifts)]
        for stage, (*admitted, by_single) in stages.items():
            print(f"{algorithm}: {stage}, {100 * sum(admitted) / rate / o.window:.1f} % of the limit in {o.window} s, "
                  f"{100 * sum(admitted) / by_single:.1f} % of what one process alone admits ({by_single})")
        for i, (admitted, by_single) in enumerate(follows):
            print(f"{algorithm}: shift {i + 1}, in the {REMEMBERED} s that end 4 s behind it {100 * admitted / 10 / rate:.1f} % of the limit, "
                  f"{100 * by_single / 10 / rate:.1f} % by one process alone")


def follow(alike: list[tuple[peers.Peer, int]], shifted: list[tuple[peers.Peer, int]], before: float) -> list[int]:
    """What each that is asked after a shift has admitted, along with the others, in the time that a window remembers: asked alike at first, as
    already for the time before, then three seconds alone, and at last for all that is left. Of a window, the time before says when in its burst
    the shift comes."""
    ask(alike, before)
    stages = [ask(alike, REMEMBERED - 4), ask(shifted, 3), ask([(p, 2000) for p, _ in shifted], 1)]
    return [sum(sum(admitted[:-1]) for admitted in stages), sum(admitted[-1] for admitted in stages)]


def ask(asked: list[tuple[peers.Peer, int]], seconds: float) -> list[int]:
    """How many of so many requests a second to each are admitted."""
    loads = [lab.start_load(p, "-c", 10, "-t", seconds, "-r", rate, "-s", backends=i == 0) for i, (p, rate) in enumerate(asked)]
    return [row["answered"] - row["errors"] for row in map(lab.answer, loads)]


def faults(o: argparse.Namespace) -> None:
    slow = Slow()
    with redis() as server, contextlib.ExitStack() as stack:
        p = gateway(0, WIDE + ", scope: Cluster", f"--rate-limit-store=redis://127.0.0.1:{SLOW}")
        stack.enter_context(lab.started(p))
        await_store(p, 1)

        def set_delay(seconds: float) -> None:
            slow.delay = seconds

        for name, begin, end in (("killed and restarted", server.kill, server.start), ("hung", server.hang, server.resume),
                                 ("slow by 300 ms", lambda: set_delay(0.3), lambda: set_delay(0))):
            load = lab.start_load(p, "-c", 50, "-t", 6, "-r", 2000, "-s")
            time.sleep(1.5)
            begin()
            down = await_store(p, 0)
            time.sleep(2)
            end()
            back = await_store(p, 1)
            row = lab.answer(load)
            print(f"{name}: noticed after {down * 1000:.0f} ms, back after {back * 1000:.0f} ms; {row['errors']} of {row['sent']} requests failed, "
                  f"p99 {row['p99']} us, p999 {row['p999']} us, max {row['max']} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=("redis", "hot", "shared", "faults"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--window", type=int, default=30, help="how long the hot key is asked for, in seconds")
    parser.add_argument("--shifts", type=int, default=5, help="how often the requests for a hot key come to one process alone")
    o = parser.parse_args()
    lab.prepare()
    {"redis": latency, "hot": hot, "shared": shared, "faults": faults}[o.figure](o)


if __name__ == "__main__":
    main()
