"""What all answers keep for clients that do not take them is bounded, however long each of them might rest by itself."""

import threading
import time

import pytest

from harness.honest import HonestClient, Meter
from harness.http2_client import CANCEL, Http2Client
from harness.scripted_origin import ok
from harness.waiting import SLOWNESS, wait_until

ANSWER = 8 << 20
BOUND = 4 << 20
# An answer that nobody takes: 256 KiB wait here, and as much at the most on their way here.
CROWD = 40
STREAMS = 12
ANSWERS = {b"/large": ok(b"x" * ANSWER), b"/page": ok(b"x" * (256 << 10))}  # windows of zero keep kernels out of it


def answers(connection):
    while (request := connection.read_request()) is not None:
        if not connection.send(ANSWERS.get(request.target, ok(b"small"))):
            return


@pytest.fixture
def crowded(make_edge, make_origin):
    """Nobody is ended for his own rests within the test."""
    edge = make_edge({"workers": 1, "redirect_to_https": False, "limits": {"waiting_output": "4M"}, "timeouts": {"write_idle": "10m"}})
    edge.add_site("site.test", make_origin(answers))
    return edge


class Reader(threading.Thread):
    """Takes a large answer in its own time, which is longer than anybody may rest: 1 MiB a second."""

    def __init__(self, edge):
        super().__init__(daemon=True)
        self._client = edge.plain_client(receive_buffer=65536)
        self._client.request("site.test", target="/large")
        self.taken = 0
        self.start()

    def run(self) -> None:
        began = time.monotonic()
        while self.taken < ANSWER and (piece := self._client.socket.recv(65536)):
            self.taken += len(piece)
            time.sleep(max(0.0, self.taken / (1 << 20) - (time.monotonic() - began)))  # the reader's pace

    def has_all(self) -> bool:
        self.join(60 * SLOWNESS)
        self._client.close()
        return self.taken >= ANSWER


def ended(edge) -> float:
    return edge.metric("requests_by_reason_total", reason="client_too_slow")


def test_those_that_rest_longest_make_room_and_who_reads_gets_all_of_it(crowded):
    honest = HonestClient(crowded, "site.test").learn()
    reader = Reader(crowded)
    meter = Meter(crowded)
    clients = [crowded.plain_client(receive_buffer=8192) for _ in range(CROWD)]
    for client in clients:
        client.request("site.test", target="/large")
    honest.is_served_as_usual()
    kept = BOUND // (256 << 10)
    wait_until(lambda: ended(crowded) >= CROWD - kept, "those beyond the bound to be ended", 30 * SLOWNESS)
    assert ended(crowded) < CROWD, "who waits within the bound may go on"
    assert meter.cpu_share() < 0.9
    line = crowded.logged(lambda line: line["reason"] == "client_too_slow", "one that rested")
    assert line["status"] == 200 and line["bytes_out"] < ANSWER
    honest.is_served_as_usual()
    assert reader.has_all()
    for client in clients:
        client.close()


def test_streams_that_rest_are_ended_one_by_one_and_their_connection_goes_on(crowded):
    clients = [Http2Client(crowded, "site.test", settings={4: 0}) for _ in range(8)]
    streams = [[client.request(target="/page") for _ in range(STREAMS)] for client in clients]
    wait_until(lambda: ended(crowded) >= STREAMS, "some streams to be ended", 30 * SLOWNESS)
    reset = 0
    for client, its in zip(clients, streams, strict=True):
        small = client.request()
        client.open_window(small, 100)
        assert client.response(small).body == b"small"
        codes = {client.answer(stream).reset for stream in its}
        assert codes <= {None, CANCEL}, codes
        reset += sum(client.answer(stream).reset is not None for stream in its)
        assert not client.goaways
        client.close()
    assert reset >= STREAMS
