"""A storm of changes, and other sites' WebSockets and downloads in it: none is disturbed."""

import asyncio
import json
import resource
import time

import pytest

from harness.addresses import free_endpoint

PIECE = 16 * 1024
PAUSE = 0.05  # seconds between two pieces of a download


def piece_of(number: int) -> bytes:
    return number.to_bytes(8, "big") * (PIECE // 8)


async def serve_origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A customer's server: echoes what a WebSocket says, and sends a download for as long as somebody takes it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"upgrade: websocket" in head.lower():
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            while said := await reader.read(4096):
                writer.write(said)
                await writer.drain()
        else:
            pieces = int(head.split(b" ")[1][1:])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces * PIECE))
            for number in range(pieces):
                writer.write(piece_of(number))
                await writer.drain()
                await asyncio.sleep(PAUSE)
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


class Socket:
    """A client's WebSocket, as far as a proxy sees it: bytes both ways after the upgrade."""

    async def open(self, endpoint, host: str) -> "Socket":
        self.reader, self.writer = await asyncio.open_connection(*endpoint)
        self.writer.write(
            f"GET /socket.io/ HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return self

    async def echo(self, said: bytes) -> None:
        self.writer.write(said)
        assert await self.reader.readexactly(len(said)) == said


async def download(endpoint, host: str, pieces: int) -> float:
    """The longest pause between two pieces, in seconds."""
    reader, writer = await asyncio.open_connection(*endpoint, limit=1 << 20)
    writer.write(f"GET /{pieces} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    longest, before = 0.0, time.monotonic()
    for number in range(pieces):
        assert await reader.readexactly(PIECE) == piece_of(number)
        longest, before = max(longest, time.monotonic() - before), time.monotonic()
    writer.close()
    return longest


async def change(edge, which: int, until: float) -> int:
    """Changes hosts of its own, one call after the other; how many were acknowledged."""
    reader, writer = await asyncio.open_unix_connection(edge.directory / "admin.sock")
    count = 0
    while time.monotonic() < until:
        body = json.dumps({"redirect": f"r{count}.test"})
        host = f"h{count % 50}.storm{which}.test"
        writer.write(f"PUT /v1/hosts/{host} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        count += 1
        if b"connection: close" in head.lower():  # it has carried as many requests as one may
            writer.close()
            reader, writer = await asyncio.open_unix_connection(edge.directory / "admin.sock")
    writer.close()
    return count


async def storm(edge, origin, seconds: float, sockets: int, downloads: int, writers: int) -> int:
    """So many changes were made while nobody was disturbed."""
    server = await asyncio.start_server(serve_origin, *origin, backlog=2048)
    opened = []
    for first in range(0, sockets, 100):
        several = [Socket().open(edge.http, f"still{number % 10}.test") for number in range(first, min(first + 100, sockets))]
        opened += await asyncio.gather(*several)
    pieces = int(seconds / PAUSE)
    loads = [asyncio.create_task(download(edge.http, f"still{number % 10}.test", pieces)) for number in range(downloads)]
    until = time.monotonic() + seconds
    changes = [asyncio.create_task(change(edge, which, until)) for which in range(writers)]
    while time.monotonic() < until:
        # Some of them talk all the while; each is asked in turn.
        talkers = [opened.pop(0) for _ in range(min(50, len(opened)))]
        await asyncio.gather(*(talker.echo(b"still there?") for talker in talkers))
        opened += talkers
        await asyncio.sleep(0.2)
    made = sum(await asyncio.gather(*changes))
    pauses = await asyncio.gather(*loads)
    await asyncio.gather(*(each.echo(b"and after it") for each in opened))
    for each in opened:
        each.writer.close()
    server.close()
    print(f"{made / seconds:,.0f} changes a second, longest pause of a download {max(pauses):.2f} s")
    return made


@pytest.fixture
def stormy(make_edge):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    origin = free_endpoint()
    edge = make_edge({"redirect_to_https": False, "limits": {"upstream_connections": 4000, "requests_per_connection": 1_000_000}})
    for number in range(10):
        edge.routes["servers"]["still"] = {"endpoints": [{"address": origin[0], "port": origin[1]}]}
        edge.routes["sites"][f"still{number}.test"] = {"server": "still"}
    edge.put_routes()
    yield edge, origin
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def undisturbed(stormy, **options) -> int:
    edge, origin = stormy
    made = asyncio.run(storm(edge, origin, **options))
    reasons = {reason: edge.metric("requests_by_reason_total", reason=reason) for reason in ("client_gone", "upstream_truncated")}
    assert reasons == {"client_gone": 0, "upstream_truncated": 0}
    return made


def test_changes_disturb_no_other_site(stormy):
    assert undisturbed(stormy, seconds=4, sockets=300, downloads=10, writers=8) > 200


@pytest.mark.slow
def test_a_thousand_changes_a_second_for_a_minute_disturb_no_other_site(stormy):
    assert undisturbed(stormy, seconds=60, sockets=1000, downloads=20, writers=32) > 60_000
