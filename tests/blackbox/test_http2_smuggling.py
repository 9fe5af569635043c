"""From HTTP/2 to HTTP/1.1: what could be read another way behind us is refused, and nothing of it gets there."""

import pytest

from corpus.http2 import CASES, SMUGGLED
from harness.hybridge import Hybridge
from harness.http2_client import DataFrame, Ended, HeadersFrame, Http2Client
from harness.scripted_origin import ScriptedOrigin, ok
from harness.waiting import wait_until


def answer_with_its_name(connection) -> None:
    while (request := connection.read_request()) is not None:
        connection.send(ok(request.target))


@pytest.fixture(scope="module")
def origin():
    made = ScriptedOrigin(answer_with_its_name)
    yield made
    made.close()


@pytest.fixture(scope="module")
def edge(authority, origin):
    made = Hybridge(authority, {"workers": 1}).start()
    made.add_site("case.test", origin)
    made.add_site("other.test", origin)
    yield made
    made.close()


def block(fields) -> bytes:
    """Literals, nothing in the table, no Huffman: what cannot be sent by a library can be sent so."""

    def string(text: bytes) -> bytes:
        if len(text) < 127:
            return bytes([len(text)]) + text
        left, size = len(text) - 127, b"\x7f"
        while left >= 128:
            size += bytes([0x80 | left & 0x7F])
            left >>= 7
        return size + bytes([left]) + text

    return b"".join(b"\0" + string(name) + string(value) for name, value in fields)


def frames_of(case) -> list:
    head = HeadersFrame(1, block(case.fields), flags=["END_HEADERS"])
    frames = [head]
    frames += [DataFrame(1, piece) for piece in case.body or ()]
    if case.trailers is not None:
        frames.append(HeadersFrame(1, block(case.trailers), flags=["END_HEADERS"]))
    frames[-1].flags.add("END_STREAM")
    return frames


@pytest.mark.parametrize("one_by_one", [False, True], ids=["whole", "one byte at a time"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_smuggling(edge, origin, case, one_by_one):
    # What an earlier case had sent on may still be on its way: its client does not wait for it.
    wait_until(lambda: edge.metric("requests_in_flight") == 0, "earlier requests to end")
    seen = len(origin.requests)
    marks = {connection: len(connection.received) for connection in origin.connections}
    with Http2Client(edge, "case.test") as client:
        data = b"".join(frame.serialize() for frame in frames_of(case))
        for piece in [data[at : at + 1] for at in range(len(data))] if one_by_one else [data]:
            client.send_bytes(piece)
        answer = client.response(1)
        assert answer.status in case.status, answer
        # The barrier: whatever was sent on before has been seen when this has its answer.
        client._next = 3
        try:
            assert client.get("/barrier").body == b"/barrier"
        except Ended:
            with Http2Client(edge, "case.test") as other:
                assert other.get("/barrier").body == b"/barrier"
    requests = [request for request in origin.requests[seen:] if request.target != b"/barrier"]
    received = b"".join(bytes(each.received[marks.get(each, 0) :]) for each in origin.connections)
    assert not origin.faults()
    assert b"/smuggled" not in [request.target for request in origin.requests]
    if case.reaches == "one":
        assert len(requests) == 1, requests
        (request,) = requests
        for name, value in case.has:
            assert request.all(name.decode()) == [value]
        for name in case.lacks:
            assert not request.all(name.decode())
        assert request.get("x-real-ip") != b"6.6.6.6"
        assert case.sees is None or request.body == case.sees
        return
    if case.reaches == "empty":
        assert len(requests) <= 1 and not any(request.body for request in requests)
    else:
        assert not requests, requests
    if case.reaches == "nothing":
        assert received.count(b" HTTP/1.1\r\n") == received.count(b"GET /barrier HTTP/1.1\r\n")
        assert SMUGGLED not in received and b"other.test" not in received
        assert answer.reset is not None or answer.ended
    else:
        assert SMUGGLED not in received
        assert answer.reset is not None or answer.status == 400


def test_the_corpus_is_large_enough():
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
