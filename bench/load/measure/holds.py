"""What a hold costs and how it ends: memory of requests that wait, their order, and how soon they go on."""

import json
import selectors
import socket
import ssl
import threading
import time

from measure.figures import median
from measure.http2_waiters import Http2Waiters
from measure.peers import HybridgeEpoll, HybridgeRing
from measure.processes import PATIENCE, Failure
from measure.world import World

SETTLE = 1.0
SITE = "held.bench.test"
STREAMS = 80  # of an HTTP/2 connection


class Arrivals:
    """A site's server that notes when each request's first byte comes, and answers it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.seen: list[tuple[float, int]] = []  # (when, the number in its path)
        self.changed = threading.Condition()
        self.selector = selectors.DefaultSelector()
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.selector.register(connection, selectors.EVENT_READ)
                    continue
                try:
                    data = key.fileobj.recv(65536)
                except OSError:
                    data = b""
                now = time.perf_counter()
                if not data:
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()
                    continue
                key.fileobj.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                number = data.split(b" ", 2)[1][1:]
                if not number.isdigit():
                    continue  # somebody asks whether we are there
                with self.changed:
                    self.seen.append((now, int(number)))
                    self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.seen) >= count, 6 * PATIENCE):
                raise Failure(f"holds: {len(self.seen)} of {count} requests came to the server")


class Held:
    """A peer with a site that can be held, and clients that wait for it."""

    def __init__(self, world: World, kind: type, tls: bool):
        self.arrivals = Arrivals()
        self.peer = world.fresh(kind).start()
        self.tls = tls
        self.clients: list[socket.socket | Http2Waiters] = []
        document = self.peer.snapshot([])
        # By one connection, so that their order is seen as it was.
        document["servers"]["held"] = {
            "endpoints": [{"address": "127.0.0.1", "port": self.arrivals.port}],
            "limits": {"connections": 1, "waiting": 4096},
        }
        document["sites"][SITE] = {"server": "held"}
        self.peer.put("/v1/snapshot", json.dumps(document))
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.number = 0

    def call(self, method: str, path: str, document: dict | None = None) -> dict:
        status, text = self.peer.call(method, path, json.dumps(document) if document is not None else None)
        if status != 200:
            raise Failure(f"holds: {method} {path}: {status} {text[:300]}")
        return json.loads(text)

    def begin(self) -> float:
        began = time.perf_counter()
        self.call("POST", "/v1/holds?wait=drained", {"id": f"w{self.number}", "scope": {"site": SITE}})
        return time.perf_counter() - began

    def connect(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.peer.https if self.tls else self.peer.http), PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context.wrap_socket(plain, server_hostname=SITE) if self.tls else plain

    def fill(self, count: int) -> None:
        """So many requests, each on a connection of its own."""
        for number in range(count):
            client = self.connect()
            self.ask(client, number)
            self.clients.append(client)

    def fill_http2(self, count: int) -> None:
        """The same over HTTP/2: each has come before the next one is sent."""
        self.context.set_alpn_protocols(["h2"])
        for first in range(0, count, STREAMS):
            client = Http2Waiters(self.context, self.peer.https, SITE)
            client.ask(range(first, min(first + STREAMS, count)))
            self.clients.append(client)

    def ask(self, client: socket.socket, number: int) -> None:
        client.sendall(f"GET /{number} HTTP/1.1\r\nHost: {SITE}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n".encode())

    def wait_until_held(self, count: int) -> None:
        deadline = time.monotonic() + 6 * PATIENCE
        while (held := self.call("GET", f"/v1/holds/w{self.number}")["held"]) != count:
            if time.monotonic() > deadline:
                raise Failure(f"holds: {held} of {count} requests wait")
            time.sleep(0.02)

    def release(self, wait: str = "0") -> float:
        """When it was asked for."""
        asked = time.perf_counter()
        self.call("POST", f"/v1/holds/w{self.number}/release?wait={wait}", {})
        return asked

    def end(self) -> None:
        deadline = time.monotonic() + 6 * PATIENCE
        while self.call("GET", f"/v1/holds/w{self.number}")["state"] != "ended":
            if time.monotonic() > deadline:
                raise Failure("holds: the window does not end")
            time.sleep(0.01)
        self.number += 1

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.peer.stop()


class HoldsScenario:
    name = "holds"
    title = "requests that wait while their site is held"

    def run(self, world: World, options, say) -> dict:
        # Over HTTP/1.1 each of them is a connection, and descriptors are few.
        ways = (("plain", options.held // 4), ("TLS", options.held // 4), ("HTTP/2", options.held))
        rows, measured = [], {}
        for kind in (HybridgeRing, HybridgeEpoll):
            for way, count in ways:
                label = f"{kind.name}, {way}"
                found = measured[label] = self._measure(world, kind, way, count)
                rows.append(
                    [
                        label,
                        f"{count:,}",
                        f"{found['kib_each']:.1f}",
                        f"{found['first_byte_ms']:.2f}",
                        f"{found['drained_ms']:.1f}",
                        f"{found['release_s']:.2f}",
                        str(found["overtaken"]),
                    ]
                )
        columns = ["", "held", "KiB each", "release to first byte ms", "begin to drained ms", "all gone s", "overtaken"]
        notes = [
            "KiB each: with its connection; targets 4 plain, 20 with TLS. First byte: median of 50, target 1 ms",
            f"HTTP/2: {STREAMS} requests on each connection",
        ]
        return {"kind": "rows", "columns": columns, "rows": rows, "notes": notes, "measured": measured}

    def _measure(self, world: World, kind: type, way: str, count: int) -> dict:
        held = Held(world, kind, way != "plain")
        first_byte, drained = self._moments(held)
        time.sleep(SETTLE)
        before = held.peer.pss_kib()
        held.begin()
        if way == "HTTP/2":
            held.fill_http2(count)
        else:
            held.fill(count)
        held.wait_until_held(count)
        time.sleep(SETTLE)
        after = held.peer.pss_kib()
        seen = len(held.arrivals.seen)
        asked = held.release()
        held.arrivals.wait_for(seen + count)
        release = time.perf_counter() - asked
        order = [number for _, number in held.arrivals.seen[seen:]]
        held.end()
        held.close()
        if sorted(order) != list(range(count)):
            raise Failure("holds: a request was lost, or came twice")
        return {
            "kib_each": (after - before) / count,
            "first_byte_ms": median(first_byte) * 1e3,
            "drained_ms": median(drained) * 1e3,
            "release_s": release,
            "overtaken": sum(1 for at, number in enumerate(order) if at != number),
        }

    @staticmethod
    def _moments(held: Held) -> tuple[list[float], list[float]]:
        """Of fifty windows with one request: from release to its first byte upstream, and from begin to drained."""
        client = held.connect()
        held.clients.append(client)
        first_byte, drained = [], []
        for number in range(50):
            drained.append(held.begin())
            held.ask(client, number)
            held.wait_until_held(1)
            seen = len(held.arrivals.seen)
            asked = held.release()
            held.arrivals.wait_for(seen + 1)
            first_byte.append(held.arrivals.seen[-1][0] - asked)
            client.recv(65536)
            held.end()
        return first_byte, drained


SCENARIOS = (HoldsScenario(),)
