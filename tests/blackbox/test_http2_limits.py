"""How connections of HTTP/2 end, and what they may carry."""

import signal
import threading

import pytest

from harness.http2_client import NO_ERROR, ContinuationFrame, HeadersFrame, Http2Client
from harness.scripted_origin import ok


def test_a_connection_ends_gracefully_after_its_number_of_requests(make_edge, make_origin):
    small = make_edge({"limits": {"requests_per_connection": 3}})
    small.add_site("few.test", make_origin())
    with Http2Client(small, "few.test") as connection:
        for _ in range(3):
            assert connection.get().status == 200
        assert connection.end() == NO_ERROR
        assert [frame.last_stream_id for frame in connection.goaways][0] == 2**31 - 1
        assert connection.goaways[-1].last_stream_id == 5


def test_a_graceful_stop_answers_what_is_under_way_and_takes_nothing_new(make_edge, make_origin):
    release = threading.Event()

    def script(connection):
        while connection.read_request() is not None:
            release.wait(20)
            connection.send(ok(b"late"))

    stopping = make_edge()
    origin = make_origin(script)
    stopping.add_site("stop.test", origin)
    with Http2Client(stopping, "stop.test") as connection, Http2Client(stopping, "stop.test") as idle:
        stream = connection.request()
        idle.round_trip()
        origin.wait_for_requests(1)
        stopping.ask_to_end(signal.SIGTERM)
        assert idle.end() == NO_ERROR
        connection.wait_for(lambda: len(connection.goaways) == 2)
        release.set()
        answer = connection.response(stream)
        assert (answer.body, answer.ended) == (b"late", True)
        assert connection.end() == NO_ERROR
    assert stopping.wait_for_end(20) == 0


def test_an_idle_connection_is_ended_with_a_word(make_edge):
    quick = make_edge({"timeouts": {"keep_alive": "300ms"}})
    with Http2Client(quick, "nobody.test") as connection:
        connection.get()
        assert connection.end() == NO_ERROR


def test_a_body_beyond_the_limit_is_refused(make_edge, make_origin):
    small = make_edge({"limits": {"body_bytes": "10k"}})
    origin = make_origin()
    small.add_site("small.test", origin)
    with Http2Client(small, "small.test") as connection:
        told = connection.get(method="POST", headers=[("content-length", "20000")], body=b"x" * 20000)
        assert told.status == 413 and b"body_bytes" in told.body
        untold = connection.get(method="POST", body=b"x" * 20000)
        assert untold.status == 413
        assert connection.get(method="POST", body=b"x" * 5000).status == 200
    assert [request.body for request in origin.requests] == [b"x" * 5000]


@pytest.mark.parametrize(
    "target, headers, status, word",
    [
        ("/" + "a" * 17000, [], 414, b"target_bytes"),
        ("/", [("x", "a" * 33000)], 431, b"header_bytes"),
        ("/", [("x", "a")] * 200, 431, b"headers"),
    ],
    ids=["414", "431 bytes", "431 fields"],
)
def test_an_answer_to_too_much_names_the_limit(http2_client, target, headers, status, word):
    connection = http2_client()
    stream = connection.next_stream()
    block = connection.block(connection.fields("GET", target, headers))
    pieces = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    frames = [HeadersFrame(stream, pieces[0], flags=["END_STREAM"])] + [ContinuationFrame(stream, piece) for piece in pieces[1:]]
    frames[-1].flags.add("END_HEADERS")
    connection.send(*frames)
    answer = connection.response(stream)
    assert answer.status == status and word in answer.body, answer
    assert connection.origin.saw_nothing()
    assert connection.get().status == 200


def test_more_streams_than_allowed_are_refused(make_edge, make_origin):
    release = threading.Event()

    def script(connection):
        while connection.read_request() is not None:
            release.wait(20)
            connection.send(ok())

    small = make_edge({"limits": {"http2_streams": 4}})
    origin = make_origin(script)
    small.add_site("four.test", origin)
    with Http2Client(small, "four.test") as connection:
        connection.round_trip()
        assert connection.settings[3] == 4
        streams = [connection.request() for _ in range(4)]
        origin.wait_for_requests(4)
        connection.request()
        # RFC 9113 5.1.2: who was told and goes on asking ends the connection or is refused.
        extra = connection.response(9)
        assert extra.status == 0
        release.set()
        assert len(streams) == 4
    assert len(origin.requests) == 4
