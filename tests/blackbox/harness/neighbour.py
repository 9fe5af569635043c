"""How another tenant's site fares meanwhile: latencies through the edge, and beside them of the same server asked
directly, which tell what the machine itself and the measuring cost at that moment.
"""

import asyncio
import threading
import time
from dataclasses import dataclass, field

from harness.crowd import Line
from harness.waiting import PATIENCE


@dataclass
class Sample:
    at: float
    seconds: float


def p99(samples: list[Sample]) -> float:
    ordered = sorted(sample.seconds for sample in samples)
    return ordered[int(len(ordered) * 0.99)] if ordered else 0.0


@dataclass
class Neighbour:
    """Two askers, each in turn through the edge and directly. Its own thread and loop, so that the crowd's are not measured."""

    edge: tuple[str, int]
    server: tuple[str, int]
    host: str
    target: str = "/small.txt"
    through: list[Sample] = field(default_factory=list)
    direct: list[Sample] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self):
        self._is_over = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> "Neighbour":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._is_over = True
        self._thread.join(4 * PATIENCE)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        await asyncio.gather(self._ask_on(), self._ask_on())

    async def _ask_on(self) -> None:
        lines = ((Line(self.edge, None, self.host), self.through), (Line(self.server, None, self.host), self.direct))
        while not self._is_over:
            for line, samples in lines:
                began = time.monotonic()
                try:
                    await line.send("GET", self.target, {})
                    status, _ = await asyncio.wait_for(line.receive(), PATIENCE)
                except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as fault:
                    status = f"{type(fault).__name__}: {fault}"
                    line.close()
                samples.append(Sample(began, time.monotonic() - began))
                if status != 200:
                    self.faults.append(f"{self.host}: {status}")
                await asyncio.sleep(0.01)
        for line, _ in lines:
            line.close()


__all__ = ["Neighbour", "Sample", "p99"]
