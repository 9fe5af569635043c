"""RFC 9113, rule by rule: which error of the client ends a stream, which one the connection, and with what code.

Each case sends frames on a connection that has been greeted. What is allowed is answered; what is not is told by
RST_STREAM or GOAWAY, or by the connection's end, and the edge goes on.
"""

import struct
from dataclasses import dataclass

import pytest

from harness.http2_client import (
    COMPRESSION_ERROR,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    ContinuationFrame,
    DataFrame,
    Ended,
    HeadersFrame,
    Http2Client,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

HOST = "rules.scripted.test"


@pytest.fixture(scope="module")
def site(edge):
    from harness.scripted_origin import ScriptedOrigin

    origin = ScriptedOrigin()
    edge.add_site(HOST, origin)
    yield edge
    origin.close()


def raw(kind: int, flags: int, stream: int, payload: bytes = b"", length: int | None = None) -> bytes:
    length = len(payload) if length is None else length
    return struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def head(client, stream: int = 1, ends: bool = True, method: str = "GET", **more) -> bytes:
    return client.headers_frame(stream, client.fields(method, **more), ends=ends).serialize()


def in_two(block: bytes) -> bytes:
    first = HeadersFrame(1, block[:10], flags=["END_STREAM"])
    return first.serialize() + ContinuationFrame(1, block[10:], flags=["END_HEADERS"]).serialize()


def setting(number: int, value: int) -> bytes:
    return raw(4, 0, 0, struct.pack(">HI", number, value))


@dataclass(frozen=True)
class Rule:
    name: str  # section and sentence
    send: object  # of a client: bytes
    codes: tuple[int, ...] = ()  # of RST_STREAM or GOAWAY; (): it is allowed
    answered: bool = False  # and stream 1 gets its answer


RULES = [
    # What is allowed.
    Rule("4.1: unknown frames are passed over", lambda c: raw(0x77, 0xFF, 0, b"x") + head(c), answered=True),
    Rule("4.1: unknown flags are passed over", lambda c: raw(6, 0x16, 0, b"12345678") + head(c), answered=True),
    Rule("4.1: the reserved bit is passed over", lambda c: raw(6, 0, 0x80000000, b"12345678") + head(c), answered=True),
    Rule("5.1: PRIORITY of an idle stream", lambda c: PriorityFrame(5, depends_on=0, stream_weight=9).serialize() + head(c), answered=True),
    Rule("5.1: WINDOW_UPDATE of a half-closed stream", lambda c: head(c) + WindowUpdateFrame(1, 100).serialize(), answered=True),
    Rule("6.1: padded DATA", lambda c: head(c, ends=False, method="POST") + DataFrame(1, b"x", pad_length=9, flags=["PADDED", "END_STREAM"]).serialize(), answered=True),
    Rule("6.1: empty DATA ends a stream", lambda c: head(c, ends=False, method="POST") + DataFrame(1, b"", flags=["END_STREAM"]).serialize(), answered=True),
    Rule("6.2: HEADERS with a priority", lambda c: HeadersFrame(1, c.block(c.fields()), flags=["PRIORITY", "END_HEADERS", "END_STREAM"], depends_on=0, stream_weight=1).serialize(), answered=True),
    Rule("6.2: padded HEADERS", lambda c: HeadersFrame(1, c.block(c.fields()), flags=["PADDED", "END_HEADERS", "END_STREAM"], pad_length=7).serialize(), answered=True),
    Rule("6.5: unknown settings are passed over", lambda c: setting(0xFF, 1) + head(c), answered=True),
    Rule("6.5.2: a larger frame size", lambda c: setting(5, (1 << 24) - 1) + head(c), answered=True),
    Rule("6.10: a head in two pieces", lambda c: in_two(c.block(c.fields())), answered=True),
    Rule("RFC 9218 7.1: a priority told before", lambda c: raw(0x10, 0, 0, struct.pack(">I", 1) + b"u=1") + head(c), answered=True),
    # Frames and streams.
    Rule("4.2: a frame larger than told", lambda c: head(c, ends=False, method="POST") + raw(0, 1, 1, b"x" * 16385), (FRAME_SIZE_ERROR,)),
    Rule("4.2: a larger HEADERS frame", lambda c: raw(1, 5, 1, b"\0" * 16385), (FRAME_SIZE_ERROR,)),
    Rule("4.3: a block that does not decode", lambda c: raw(1, 5, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"), (COMPRESSION_ERROR,)),
    Rule("4.3: another frame inside a block", lambda c: HeadersFrame(1, c.block(c.fields()), flags=["END_STREAM"]).serialize() + PingFrame(0, b"12345678").serialize(), (PROTOCOL_ERROR,)),
    Rule("4.3: another stream's frame inside a block", lambda c: HeadersFrame(1, c.block(c.fields()), flags=["END_STREAM"]).serialize() + head(c, 3), (PROTOCOL_ERROR,)),
    Rule("5.1: DATA of an idle stream", lambda c: raw(0, 1, 1, b"x"), (PROTOCOL_ERROR, STREAM_CLOSED)),
    Rule("5.1: RST_STREAM of an idle stream", lambda c: RstStreamFrame(1, 8).serialize(), (PROTOCOL_ERROR,)),
    Rule("5.1: WINDOW_UPDATE of an idle stream", lambda c: WindowUpdateFrame(1, 1).serialize(), (PROTOCOL_ERROR,)),
    Rule("5.1: CONTINUATION of an idle stream", lambda c: ContinuationFrame(1, b"", flags=["END_HEADERS"]).serialize(), (PROTOCOL_ERROR,)),
    Rule("5.1: DATA behind the end", lambda c: head(c) + raw(0, 1, 1, b"x"), (STREAM_CLOSED, PROTOCOL_ERROR)),
    Rule("5.1: HEADERS behind the end", lambda c: head(c) + head(c), (STREAM_CLOSED, PROTOCOL_ERROR)),
    Rule("5.1: HEADERS behind RST_STREAM", lambda c: head(c, ends=False) + RstStreamFrame(1, 8).serialize() + head(c), (STREAM_CLOSED, PROTOCOL_ERROR)),
    Rule("5.1.1: an even stream", lambda c: head(c, 2), (PROTOCOL_ERROR,)),
    Rule("5.1.1: a lower stream than before", lambda c: head(c, 5) + head(c, 3), (PROTOCOL_ERROR, STREAM_CLOSED)),
    # Single frames.
    Rule("6.1: DATA of no stream", lambda c: raw(0, 1, 0, b"x"), (PROTOCOL_ERROR,)),
    Rule("6.1: more padding than payload", lambda c: head(c, ends=False, method="POST") + raw(0, 9, 1, b"\x09x"), (PROTOCOL_ERROR,)),
    Rule("6.2: HEADERS of no stream", lambda c: raw(1, 5, 0, c.block(c.fields())), (PROTOCOL_ERROR,)),
    Rule("6.2: more padding than block", lambda c: raw(1, 0x0D, 1, b"\xff\x82"), (PROTOCOL_ERROR,)),
    Rule("6.3: PRIORITY of no stream", lambda c: raw(2, 0, 0, b"\0\0\0\0\1"), (PROTOCOL_ERROR,)),
    Rule("6.3: PRIORITY of the wrong size", lambda c: head(c, ends=False, method="POST") + raw(2, 0, 1, b"\0\0\0\0"), (FRAME_SIZE_ERROR,)),
    Rule("6.4: RST_STREAM of no stream", lambda c: raw(3, 0, 0, b"\0\0\0\x08"), (PROTOCOL_ERROR,)),
    Rule("6.4: RST_STREAM of the wrong size", lambda c: head(c, ends=False, method="POST") + raw(3, 0, 1, b"\0\0\x08"), (FRAME_SIZE_ERROR,)),
    Rule("6.5: SETTINGS of a stream", lambda c: raw(4, 0, 1), (PROTOCOL_ERROR,)),
    Rule("6.5: SETTINGS of the wrong size", lambda c: raw(4, 0, 0, b"\0\4\0"), (FRAME_SIZE_ERROR,)),
    Rule("6.5: an acknowledgement with a payload", lambda c: raw(4, 1, 0, b"\0\4\0\0\0\0"), (FRAME_SIZE_ERROR,)),
    Rule("6.5.2: ENABLE_PUSH of two", lambda c: setting(2, 2), (PROTOCOL_ERROR,)),
    Rule("6.5.2: a window beyond 2^31-1", lambda c: setting(4, 1 << 31), (FLOW_CONTROL_ERROR,)),
    Rule("6.5.2: a frame size below 2^14", lambda c: setting(5, 16383), (PROTOCOL_ERROR,)),
    Rule("6.5.2: a frame size beyond 2^24-1", lambda c: setting(5, 1 << 24), (PROTOCOL_ERROR,)),
    Rule("6.6: a client that pushes", lambda c: raw(5, 4, 1, b"\0\0\0\2\x82"), (PROTOCOL_ERROR,)),
    Rule("6.7: PING of a stream", lambda c: raw(6, 0, 1, b"12345678"), (PROTOCOL_ERROR,)),
    Rule("6.7: PING of the wrong size", lambda c: raw(6, 0, 0, b"1234567"), (FRAME_SIZE_ERROR,)),
    Rule("6.8: GOAWAY of a stream", lambda c: raw(7, 0, 1, b"\0" * 8), (PROTOCOL_ERROR,)),
    Rule("6.9: WINDOW_UPDATE of the wrong size", lambda c: raw(8, 0, 0, b"\0\0\1"), (FRAME_SIZE_ERROR,)),
    Rule("6.9: the connection's window opened by zero", lambda c: raw(8, 0, 0, b"\0\0\0\0"), (PROTOCOL_ERROR,)),
    Rule("6.9: a stream's window opened by zero", lambda c: head(c, ends=False, method="POST") + raw(8, 0, 1, b"\0\0\0\0"), (PROTOCOL_ERROR,)),
    Rule("6.9.1: the connection's window beyond 2^31-1", lambda c: WindowUpdateFrame(0, 2**31 - 1).serialize() * 2, (FLOW_CONTROL_ERROR,)),
    Rule("6.9.1: a stream's window beyond 2^31-1", lambda c: head(c, ends=False, method="POST") + WindowUpdateFrame(1, 2**31 - 1).serialize() * 2, (FLOW_CONTROL_ERROR,)),
    Rule("6.9.1: more than the stream's window", lambda c: head(c, ends=False, method="POST", target="/unread") + raw(0, 0, 1, b"x" * 16384) * 1000, (FLOW_CONTROL_ERROR,)),
    Rule("6.10: CONTINUATION of no stream", lambda c: raw(9, 4, 0, b"x"), (PROTOCOL_ERROR,)),
    Rule("6.10: CONTINUATION behind a whole block", lambda c: head(c, ends=False, method="POST") + raw(9, 4, 1, b"x"), (PROTOCOL_ERROR,)),
    Rule("6.10: CONTINUATION behind DATA", lambda c: head(c, ends=False, method="POST") + raw(0, 0, 1, b"x") + raw(9, 4, 1, b""), (PROTOCOL_ERROR,)),
    # Messages; more of them in the corpus of test_http2_smuggling.
    Rule("8.1: a second head that does not end the stream", lambda c: head(c, ends=False, method="POST") + c.headers_frame(1, [(b"x", b"y")], ends=False).serialize(), (PROTOCOL_ERROR,)),
    Rule("8.1.1: a malformed request is told so and reset", lambda c: c.headers_frame(1, c.fields(headers=[("connection", "close")])).serialize(), (PROTOCOL_ERROR,)),
    Rule("8.2.1: a name in upper case", lambda c: c.headers_frame(1, c.fields(headers=[("X-A", "b")])).serialize(), (PROTOCOL_ERROR,)),
    Rule("8.3.1: an empty path", lambda c: head(c, target=""), (PROTOCOL_ERROR,)),
    Rule("8.1.1: a body that is not as long as its length", lambda c: head(c, ends=False, method="POST", headers=[("content-length", "1")]) + raw(0, 1, 1, b"xx"), (PROTOCOL_ERROR,)),
    Rule("RFC 9218 7.1: a priority of a stream's own", lambda c: raw(0x10, 0, 1, struct.pack(">I", 1) + b"u=1"), (PROTOCOL_ERROR,)),
    Rule("RFC 7541 6.3: a table larger than told", lambda c: raw(1, 5, 1, b"\x3f\xe1\xff\x03" + c.block(c.fields())), (COMPRESSION_ERROR,)),
    Rule("RFC 7541 2.3.3: an index beyond the table", lambda c: raw(1, 5, 1, b"\xfe"), (COMPRESSION_ERROR,)),
    Rule("RFC 7541 5.2: a Huffman code that ends badly", lambda c: raw(1, 5, 1, b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"), (COMPRESSION_ERROR,)),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule(site, rule):
    with Http2Client(site, HOST) as client:
        client.round_trip()
        client.send_bytes(rule.send(client))
        answer = client.answer(1)
        resets = lambda: [each.reset for each in client.answers.values() if each.reset is not None]
        if rule.answered:
            assert client.response(1).status == 200
            client.round_trip()
            assert not client.goaways and not resets()
            return
        try:
            client.wait_for(lambda: client.goaways or any(code in rule.codes for code in resets()), "an error")
            codes = [frame.error_code for frame in client.goaways] + resets()
        except Ended:
            codes = []  # the end alone tells, too
        assert not codes or set(codes) & set(rule.codes), (codes, answer)
    with Http2Client(site, HOST) as other:
        assert other.get().status == 200


def test_the_preface_must_be_right(site):
    for wrong in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"\0" * 40):
        with Http2Client(site, HOST, greets=False) as client:
            client.send_bytes(wrong)
            assert client.end() in (PROTOCOL_ERROR, None)


def test_settings_are_acknowledged_in_their_order(site):
    with Http2Client(site, HOST) as client:
        for value in (1, 2, 3):
            frame = SettingsFrame(0)
            frame.settings = {4: value}
            client.send(frame)
        client.round_trip()
        acknowledged = [frame for frame in client.frames if isinstance(frame, SettingsFrame) and "ACK" in frame.flags]
        assert len(acknowledged) == 4


def test_a_new_initial_window_changes_the_streams_that_are_open(site, route, edge):
    from harness.scripted_origin import answering, ok

    routed = route(edge, answering(ok(b"x" * 100)))
    with Http2Client(edge, routed.host, settings={4: 10}, reads_windows=False) as client:
        stream = client.request()
        answer = client.answer(stream)
        client.wait_for(lambda: len(answer.body) == 10)
        frame = SettingsFrame(0)
        frame.settings = {4: 60}
        client.send(frame)
        client.wait_for(lambda: len(answer.body) == 60)
        frame.settings = {4: 0}  # the window is 0 - 60 now
        client.send(frame)
        client.open_window(stream, 70)
        client.wait_for(lambda: len(answer.body) == 70)
        client.open_window(stream, 30)
        assert client.response(stream).body == b"x" * 100
