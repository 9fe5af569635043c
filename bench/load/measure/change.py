"""Scenarios of time: how long a change takes until it is served, and what a proxy adds to the backend's own latency."""

import json
import socket
import threading
import time

from measure.figures import median, percentile
from measure.peers import KINDS, HybridgeRing, Nginx, Peer
from measure.processes import PATIENCE, Failure
from measure.scale import names
from measure.world import World

PAGE = {"tls": True, "path": "/1k", "length": 1024}
RATE = 2000  # requests a second that go on during changes
DELTAS = 10  # changes of one host for each of the whole table: enough to tell a p99
PAUSE = 0.001  # seconds between two looks at whether a change is served


class Watcher:
    """Asks for a host, each time on a new connection, until it is served; tells when that was."""

    def __init__(self, port: int, host: str):
        self._port = port
        self._request = f"GET /1k HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        self.served_at: float | None = None
        if self._is_served():
            raise Failure(f"change: {host} is served before it was pushed")
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _is_served(self) -> bool:
        with socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE) as connection:
            connection.sendall(self._request)
            return connection.recv(100).startswith(b"HTTP/1.1 200")

    def _watch(self) -> None:
        give_up = time.monotonic() + 2 * PATIENCE
        while time.monotonic() < give_up:
            try:
                if self._is_served():
                    self.served_at = time.monotonic()
                    return
            except OSError:
                pass  # a worker that ends may hang up
            time.sleep(PAUSE)

    def wait(self) -> float:
        self._thread.join()
        if self.served_at is None:
            raise Failure("change: the new host was never served")
        return self.served_at


class ChangeScenario:
    """One more host among many, while requests go on."""

    name = "change"
    title = f"from push to served: one host more, under {RATE:,} requests a second"

    def run(self, world: World, options, say) -> dict:
        rows, measured = [], []
        for count in options.change_hosts:
            measured.append(self._one_host(world, count, options.changes * DELTAS))
            measured.append(self._whole_table(world, count, options.changes))
        for count in options.change_peer_hosts:
            measured.append(self._nginx(world, count, max(1, options.changes // 2)))
        for found in measured:
            served = found["served_ms"]
            rows.append(
                [
                    found["name"],
                    f"{found['hosts']:,}",
                    str(len(served)),
                    f"{median(served):,.1f}",
                    f"{percentile(served, 0.99):,.1f}",
                    f"{max(served):,.1f}",
                    f"{found['load']['latency_us']['p99'] / 1000:,.1f}",
                    f"{found['load']['latency_us']['max'] / 1000:,.0f}",
                    str(found["load"]["ended"]),
                    str(found["load"]["broken"]),
                ]
            )
        columns = ["", "hosts", "changes", "served ms", "p99", "at most", "load's p99 ms", "max ms", "closed", "broken"]
        notes = [
            "hybridge: PUT /v1/hosts/NAME, PUT /v1/snapshot of the whole table; nginx: a server block a host, -s reload",
            "closed: keep-alive connections of the load that a change ended; broken: during a request",
        ]
        return {"kind": "rows", "columns": columns, "rows": rows, "notes": notes, "measured": measured}

    def _one_host(self, world: World, count: int, changes: int) -> dict:
        peer = world.fresh(HybridgeRing).start()
        peer.put("/v1/snapshot", json.dumps(peer.snapshot(names(count))))
        host = json.dumps({"site": "ec.bench.test"})
        done = self._changes(
            world, peer, count, changes, lambda number: peer.put(f"/v1/hosts/new{number}.hosts.test", host)
        )
        return done | {"name": f"{peer.name}, one host"}

    def _whole_table(self, world: World, count: int, changes: int) -> dict:
        peer = world.fresh(HybridgeRing).start()
        documents = []
        for number in range(changes + 1):
            documents.append(json.dumps(peer.snapshot(names(count) + [f"new{i}.hosts.test" for i in range(number)])))
        peer.put("/v1/snapshot", documents.pop(0))
        done = self._changes(world, peer, count, changes, lambda number: peer.put("/v1/snapshot", documents[number]))
        return done | {"name": f"{peer.name}, whole table"}

    def _nginx(self, world: World, count: int, changes: int) -> dict:
        base = str(world.certificates / "ec")
        peer = world.fresh(Nginx)
        peer.serve(dict.fromkeys(names(count), base))
        peer.start()

        def prepare(number: int) -> None:
            peer.serve(dict.fromkeys(names(count) + [f"new{i}.hosts.test" for i in range(number + 1)], base))

        return self._changes(world, peer, count, changes, lambda _: peer.reload(), prepare)

    @staticmethod
    def _changes(world: World, peer: Peer, count: int, changes: int, push, prepare=lambda number: None) -> dict:
        load = world.generator.begin(
            peer.https,
            "ec.bench.test",
            mode="open",
            rate=RATE,
            seconds=3600,
            ends_with_input=True,
            survives_breaks=True,
            **PAGE,
        )
        served = []
        try:
            for number in range(changes):
                prepare(number)
                time.sleep(0.2)  # the load goes on evenly between two changes
                watcher = Watcher(peer.http, f"new{number}.hosts.test")
                began = time.monotonic()
                push(number)
                served.append((watcher.wait() - began) * 1000)
        finally:
            done = world.generator.result(load, 0, f"change: {peer.name}")
        peer.stop()
        return {"name": peer.name, "hosts": count, "served_ms": served, "load": done}


class LatencyScenario:
    """The same load straight to the backend and through each proxy, in turn."""

    name = "latency"
    title = "latency that a proxy adds, TLS, 1 KiB, 1,000 requests a second"
    rate = 1000

    def run(self, world: World, options, say) -> dict:
        targets = {"backend alone": world.backend.tls_port} | {kind.name: world.peer(kind).https for kind in KINDS}
        seen: dict[str, list[dict]] = {name: [] for name in targets}
        for _ in range(options.rounds):
            for name, port in targets.items():
                done = world.generator.run(
                    f"latency: {name}",
                    port,
                    "ec.bench.test",
                    mode="open",
                    rate=self.rate,
                    connections=16,
                    warm_up=0.4,
                    seconds=options.seconds,
                    **PAGE,
                )
                seen[name].append(done["latency_us"])
        rows = []
        for name, rounds in seen.items():
            added = [mine["p50"] - alone["p50"] for mine, alone in zip(rounds, seen["backend alone"], strict=True)]
            middle = {key: median([each[key] for each in rounds]) for key in ("p50", "p90", "p99")}
            spread = f"{median(added):.0f} ({min(added):.0f}..{max(added):.0f})" if name != "backend alone" else "-"
            rows.append([name, *(f"{middle[key]:,.0f}" for key in ("p50", "p90", "p99")), spread])
        columns = ["", "p50 us", "p90 us", "p99 us", "added to p50, us"]
        return {"kind": "rows", "columns": columns, "rows": rows, "measured": seen}


SCENARIOS = (LatencyScenario(), ChangeScenario())
