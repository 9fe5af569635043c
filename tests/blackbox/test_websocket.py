"""Upgrades: real WebSocket clients and servers, and tunnels byte by byte."""

import asyncio
import base64
import os
import signal
import ssl
import threading

import pytest
import websockets

from harness.messages import Truncated
from harness.scripted_origin import answering, ok
from harness.waiting import wait_until
from harness.websocket_origin import WebSocketOrigin

UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"


@pytest.fixture(scope="module")
def chat(edge):
    origin = WebSocketOrigin()
    edge.add_site("ws.scripted.test", origin)
    yield origin
    origin.close()


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def connect(edge, path: str = "/chat", **options):
    context = ssl.create_default_context(cadata=edge.authority.pem)
    return websockets.connect(f"wss://ws.scripted.test{path}", host=edge.https[0], port=edge.https[1], ssl=context, server_hostname="ws.scripted.test", max_size=None, ping_interval=None, **options)


@pytest.mark.parametrize("path", ["/", "/socket.io/?EIO=4&transport=websocket", "/any/path"])
def test_a_websocket_works_on_any_path(edge, chat, path):
    async def talk():
        async with connect(edge, path) as socket:
            await socket.send("path")
            assert await socket.recv() == path
            await socket.send("hello")
            assert await socket.recv() == "hello"

    run(talk())


def test_subprotocol_and_forwarded_headers_pass(edge, chat):
    async def talk():
        async with connect(edge, subprotocols=["frappe", "other"]) as socket:
            assert socket.subprotocol == "frappe"
            await socket.send("header X-Forwarded-Proto")
            assert await socket.recv() == "https"
            await socket.send("header Host")
            assert await socket.recv() == "ws.scripted.test"

    run(talk())


def test_messages_of_every_size_come_back_whole(edge, chat):
    async def talk():
        async with connect(edge, compression=None) as socket:
            for size in (0, 1, 125, 126, 65535, 65536, 1_000_000, 5_000_000):
                message = os.urandom(size)
                await socket.send(message)
                assert await socket.recv() == message

    run(talk())


def test_many_websockets_live_side_by_side(edge, chat):
    async def talk():
        sockets = [await connect(edge) for _ in range(100)]
        for number, socket in enumerate(sockets):
            await socket.send(str(number))
        assert [await socket.recv() for socket in sockets] == [str(number) for number in range(100)]
        assert edge.metric("connections", side="downstream", protocol="tunnel") >= 100
        await asyncio.gather(*(socket.close() for socket in sockets))

    run(talk())
    wait_until(lambda: edge.metric("connections", side="downstream", protocol="tunnel") == 0, "tunnels to end")


def test_close_codes_pass_both_ways(edge, chat):
    async def talk():
        chat.closed.clear()
        async with connect(edge) as socket:
            await socket.close(4002, "client is done")
        async with connect(edge) as socket:
            await socket.send("close 4001 bye")
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.recv()
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "bye")

    run(talk())
    assert (4002, "client is done") in chat.wait_for_closed(2)


def test_a_push_of_routes_does_not_touch_websockets(edge, chat, route):
    async def talk():
        async with connect(edge) as socket:
            for _ in range(5):
                await asyncio.to_thread(route, edge)
                await socket.send("still here")
                assert await socket.recv() == "still here"

    run(talk())


def test_an_upgrade_is_logged_once_with_its_bytes_when_it_ends(edge, chat):
    async def talk():
        async with connect(edge, "/logged/websocket", compression=None) as socket:
            await socket.send("x" * 1000)
            await socket.recv()

    run(talk())
    line = edge.logged(lambda line: line["path"] == "/logged/websocket", "the websocket")
    assert line["status"] == 101 and line["bytes_out"] >= 1000 and line["bytes_in"] >= 1000


# Tunnels, byte by byte ------------------------------------------------------------------------------------------------


def tunnelled(after):
    def script(connection):
        connection.read_head()
        connection.send(SWITCHED)
        after(connection)

    return script


def open_tunnel(routed, behind: bytes = b""):
    client = routed.client()
    client.send(f"GET /t HTTP/1.1\r\nHost: {routed.host}\r\n{UPGRADE}\r\n".encode() + behind)
    answer = client.response()
    assert answer.status == 101
    assert answer.text("upgrade").lower() == "websocket" and "upgrade" in answer.text("connection").lower()
    return client


def read_exactly(client, count: int) -> bytes:
    return client.reader.take(count)


def echo(connection):
    while piece := bytes(connection.reader.buffer) or connection._receive():
        connection.reader.buffer.clear()
        connection.send(piece)


def test_raw_bytes_pass_both_ways(plain, route):
    routed = route(plain, tunnelled(echo))
    with open_tunnel(routed) as client:
        for piece in (b"\x00\xff" * 10, b"GET / HTTP/1.1\r\n\r\n", os.urandom(100_000)):
            client.send(piece)
            assert read_exactly(client, len(piece)) == piece


def test_bytes_sent_behind_the_upgrade_arrive_in_the_tunnel(plain, route):
    """A client may not wait for the 101; what it sent is the tunnel's."""
    routed = route(plain, tunnelled(echo))
    with open_tunnel(routed, behind=b"early bytes") as client:
        assert read_exactly(client, 11) == b"early bytes"


def test_bytes_that_come_with_the_101_arrive(plain, route):
    def script(connection):
        connection.read_head()
        connection.send(SWITCHED + b"with the 101")
        connection.wait_for_end()

    routed = route(plain, script)
    with open_tunnel(routed) as client:
        assert read_exactly(client, 12) == b"with the 101"


def test_a_half_closed_client_still_gets_what_the_server_sends(plain, route):
    def script(connection):
        connection.wait_for_end()
        connection.send(b"after your end")

    routed = route(plain, tunnelled(script))
    with open_tunnel(routed) as client:
        client.send(b"last words")
        client.half_close()
        assert read_exactly(client, 14) == b"after your end"
        assert client.is_closed()
    routed.origin.wait_for_bytes(b"last words")


def test_a_half_closed_server_still_gets_what_the_client_sends(plain, route):
    def script(connection):
        connection.send(b"my end")
        connection.half_close()
        connection.wait_for_end()

    routed = route(plain, tunnelled(script))
    with open_tunnel(routed) as client:
        assert read_exactly(client, 6) == b"my end"
        assert client.is_closed()
        client.send(b"after your end")
        routed.origin.wait_for_bytes(b"after your end")


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_reset_of_one_side_ends_the_other(plain, route, who):
    ended = threading.Event()
    release = threading.Event()

    def script(connection):
        if who == "server":
            release.wait(10)
            connection.reset()
        else:
            connection.wait_for_end()
            ended.set()

    routed = route(plain, tunnelled(script))
    client = open_tunnel(routed)
    if who == "server":
        release.set()
        assert client.is_closed() or client.was_reset
        client.close()
    else:
        client.reset()
        assert ended.wait(10)


def test_an_idle_tunnel_is_ended(plain, route):
    """tunnel_idle is 2 s on this edge; each direction's bytes keep it alive."""
    routed = route(plain, tunnelled(echo))
    with open_tunnel(routed) as client:
        client.send(b"ping")
        assert read_exactly(client, 4) == b"ping"
        assert client.is_closed()
    line = plain.logged(lambda line: line["host"] == routed.host, "the idle tunnel")
    assert line["reason"] == "tunnel_idle"


def test_a_refused_upgrade_is_an_answer_and_the_connection_goes_on(plain, route):
    routed = route(plain, answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", ok(b"next")))
    with routed.client() as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {routed.host}\r\n{UPGRADE}\r\n".encode())
        assert client.response().status == 403
        try:
            assert client.get(routed.host).content == "next"
        except Truncated:  # closing after a refused upgrade is allowed
            pass


def test_a_slow_tunnel_reader_stops_the_server_and_costs_no_memory(plain, route):
    stopped = threading.Event()

    def script(connection):
        while connection.send(b"t" * 262144):
            pass
        stopped.set()

    routed = route(plain, tunnelled(script))
    plain.process.reset_peak_memory()
    before = plain.process.status_kib("VmRSS")
    client = open_tunnel(routed)
    with plain.plain_client() as other:
        for _ in range(50):
            assert other.get("site.test", "/small.txt").status == 200
    assert plain.process.status_kib("VmHWM") - before < 16 * 1024
    client.reset()
    assert stopped.wait(10)


def test_tunnels_are_closed_by_a_graceful_stop(make_edge, make_origin):
    stopping = make_edge({"redirect_to_https": False, "shutdown_timeout": "2s"})
    origin = make_origin(tunnelled(echo))
    stopping.add_site("drain.test", origin)
    client = stopping.plain_client()
    client.send(f"GET / HTTP/1.1\r\nHost: drain.test\r\n{UPGRADE}\r\n".encode())
    assert client.response().status == 101
    client.send(b"alive")
    assert read_exactly(client, 5) == b"alive"
    stopping.ask_to_end(signal.SIGTERM)
    while client.reader.fill():  # a Close frame of the edge may come first
        pass
    assert stopping.wait_for_end(10) == 0
    client.close()


def test_the_accept_key_is_the_servers(plain, route):
    """The edge does not take part in the handshake: whatever the server says passes."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    answer = SWITCHED.replace(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", b"whatever")

    def script(connection):
        connection.read_head()
        connection.send(answer)
        connection.wait_for_end()

    routed = route(plain, script)
    with routed.client() as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {routed.host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode())
        assert client.response().text("sec-websocket-accept") == "whatever"
    routed.origin.wait_for_bytes(b"permessage-deflate")
    routed.origin.wait_for_bytes(key.encode())
