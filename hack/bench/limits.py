"""What rate limits cost, how well replicas hold one together, and what a failing store does to requests:

  replica   CPU that a limit in memory adds to a request
  redis     latency that a limit in Redis adds at 10,000 requests/s
  hot       three processes share a hot key in Redis: 1,000 in 10 s, offered ten times that
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

import lab
import peers

REDIS = 16379
SLOW = 16380  # a way to the same server that can be made slow

ROUTE = """apiVersion: gateway.penstock.io/v1alpha1
kind: GatewayRoute
metadata: {name: bench, namespace: bench}
spec:
  rules: [{backends: [{service: backend, port: http}]}]
"""
POLICY = """apiVersion: gateway.penstock.io/v1alpha1
kind: RateLimitPolicy
metadata: {name: bench, namespace: bench}
spec:
  targetRefs: [{group: gateway.penstock.io, kind: GatewayRoute, name: bench}]
  limits: [{name: per-client, key: [{type: Header, name: X-Api-Key}], %s}]
"""
WIDE = "requests: 1000000000, period: 1s"


def gateway(name: str, number: int, limit: str, *flags: str) -> peers.Peer:
    """A process with one route and, unless it is empty, one limit on it."""
    where = peers.OUT / name
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    peers.write(where / "service.yaml", peers.PENSTOCK_SERVICE)
    peers.write(where / "endpoints.yaml", "---\n".join(peers.penstock_slice(port, True) for port in peers.ENDPOINTS))
    peers.write(where / "route.yaml", ROUTE)
    if limit:
        peers.write(where / "policy.yaml", POLICY % limit)
    port, admin = 8100 + number, 8200 + number
    command = [str(peers.ROOT / "bin/penstock"), "standalone", "-f", str(where), "--drain-delay=0s", f"--http-port={port}",
               "--https-port=0", f"--admin-address=127.0.0.1:{admin}", "--debug-address=", *flags]
    return peers.Peer(name, port, command, admin=admin)


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


def await_store(peer: peers.Peer, up: float) -> float:
    """How long it takes until the store is up, or down."""
    began = time.monotonic()
    while lab.metrics(peer)["gateway_rate_limit_store_up"] != up:
        time.sleep(0.005)
    return time.monotonic() - began


def replica(o: argparse.Namespace) -> None:
    targets = [gateway("limits-none", 0, ""), gateway("limits-replica", 1, WIDE)]
    with contextlib.ExitStack() as stack:
        running = [(p, stack.enter_context(lab.started(p, "--access-log=/dev/null"))) for p in targets]
        costs: list[list[float]] = [[], []]
        for _ in range(o.rounds):
            for i, (peer, process) in enumerate(running):
                before = lab.cpu_of(process.pid)
                row = lab.load(peer, "-c", 50, "-t", o.seconds, "-r", 10000, "-s")
                assert row["errors"] == 0, row
                costs[i].append((lab.cpu_of(process.pid) - before) / row["answered"])
    print(f"CPU a request without {statistics.median(costs[0]):.2f} us, with {statistics.median(costs[1]):.2f} us, "
          f"difference (median of rounds) {statistics.median(b - a for a, b in zip(*costs)):.2f} us")


def latency(o: argparse.Namespace) -> None:
    with redis(), contextlib.ExitStack() as stack:
        targets = [gateway("limits-none", 0, ""), gateway("limits-redis", 1, WIDE + ", scope: Cluster", f"--rate-limit-store=redis://127.0.0.1:{REDIS}")]
        for p in targets:
            stack.enter_context(lab.started(p, "--access-log=/dev/null"))
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
            targets = [gateway(f"limits-{i}", i, limit, f"--rate-limit-store=redis://127.0.0.1:{REDIS}") for i in range(3)]
            for p in targets:
                stack.enter_context(lab.started(p, "--access-log=/dev/null"))
            for p in targets:
                await_store(p, 1)
            loads = [lab.start_load(p, "-c", 10, "-t", o.window, "-r", 334, "-s", backends=i == 0) for i, p in enumerate(targets)]
            rows = [lab.answer(load) for load in loads]
            degraded = sum(lab.metrics(p)["gateway_rate_limit_store_degraded_total"] for p in targets)
        admitted, offered = sum(r["answered"] - r["errors"] for r in rows), sum(r["sent"] for r in rows)
        print(f"{algorithm}: {admitted} of {offered} admitted in {o.window} s; {degraded:.0f} decisions without the server"
              f"; at most {most}: {100 * admitted / most - 100:+.2f} %")


def faults(o: argparse.Namespace) -> None:
    slow = Slow()
    with redis() as server, contextlib.ExitStack() as stack:
        p = gateway("limits-faults", 0, WIDE + ", scope: Cluster", f"--rate-limit-store=redis://127.0.0.1:{SLOW}")
        stack.enter_context(lab.started(p, "--access-log=/dev/null"))
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
    parser.add_argument("figure", choices=("replica", "redis", "hot", "faults"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--window", type=int, default=30, help="how long the hot key is asked for, in seconds")
    o = parser.parse_args()
    lab.prepare()
    {"replica": replica, "redis": latency, "hot": hot, "faults": faults}[o.figure](o)


if __name__ == "__main__":
    main()
