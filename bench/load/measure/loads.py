"""Scenarios that put a load on each peer in turn and take CPU time per request, rate and latency."""

import dataclasses
import time

from measure.figures import median, medians, ratio
from measure.peers import KINDS, HybridgeEpoll, HybridgeRing, Nginx, Peer
from measure.processes import Failure
from measure.world import World

WARM_UP = 0.4  # seconds before each measured time: connections stand, buffers and caches are as they stay
CALIBRATION = 1.0
LOG_PATIENCE = 1.5  # nginx's lines are written after a second at the latest


@dataclasses.dataclass(frozen=True)
class LoadScenario:
    name: str
    title: str
    host: str = "ec.bench.test"
    tls: bool = True
    path: str = "/1k"
    length: int = 1024
    upload: int = 0
    connections: int = 64
    streams: int = 0  # HTTP/2, so many requests at once on each connection
    requests_per_connection: int = 0
    resume: bool = False
    # Latency is taken at this share of what nginx does when saturated; the same rate for everybody.
    share: float = 0.25
    # Whether CPU time is taken at that rate too, instead of saturated.
    is_half_busy: bool = False
    both_logs: bool = False
    # What is aimed at: CPU time per request as a ratio to (nginx, HAProxy).
    epoll_target: tuple[float, float] | None = None
    ring_target: tuple[float, float] | None = None

    def options(self) -> dict:
        return {
            "tls": self.tls,
            "path": self.path,
            "length": self.length,
            "upload": self.upload or None,
            "connections": self.connections,
            "streams": self.streams or None,
            "requests_per_connection": self.requests_per_connection or None,
            "resume": self.resume,
        }

    def contestants(self, world: World) -> dict[str, Peer]:
        peers = {kind.name: world.peer(kind) for kind in KINDS}
        if self.both_logs:
            peers |= {f"{kind.name}, no log": world.peer(kind, logs=False) for kind in KINDS}
        return peers

    def run(self, world: World, options, say) -> dict:
        peers = self.contestants(world)
        rate = self._calibrate(world)
        say(f"latency at {rate:,.0f} a second" + ("; CPU at that rate too" if self.is_half_busy else ""))
        seen: dict[str, list[dict]] = {name: [] for name in peers}
        agreed: set[str] = set()
        for _ in range(options.rounds):
            for name, peer in peers.items():
                seen[name].append(self._round(world, peer, rate, options.seconds, agreed))
        if len(agreed) > 1:
            raise Failure(f"{self.name}: the peers did not do the same work: {sorted(agreed)}")
        notes = self._fell_behind(seen, rate) + self._lost_lines(peers, seen)
        return self._results(seen, rate, agreed) | {"notes": notes}

    @staticmethod
    def _fell_behind(seen: dict[str, list[dict]], rate: float) -> list[str]:
        """Whose latency at the fixed rate says only that it could not keep it."""
        behind = {name: sum(each["paced_rate"] < 0.95 * rate for each in rounds) for name, rounds in seen.items()}
        return [f"{name} did not keep the fixed rate in {count} rounds" for name, count in behind.items() if count]

    @staticmethod
    def _lost_lines(peers: dict[str, Peer], seen: dict[str, list[dict]]) -> list[str]:
        """Who wrote fewer lines in the last round than it answered requests: its figures are without that work."""
        time.sleep(LOG_PATIENCE)
        notes = []
        for name, peer in peers.items():
            wanted = seen[name][-1]["to_log"]
            if peer.logs and (lines := peer.log_lines()) < wanted:
                notes.append(f"{name} lost {1 - lines / wanted:.1%} of its log lines")
            peer.empty_log()
        return notes

    def _calibrate(self, world: World) -> float:
        peer = world.peer(Nginx)
        port = peer.https if self.tls else peer.http
        done = world.generator.run(
            f"{self.name}: nginx", port, self.host, mode="closed", warm_up=WARM_UP, seconds=CALIBRATION, **self.options()
        )
        return self.share * done["rate"]

    def _round(self, world: World, peer: Peer, rate: float, seconds: float, agreed: set[str]) -> dict:
        what = f"{self.name}: {peer.name}"
        port = peer.https if self.tls else peer.http
        common = {"warm_up": WARM_UP, "seconds": seconds, "cpu_of": ",".join(map(str, peer.process.pids()))}
        peer.empty_log()
        paced = world.generator.run(what, port, self.host, mode="open", rate=rate, **common, **self.options())
        done = paced
        if not self.is_half_busy:
            done = world.generator.run(what, port, self.host, mode="closed", **common, **self.options())
        if peer.process.is_dead():
            raise Failure(f"{what} ended by itself:\n{peer.process.last_words()}")
        if paced["requests"] == 0 or done["requests"] == 0:
            raise Failure(f"{what}: not one request was answered")
        agreed |= {each["tls"] for each in (paced, done) if "tls" in each}
        latency = paced["latency_us"]
        return {
            "cpu_us": done["cpu_ns"] / 1000 / done["requests"],
            "rate": done["rate"],
            "busy": done["cpu_ns"] / 1e9 / done["seconds"],
            "paced_rate": paced["rate"],
            "p50_us": latency["p50"],
            "p99_us": latency["p99"],
            "late": paced["unsent"],
            "to_log": done["requests"] + (0 if self.is_half_busy else paced["requests"]),
        }

    def _results(self, seen: dict[str, list[dict]], rate: float, agreed: set[str]) -> dict:
        peers = {}
        for name, rounds in seen.items():
            peers[name] = {"median": medians(rounds), "rounds": rounds}
            for other in ("nginx", "haproxy"):
                if name != other:
                    peers[name][f"cpu vs {other}"] = ratio(rounds, seen[other], "cpu_us")
            for kind, target in ((HybridgeRing, self.ring_target), (HybridgeEpoll, self.epoll_target)):
                if name == kind.name and target:
                    peers[name]["target"] = target
            if name.endswith(", no log"):
                with_log = seen[name.removesuffix(", no log")]
                cost = [a["cpu_us"] - b["cpu_us"] for a, b in zip(with_log, rounds, strict=True)]
                peers[name]["log_cost_us"] = median(cost)
        return {"kind": "load", "rate": rate, "tls": next(iter(agreed), None), "peers": peers}


MIB = 1 << 20
SCENARIOS = (
    LoadScenario(
        "plain",
        "HTTP/1.1 in clear text, 1 KiB, saturated",
        tls=False,
        epoll_target=(0.82, 0.82),
        ring_target=(0.52, 0.52),
    ),
    LoadScenario(
        "tls", "TLS, HTTP/1.1, 1 KiB, saturated", epoll_target=(0.75, 0.78), ring_target=(0.50, 0.50)
    ),
    LoadScenario(
        "tls-half",
        "TLS, HTTP/1.1, 1 KiB, half of nginx's saturation",
        share=0.5,
        is_half_busy=True,
        epoll_target=(0.88, 0.85),
        ring_target=(0.78, 0.75),
    ),
    LoadScenario(
        "h2",
        "TLS, HTTP/2, 1 KiB, saturated",
        connections=8,
        streams=16,
        epoll_target=(0.62, 0.82),
        ring_target=(0.42, 0.52),
    ),
    LoadScenario(
        "download",
        "TLS, 1 MiB down, saturated",
        path="/1m",
        length=MIB,
        connections=8,
        epoll_target=(0.90, 0.75),
        ring_target=(0.90, 0.75),
    ),
    LoadScenario("upload", "TLS, 10 MiB up, saturated", path="/sink", length=2, upload=10 * MIB, connections=4),
    LoadScenario(
        "ecdsa",
        "full ECDSA P-256 handshake and one request",
        requests_per_connection=1,
        connections=16,
        epoll_target=(0.88, 0.88),
        ring_target=(0.85, 0.85),
    ),
    LoadScenario(
        "rsa", "full RSA-2048 handshake and one request", host="rsa.bench.test", requests_per_connection=1, connections=16
    ),
    LoadScenario(
        "resumed",
        "resumed handshake and one request",
        requests_per_connection=1,
        connections=16,
        resume=True,
        epoll_target=(0.88, 0.85),
        ring_target=(0.78, 0.75),
    ),
    LoadScenario(
        "upstream-tls",
        "TLS on both sides, HTTP/1.1, 1 KiB, saturated",
        host="secure.bench.test",
        epoll_target=(0.68, 0.60),
        ring_target=(0.48, 0.45),
    ),
    LoadScenario("log", "TLS, HTTP/1.1, 1 KiB, saturated, access log on and off", both_logs=True),
)
