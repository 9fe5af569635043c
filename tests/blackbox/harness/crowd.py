"""A site's users: some two hundred clients on an event loop of their own, each with a character, and a journal.

What a client asks, when, and how it ended is an Act. A client asks one thing after the other, or two at once on one
connection; some leave before they have their answer. An answer that is not a 200, a broken connection, silence beyond
the client's deadline: all of that is an error to its user, and is written down as one.
"""

import asyncio
import contextlib
import hashlib
import json
import random
import ssl
import threading
import time
from dataclasses import dataclass, field

import websockets

from harness.waiting import SLOWNESS, wait_until

KIB = 1024
NAVIGATION_SECONDS = 30.0 * SLOWNESS
API_SECONDS = 60.0 * SLOWNESS
LEFT = "left"


@dataclass
class Act:
    client: str
    kind: str  # page, read, write, upload, large_upload, message
    id: str
    began: float
    digest: str = ""
    ended: float = 0.0
    outcome: int | str = ""  # a status, LEFT, or what went wrong; "": it still waits
    answer: bytes = b""

    @property
    def is_error(self) -> bool:
        return self.outcome not in (200, LEFT, "")

    @property
    def is_stopped(self) -> bool:
        return self.outcome == 503 and b"SessionStopped" in self.answer

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def writes(self) -> bool:
        return self.kind in ("write", "upload", "large_upload")


class Line:
    """One HTTP/1.1 connection of a client; made anew when the server has said that it closes."""

    def __init__(self, endpoint: tuple[str, int], tls: ssl.SSLContext | None, host: str):
        self._endpoint, self._tls, self._host = endpoint, tls, host
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def _open(self) -> None:
        if self._writer is None:
            name = self._host if self._tls else None
            self._reader, self._writer = await asyncio.open_connection(*self._endpoint, ssl=self._tls, server_hostname=name)

    async def send(self, method: str, target: str, fields: dict, body: bytes = b"") -> None:
        await self._open()
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}", *(f"{name}: {value}" for name, value in fields.items())]
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def receive(self) -> tuple[int, bytes]:
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        body = await self._reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            self.close()
        return int(lines[0].split(" ")[1]), body

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    def reset(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


@dataclass
class Numbers:
    """How many clients of each kind."""

    readers: int = 90
    writers: int = 60
    pairs: int = 10  # two POSTs at once on one connection
    uploaders: int = 20
    sockets: int = 20
    encrypted: int = 20  # of the readers and writers, one in so many
    upload_bytes: tuple[int, int] = (4 * KIB, 48 * KIB)
    large_upload_bytes: tuple[int, int] = (200 * KIB, 1024 * KIB)
    large_share: float = 0.3  # of the uploads
    leaving: float = 0.06  # of the requests
    pause: float = 0.5  # seconds between two requests of a client, on the average


@dataclass
class Crowd:
    edge: object  # Hybridge
    host: str
    tls: ssl.SSLContext
    numbers: Numbers = field(default_factory=Numbers)
    seed: int = 1

    def __post_init__(self):
        self.acts: list[Act] = []  # appended to by the loop's thread alone
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._is_over = False
        self._visitors = 0
        self._tasks: list[asyncio.Task] = []

    # For the test's thread -------------------------------------------------------------------------------------------

    def start(self) -> "Crowd":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result()
        return self

    def stop(self, seconds: float = API_SECONDS) -> None:
        """Each client ends what it is at, and no more."""
        self._is_over = True
        asyncio.run_coroutine_threadsafe(asyncio.wait(self._tasks), self._loop).result(seconds)
        failures = [task.exception() for task in self._tasks if task.exception()]
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if failures:
            raise failures[0]

    def visit(self, count: int) -> None:
        """Newcomers, who ask for one thing each and go: by turns a page, a count and a POST."""
        asyncio.run_coroutine_threadsafe(self._welcome(count), self._loop).result()

    def errors(self) -> list[Act]:
        return [act for act in list(self.acts) if act.is_error]

    def wait_for(self, what: str, count: int, of) -> None:
        """Until so many of the acts are as `of` says."""
        wait_until(lambda: sum(1 for act in list(self.acts) if of(act)) >= count, what, 60 * SLOWNESS)

    # On the loop -----------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        numbers = self.numbers
        for index in range(numbers.readers):
            self._add(self._read, f"r{index}", index)
        for index in range(numbers.writers):
            self._add(self._write, f"w{index}", index)
        for index in range(numbers.pairs):
            self._add(self._write_in_pairs, f"p{index}", 1)
        for index in range(numbers.uploaders):
            self._add(self._upload, f"u{index}", 1)
        for index in range(numbers.sockets):
            self._add(self._talk, f"s{index}", index)

    async def _welcome(self, count: int) -> None:
        for _ in range(count):
            self._visitors += 1
            self._add((self._write, self._read)[self._visitors % 3 > 0], f"v{self._visitors}", 1, times=1)

    def _add(self, character, name: str, index: int, **options) -> None:
        dice = random.Random(f"{self.seed} {name}")
        is_encrypted = index % self.numbers.encrypted == 0
        line = Line(self.edge.https if is_encrypted else self.edge.http, self.tls if is_encrypted else None, self.host)
        self._tasks.append(self._loop.create_task(character(name, dice, line, **options)))

    async def _pause(self, dice: random.Random) -> None:
        await asyncio.sleep(min(dice.expovariate(1 / self.numbers.pause), 6 * self.numbers.pause))

    def _act(self, client: str, kind: str, identity: str, body: bytes = b"") -> Act:
        act = Act(client, kind, identity, time.monotonic(), hashlib.sha256(body).hexdigest())
        self.acts.append(act)
        return act

    async def _ask(self, act: Act, dice: random.Random, line: Line, send, seconds: float) -> None:
        """Sends by `send()` and waits for the answer, or leaves before it has come."""
        leaves = dice.random() < self.numbers.leaving
        patience = dice.uniform(0, 0.4) if leaves else seconds
        try:
            await asyncio.wait_for(self._complete(act, line, send), patience)
        except asyncio.TimeoutError:
            act.outcome = LEFT if leaves else f"no answer within {seconds:.0f} s"
            (line.reset if dice.random() < 0.5 else line.close)()
        except (OSError, asyncio.IncompleteReadError) as fault:
            act.outcome = f"{type(fault).__name__}: {fault}"
            line.close()
        act.ended = time.monotonic()

    async def _complete(self, act: Act, line: Line, send) -> None:
        await send()
        act.outcome, act.answer = await line.receive()

    async def _turns(self, dice: random.Random, times: int | None):
        """The numbers of a client's turns, each after a pause, until the story is over or it has had them all."""
        number = 0
        while not self._is_over and number != times:
            if times is None:
                await self._pause(dice)
            number += 1
            yield number

    async def _read(self, name: str, dice: random.Random, line: Line, times: int | None = None) -> None:
        async for number in self._turns(dice, times):
            if dice.random() < 0.5:
                act = self._act(name, "page", f"{name}-{number}")
                fields = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
                target, seconds = f"/app/{act.id}", NAVIGATION_SECONDS
            else:
                act = self._act(name, "read", f"{name}-{number}")
                fields, target, seconds = {"Accept": "application/json"}, "/api/method/count", API_SECONDS
            await self._ask(act, dice, line, lambda: line.send("GET", target, fields), seconds)  # noqa: B023
        line.close()

    def _post(self, act: Act, line: Line, body: bytes, dice: random.Random):
        takes = f"&takes={dice.uniform(0.05, 0.3):.2f}" if dice.random() < 0.1 else ""
        fields = {"Accept": "application/json", "Content-Type": "application/octet-stream"}
        return line.send("POST", f"/api/method/{act.kind}?id={act.id}{takes}", fields, body)

    async def _write(self, name: str, dice: random.Random, line: Line, times: int | None = None) -> None:
        async for number in self._turns(dice, times):
            body = json.dumps({"id": f"{name}-{number}", "value": dice.random()}).encode()
            act = self._act(name, "write", f"{name}-{number}", body)
            await self._ask(act, dice, line, lambda: self._post(act, line, body, dice), API_SECONDS)  # noqa: B023
        line.close()

    async def _write_in_pairs(self, name: str, dice: random.Random, line: Line) -> None:
        number = 0
        while not self._is_over:
            await self._pause(dice)
            acts = []
            for _ in range(2):
                number += 1
                acts.append(self._act(name, "write", f"{name}-{number}", b"pair"))
            try:
                for act in acts:
                    await self._post(act, line, b"pair", dice)
                for act in acts:
                    act.outcome, act.answer = await asyncio.wait_for(line.receive(), API_SECONDS)
                    act.ended = time.monotonic()
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as fault:
                for act in acts:
                    if act.outcome == "":
                        act.outcome, act.ended = f"{type(fault).__name__}: {fault}", time.monotonic()
                line.close()
        line.close()

    async def _upload(self, name: str, dice: random.Random, line: Line) -> None:
        async for number in self._turns(dice, None):
            is_large = dice.random() < self.numbers.large_share
            sizes = self.numbers.large_upload_bytes if is_large else self.numbers.upload_bytes
            body = dice.randbytes(dice.randint(*sizes))
            act = self._act(name, "large_upload" if is_large else "upload", f"{name}-{number}", body)
            await self._ask(act, dice, line, lambda: self._post(act, line, body, dice), API_SECONDS)  # noqa: B023
        line.close()

    async def _talk(self, name: str, dice: random.Random, line: Line) -> None:
        """A WebSocket, open all the time: every message comes back, in order."""
        host, port = self.edge.http
        uri = f"ws://{self.host}/socket.io/?EIO=4&transport=websocket"
        async with contextlib.AsyncExitStack() as stack:
            socket = await stack.enter_async_context(websockets.connect(uri, host=host, port=port, ping_interval=None))
            async for number in self._turns(dice, None):
                act = self._act(name, "message", f"{name}-{number}")
                try:
                    await socket.send(act.id)
                    back = await asyncio.wait_for(socket.recv(), API_SECONDS)
                    act.outcome = 200 if back == act.id else f"came back as {back}"
                except (websockets.ConnectionClosed, asyncio.TimeoutError) as fault:
                    act.outcome = f"{type(fault).__name__}: {fault}"
                    return
                finally:
                    act.ended = time.monotonic()


__all__ = ["Act", "Crowd", "KIB", "LEFT", "Numbers"]
