"""WebSockets over HTTP/2 (RFC 8441), bridged to the upgrades of HTTP/1.1 that servers know."""

import base64
import hashlib

from harness.http2_client import Http2Client
from harness.scripted_origin import answering, ok
from harness.websocket_origin import WebSocketOrigin


def websocket_frame(payload: bytes, opcode: int = 1) -> bytes:
    mask = b"\x01\x02\x03\x04"
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def connect_websocket(connection, target: str = "/chat", **changes) -> int:
    stream = connection.next_stream()
    fields = connection.fields("CONNECT", target, [("sec-websocket-version", "13"), ("origin", "https://a.test")], **({"protocol": "websocket"} | changes))
    connection.send(connection.headers_frame(stream, fields, ends=False))
    return stream


def test_a_websocket_comes_by_http2(edge):
    chat = WebSocketOrigin()
    host = edge.add_site("h2ws.scripted.test", chat)
    with Http2Client(edge, host) as connection:
        connection.round_trip()
        assert connection.settings[8] == 1  # ENABLE_CONNECT_PROTOCOL
        stream = connect_websocket(connection)
        answer = connection.answer(stream)
        connection.wait_for(lambda: answer.headers)
        assert answer.status == 200 and not answer.text("sec-websocket-accept") and not answer.text("upgrade")
        connection.send_data(stream, websocket_frame(b"hello"), ends=False)
        connection.wait_for(lambda: answer.body == b"\x81\x05hello")
        assert connection.get("/missing").status in (400, 404, 426)  # other streams go on beside it
        connection.send_data(stream, websocket_frame(b"\x03\xe8", 8), ends=False)
        connection.wait_for(lambda: answer.is_over)
    assert chat.wait_for_closed(1)[0][0] == 1000
    line = edge.logged(lambda line: line["path"] == "/chat" and line["host"] == host, "the WebSocket")
    assert line["reason"] == "upgraded" and line["protocol"] == "HTTP/2.0"
    chat.close()


def test_a_websocket_ends_with_its_stream(edge):
    chat = WebSocketOrigin()
    host = edge.add_site("h2left.scripted.test", chat)
    with Http2Client(edge, host) as connection:
        stream = connect_websocket(connection)
        connection.wait_for(lambda: connection.answer(stream).headers)
        connection.cancel(stream)
        assert chat.wait_for_closed(1)
        connection.round_trip()
    chat.close()


def test_a_refused_websocket_is_an_answer(http2_client):
    connection = http2_client(answering(ok(b"not here", status=b"403 Forbidden")))
    stream = connect_websocket(connection)
    answer = connection.response(stream)
    assert (answer.status, answer.body, answer.ended) == (403, b"not here", True)
    seen = connection.origin.only_request()
    assert seen.start_line == b"GET /chat HTTP/1.1" and seen.get("upgrade") == b"websocket"
    assert len(base64.b64decode(seen.get("sec-websocket-key"))) == 16


def test_a_server_that_does_not_understand_the_key_is_a_502(http2_client):
    connection = http2_client(answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bm9uc2Vuc2U=\r\n\r\n"))
    answer = connection.response(connect_websocket(connection))
    assert answer.status == 502 and answer.text("x-hybridge-reason") == "upstream_malformed"


def test_only_websockets_may_be_connected(http2_client):
    connection = http2_client()
    other = connection.response(connect_websocket(connection, protocol="connect-udp"))
    assert other.status == 405
    plain_connect = connection.get(method="CONNECT", path=None, scheme=None)
    assert plain_connect.status == 405
    assert connection.origin.saw_nothing()


def accept_of(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def test_a_tunnel_passes_half_closes_on(http2_client):
    def script(connection):
        request = connection.read_request()
        key = request.get("sec-websocket-key")
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept_of(key) + b"\r\n\r\n")
        while connection._receive():
            pass
        connection.send(b"bye")

    connection = http2_client(script)
    stream = connect_websocket(connection)
    answer = connection.answer(stream)
    connection.wait_for(lambda: answer.headers)
    connection.send_data(stream, b"last words")
    assert connection.response(stream).body == b"bye" and answer.ended
    assert bytes(connection.origin.connections[0].received).endswith(b"last words")
