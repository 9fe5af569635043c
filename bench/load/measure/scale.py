"""Scenarios of size: memory of idle connections, memory and boot with many hosts and certificates."""

import concurrent.futures
import json
import select
import socket
import ssl
import threading
import time

from measure import certificates
from measure.figures import median, medians, ratio
from measure.peers import KINDS, Haproxy, Hybridge, HybridgeEpoll, HybridgeRing, Nginx, Peer, with_workers
from measure.processes import PATIENCE, Failure
from measure.world import World

PAGE = {"tls": True, "path": "/1k", "length": 1024}
SETTLE = 1.5  # seconds after which a process has given back what it gives back


def warm(world: World, peer: Peer) -> None:
    """Every code path and pool that a few requests touch is there before memory is read."""
    world.generator.run(peer.name, peer.https, "ec.bench.test", mode="closed", connections=8, seconds=0.5, **PAGE)
    time.sleep(SETTLE)


class IdleScenario:
    name = "idle"
    title = "memory of idle TLS connections that have done one request"

    def run(self, world: World, options, say) -> dict:
        rows, measured = [], {}
        for kind in KINDS:
            peer = world.fresh(kind).start()
            warm(world, peer)
            before = peer.pss_kib()
            standing = world.generator.begin(
                peer.https, "ec.bench.test", mode="idle", connections=options.idle, **PAGE
            )
            self._wait_until_standing(world, standing, peer)
            time.sleep(SETTLE)
            after = peer.pss_kib()
            standing.stdin.close()
            standing.stdin = None
            world.generator.result(standing, 0, f"idle: {peer.name}")
            peer.stop()
            each = (after - before) / options.idle
            rows.append([peer.name, f"{options.idle:,}", f"{before / 1024:.1f}", f"{after / 1024:.1f}", f"{each:.1f}"])
            measured[peer.name] = {"before_kib": before, "after_kib": after, "kib_per_connection": each}
        columns = ["", "connections", "MiB before", "MiB with them", "KiB each"]
        return {"kind": "rows", "columns": columns, "rows": rows, "measured": measured}

    @staticmethod
    def _wait_until_standing(world: World, standing, peer: Peer) -> None:
        ready, _, _ = select.select([standing.stdout], [], [], 2 * PATIENCE)
        line = standing.stdout.readline() if ready else ""
        if "standing" not in line:
            standing.stdin.close()
            standing.stdin = None
            world.generator.result(standing, 0, f"idle: {peer.name}")
            raise Failure(f"idle: {peer.name}: the connections did not stand")


def names(count: int) -> list[str]:
    return [f"shop{number}.hosts.test" for number in range(count)]


class Upgrader:
    """A server that takes every upgrade and then says nothing."""

    def __enter__(self) -> "Upgrader":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *failure) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._taken:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._taken.append(connection)
            connection.recv(8192)
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")


class WebSocketsScenario:
    """Hybridge alone: the peers' configurations here carry no upgrades."""

    name = "websockets"
    title = "memory of idle WebSockets over TLS, each with its connection to the server"
    host = "ws.bench.test"

    def run(self, world: World, options, say) -> dict:
        rows, measured = [], {}
        count = options.idle // 5
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for kind in (HybridgeRing, HybridgeEpoll):
            peer = world.fresh(kind).start()
            with Upgrader() as server:
                table = peer.snapshot([])
                table["servers"]["tunnels"] = {"endpoints": [{"address": "127.0.0.1", "port": server.port}]}
                table["sites"][self.host] = {"server": "tunnels"}
                peer.put("/v1/snapshot", json.dumps(table))
                warm(world, peer)
                before = peer.pss_kib()
                clients = [self._upgraded(peer, context) for _ in range(count)]
                time.sleep(SETTLE)
                after = peer.pss_kib()
                for client in clients:
                    client.close()
            peer.stop()
            each = (after - before) / count
            rows.append([peer.name, f"{count:,}", f"{before / 1024:.1f}", f"{after / 1024:.1f}", f"{each:.1f}"])
            measured[peer.name] = {"before_kib": before, "after_kib": after, "kib_per_pair": each}
        columns = ["", "pairs", "MiB before", "MiB with them", "KiB each"]
        return {"kind": "rows", "columns": columns, "rows": rows, "measured": measured}

    def _upgraded(self, peer: Peer, context: ssl.SSLContext) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", peer.https), timeout=PATIENCE)
        client = context.wrap_socket(plain, server_hostname=self.host)
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
        client.sendall(f"GET / HTTP/1.1\r\nHost: {self.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n\r\n".encode())
        if not client.recv(1024).startswith(b"HTTP/1.1 101 "):
            raise Failure("websockets: no 101 came")
        return client


class WorkersScenario:
    """What workers share would show as time per request: the load runs beside them, so that rates do not tell."""

    name = "workers"
    title = "TLS, HTTP/1.1, 1 KiB, saturated: CPU time per request of one worker and of two, on any processor"

    def run(self, world: World, options, say) -> dict:
        rows, measured = [], {}
        for kind in (HybridgeRing, HybridgeEpoll, Nginx):
            peers = {count: world.fresh(with_workers(kind, count)).start() for count in (1, 2)}
            seen: dict[int, list[dict]] = {count: [] for count in peers}
            for _ in range(options.rounds):
                for count, peer in peers.items():
                    seen[count].append(self._round(world, peer, count, options))
            for count, peer in peers.items():
                peer.stop()
                against = ratio(seen[count], seen[1], "cpu_us") if count > 1 else {}
                spread = "{median:.2f} ({min:.2f}..{max:.2f})".format(**against) if against else "-"
                middle = medians(seen[count])
                rows.append([peer.name, f"{middle['cpu_us']:.1f}", f"{middle['rate']:,.0f}", spread])
                measured[peer.name] = seen[count]
        columns = ["", "CPU us", "a second", "CPU to one worker"]
        return {"kind": "rows", "columns": columns, "rows": rows, "measured": measured}

    @staticmethod
    def _round(world: World, peer: Peer, count: int, options) -> dict:
        cpu_of = ",".join(map(str, peer.process.pids()))
        common = {"mode": "closed", "warm_up": 0.4, "seconds": options.seconds, "connections": 64 * count, "cpu_of": cpu_of}
        done = world.generator.run(f"workers: {peer.name}", peer.https, "ec.bench.test", **common, **PAGE)
        return {"cpu_us": done["cpu_ns"] / 1000 / done["requests"], "rate": done["rate"]}


class HostsScenario:
    """Hybridge has them by its API and starts from its state; the others read files, and as many as they can bear."""

    name = "hosts"
    title = "memory and boot with many hosts, each with its own certificate"
    in_use = 500  # certificates that are asked for after boot

    def run(self, world: World, options, say) -> dict:
        key = certificates.ec_key()
        rows, measured = [], {}
        for measure, count in (
            (self._hybridge, options.hosts),
            (self._nginx, options.peer_hosts),
            (self._haproxy, options.peer_hosts),
        ):
            found = measure(world, names(count), key, say)
            measured[found["name"]] = found
            in_use = found.get("kib_in_use")
            rows.append(
                [
                    found["name"],
                    f"{count:,}",
                    f"{found['boot_s']:.2f}",
                    f"{found['boot_s'] / count * 1e6:,.0f}",
                    f"{found['bytes_each']:,.0f}",
                    f"{in_use:.1f}" if in_use else "all are",
                ]
            )
        columns = ["", "hosts", "boot s", "boot us a host", "bytes a host", "KiB more when in use"]
        notes = [
            "bytes a host: with its certificate; Hybridge's is {host_bytes:,.0f} for the host"
            " and {certificate_bytes:,.0f} for the certificate".format(**measured["hybridge ring"]),
            "pushed in {push_hosts_s:.2f} s (hosts) and {push_certificates_s:.1f} s (certificates)".format(
                **measured["hybridge ring"]
            ),
        ]
        return {"kind": "rows", "columns": columns, "rows": rows, "notes": notes, "measured": measured}

    def _hybridge(self, world: World, hosts: list[str], key, say) -> dict:
        peer = world.fresh(HybridgeRing).start()
        empty, _ = self._boot(peer)
        began = time.monotonic()
        peer.put("/v1/snapshot", json.dumps(peer.snapshot(hosts)))
        push_hosts = time.monotonic() - began
        with_hosts, _ = self._boot(peer)
        say(f"pushing {len(hosts):,} certificates")
        began = time.monotonic()
        self._push_certificates(world, peer, hosts, key)
        push_certificates = time.monotonic() - began
        boots = [self._boot(peer) for _ in range(3)]
        full = median([memory for memory, _ in boots])
        boot = median([seconds for _, seconds in boots])
        used = hosts[-self.in_use :]
        for host in used:
            self._ask(world, peer, host)
        time.sleep(SETTLE)
        in_use = (peer.pss_kib() - full) / len(used)
        peer.stop()
        return {
            "name": peer.name,
            "count": len(hosts),
            "boot_s": boot,
            "bytes_each": (full - empty) * 1024 / len(hosts),
            "host_bytes": (with_hosts - empty) * 1024 / len(hosts),
            "certificate_bytes": (full - with_hosts) * 1024 / len(hosts),
            "kib_in_use": in_use,
            "push_hosts_s": push_hosts,
            "push_certificates_s": push_certificates,
        }

    @staticmethod
    def _push_certificates(world: World, peer: Hybridge, hosts: list[str], key) -> None:
        """One call each: there is no call for many. Eight at once, so that the disk can join their commits."""
        pem = certificates.key_pem(key)

        def push(some: list[str]) -> None:
            connection = peer.connect()
            for host in some:
                peer.put_certificate(host, world.authority.chain(key, host), pem, connection)
            connection.close()

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(push, [hosts[first::8] for first in range(8)]))

    def _nginx(self, world: World, hosts: list[str], key, say) -> dict:
        peer = world.fresh(Nginx)
        return self._from_files(world, peer, hosts, lambda folder: peer.serve({h: f"{folder}/{h}" for h in hosts}), key)

    def _haproxy(self, world: World, hosts: list[str], key, say) -> dict:
        peer = world.fresh(Haproxy)
        return self._from_files(world, peer, hosts, lambda folder: peer.serve(hosts, folder / "both"), key)

    def _from_files(self, world: World, peer: Peer, hosts: list[str], configure, key) -> dict:
        empty, _ = self._boot(peer)
        folder = world.directory / "hosts"
        if not folder.is_dir():
            (folder / "both").mkdir(parents=True)
            pem = certificates.key_pem(key)
            for host in hosts:
                chain = world.authority.chain(key, host)
                (folder / f"{host}.pem").write_text(chain)
                (folder / f"{host}.key").write_text(pem)
                (folder / "both" / f"{host}.pem").write_text(chain + pem)
        configure(folder)
        full, boot = self._boot(peer)
        self._ask(world, peer, hosts[-1])
        peer.stop()
        return {"name": peer.name, "count": len(hosts), "boot_s": boot, "bytes_each": (full - empty) * 1024 / len(hosts)}

    @staticmethod
    def _boot(peer: Peer) -> tuple[int, float]:
        """Starts it (anew): (memory in KiB, seconds until it answered)."""
        peer.stop()
        began = time.monotonic()
        peer.start()
        seconds = time.monotonic() - began
        time.sleep(SETTLE)
        return peer.pss_kib(), seconds

    @staticmethod
    def _ask(world: World, peer: Peer, host: str) -> None:
        """It serves the host, with the host's own certificate."""
        client = ssl.create_default_context(cafile=str(world.certificates / "ca.pem"))
        with socket.create_connection(("127.0.0.1", peer.https), timeout=PATIENCE) as plain:
            with client.wrap_socket(plain, server_hostname=host) as connection:
                connection.sendall(f"GET /1k HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                if not connection.recv(100).startswith(b"HTTP/1.1 200"):
                    raise Failure(f"hosts: {peer.name} does not serve {host}")

SCENARIOS = (IdleScenario(), WebSocketsScenario(), WorkersScenario(), HostsScenario())
