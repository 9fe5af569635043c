"""A client that does nothing wrong, beside those that do: how long its requests take, before and meanwhile.

Machines differ and are busy, so times are compared within a run, by their lower quartile: what other processes do to
single requests is not the edge's doing.
"""

import statistics
import time

from harness.tls_client import client_context

# An attack may cost the honest client something (it shares the processor with the attacker's side too), not its service.
MOST = 8.0
NOISE = 0.1  # seconds; below that a ratio says nothing on a busy machine, and who is kept out waits for far longer


class HonestClient:
    def __init__(self, edge, host: str, with_tls: bool = False):
        self._edge = edge
        self._host = host
        self._context = client_context(edge.authority, check=False) if with_tls else None
        self._usual = 0.0

    def _connect(self):
        if self._context is not None:
            return self._edge.tls_client(self._host, self._context)
        return self._edge.plain_client()

    def times(self, count: int) -> list[float]:
        """Of requests on connections of their own, with a second one on each: accept, handshake, request."""
        taken = []
        for _ in range(count):
            began = time.monotonic()
            with self._connect() as client:
                for _ in range(2):
                    assert client.get(self._host).status == 200
            taken.append(time.monotonic() - began)
        return taken

    def learn(self, count: int = 20) -> "HonestClient":
        self._usual = self._quartile(self.times(count))
        return self

    def is_served_as_usual(self, count: int = 20) -> None:
        now = self._quartile(self.times(count))
        assert now < MOST * self._usual + NOISE, f"{now * 1e3:.1f} ms a visit, {self._usual * 1e3:.1f} ms without attack"

    @staticmethod
    def _quartile(times: list[float]) -> float:
        return statistics.quantiles(times, n=4)[0]


class Meter:
    """What the edge used between two looks."""

    def __init__(self, edge):
        self._process = edge.process
        self.reset()

    def reset(self) -> None:
        self._cpu = self._process.cpu_seconds()
        self._kib = self._process.status_kib("VmRSS")
        self._began = time.monotonic()

    def cpu_share(self) -> float:
        """Of one processor."""
        return (self._process.cpu_seconds() - self._cpu) / (time.monotonic() - self._began)

    def more_kib(self) -> int:
        return self._process.status_kib("VmRSS") - self._kib
