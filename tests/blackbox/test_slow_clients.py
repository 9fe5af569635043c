"""Clients that take their time: heads, bodies and answers, handshakes. They are judged by the progress they make, and
whoever else there is notices nothing.
"""

import socket
import ssl
import threading
import time

import pytest

from harness.honest import HonestClient, Meter
from harness.raw_client import RawClient
from harness.scripted_origin import ok
from harness.tls_client import client_context
from harness.waiting import SLOWNESS, wait_until

QUICK = {
    "redirect_to_https": False,
    "limits": {"min_rate": 1000},
    "timeouts": {"request_head": "1s", "body_idle": "1s", "write_idle": "1s", "handshake": "10s"},
}
# With time enough for a busy machine between two pieces of who keeps up the rate.
PATIENT = {
    "redirect_to_https": False,
    "limits": {"min_rate": 1000},
    "timeouts": {"request_head": "3s", "body_idle": "3s", "write_idle": "3s"},
}


class Ticker:
    """Does something for each of many clients, over and over, until it is stopped: the attacker's pace."""

    def __init__(self, act, clients, every: float):
        self._stop = threading.Event()
        self._act, self._clients, self._every = act, clients, every
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            for client in self._clients:
                try:
                    self._act(client)
                except OSError:
                    pass

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def slow_head(edge, host):
    client = edge.plain_client()
    client.send(b"GET / HTTP/1.1\r\nHost: " + host.encode() + b"\r\nX-Slow: ")
    return client


def slow_body(edge, host):
    client = edge.plain_client()
    client.send(b"POST / HTTP/1.1\r\nHost: " + host.encode() + b"\r\nContent-Length: 100000\r\n\r\n")
    return client


@pytest.mark.parametrize("begin, reason", [(slow_head, "head_timeout"), (slow_body, "body_timeout")])
def test_many_that_send_a_byte_now_and_then_are_refused_and_the_others_served(make_edge, route, begin, reason):
    edge = make_edge(QUICK)
    routed = route(edge)
    honest = HonestClient(edge, routed.host).learn()
    meter = Meter(edge)
    clients = [begin(edge, routed.host) for _ in range(200)]
    with Ticker(lambda client: client.socket.send(b"x"), clients, 0.3):
        honest.is_served_as_usual()
        assert meter.more_kib() < 200 * 100, "a slow client costs less than 100 KiB"
        wait_until(lambda: edge.metric("requests_by_reason_total", reason=reason) == 200, f"200 ends by {reason}", 60)
    answer = clients[0].response()
    assert answer.status == 408 and answer.text("x-hybridge-reason") == reason
    assert "limits.min_rate" in answer.content
    assert meter.cpu_share() < 0.9
    for client in clients:
        client.close()
    honest.is_served_as_usual()


def test_a_large_part_of_a_head_earns_no_more_than_the_whole_rest(make_edge):
    edge = make_edge(QUICK)
    with edge.plain_client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: site.test\r\nX-A: " + b"a" * 20_000)  # 20 s, at the rate
        began = time.monotonic()
        assert client.response().status == 408
        assert time.monotonic() - began < 10 * SLOWNESS


def test_a_slow_head_that_keeps_up_the_rate_may_take_longer_than_its_time(make_edge, route):
    edge = make_edge(PATIENT)
    routed = route(edge)
    with edge.plain_client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: " + routed.host.encode() + b"\r\n")
        began = time.monotonic()
        while time.monotonic() - began < 4:  # request_head is 3 s
            client.send(b"X-A: " + b"a" * 993 + b"\r\n")
            time.sleep(0.2)  # 5000 bytes a second: a client's pace, not a wait for something
        client.send(b"\r\n")
        assert client.response().status == 200


def test_a_slow_body_that_keeps_up_the_rate_may_take_as_long_as_it_likes(make_edge, route):
    edge = make_edge(PATIENT)
    routed = route(edge)
    with edge.plain_client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: " + routed.host.encode() + b"\r\nContent-Length: 20000\r\n\r\n")
        for _ in range(20):  # 4 s; body_idle is 3 s
            client.send(b"x" * 1000)
            time.sleep(0.2)
        assert client.response().status == 200
    assert routed.origin.only_request().body == b"x" * 20000


ANSWER = 8 << 20


def large_answers(connection):
    while connection.read_request() is not None:
        connection.send(ok(b"x" * ANSWER))


def reader(edge, host):
    client = edge.plain_client(receive_buffer=8192)
    client.request(host)
    return client


def test_many_that_take_nothing_of_their_answers_are_cut_and_the_others_served(make_edge, route):
    edge = make_edge(QUICK)
    small, large = route(edge), route(edge, large_answers)
    honest = HonestClient(edge, small.host).learn()
    meter = Meter(edge)
    clients = [reader(edge, large.host) for _ in range(30)]
    honest.is_served_as_usual()
    # What the kernel does not take waits with us: 256 KiB, what was read ahead of it, and as much of the upstream's.
    assert meter.more_kib() < 30 * 1200
    wait_until(
        lambda: edge.metric("requests_by_reason_total", reason="client_too_slow") == 30, "30 that are too slow", 60
    )
    assert meter.cpu_share() < 0.9
    line = edge.logged(lambda line: line["reason"] == "client_too_slow", "a client that takes nothing")
    assert line["status"] == 200 and line["bytes_out"] < ANSWER
    for client in clients:
        client.close()


def test_one_that_takes_a_little_now_and_then_is_cut(make_edge, route):
    """A trickle is no progress: it would hold a connection upstream for days."""
    edge = make_edge(QUICK)
    routed = route(edge, large_answers)
    client = reader(edge, routed.host)
    with Ticker(lambda client: client.socket.recv(50), [client], 0.3):
        wait_until(lambda: edge.metric("requests_by_reason_total", reason="client_too_slow") == 1, "its end")
    client.close()


def test_a_slow_reader_that_keeps_up_the_rate_gets_all_of_it(make_edge, route):
    """At twice the least rate, and far longer than write_idle: the kernels' buffers must not hide its progress."""
    edge = make_edge({**PATIENT, "limits": {"min_rate": "100k"}})
    total = 2 << 20
    routed = route(edge, lambda connection: connection.read_request() and connection.send(ok(b"x" * total)))
    client = edge.plain_client(receive_buffer=16384)
    client.request(routed.host)
    taken, began = 0, time.monotonic()
    while True:
        piece = client.socket.recv(32768)
        taken += len(piece)
        if taken >= total or not piece:
            break
        ahead = taken / (400 << 10) - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)  # the reader's pace
    assert taken >= total
    assert time.monotonic() - began > 3
    client.close()
    assert edge.metric("requests_by_reason_total", reason="client_too_slow") == 0


def client_hello(edge, host) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(edge.authority, check=False).wrap_bio(incoming, outgoing, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_half_a_hello_takes_no_place_among_the_handshakes(make_edge, route):
    edge = make_edge({"workers": 1, "limits": {"handshakes": 2}, "timeouts": {"handshake": "60s"}})
    routed = route(edge)
    honest = HonestClient(edge, routed.host, with_tls=True).learn()
    hello = client_hello(edge, routed.host)
    stalled = []
    for part in (hello[:3], hello[:40], hello[:-1]) * 30:
        client = RawClient(edge.https)
        client.send(part)
        stalled.append(client)
    honest.is_served_as_usual()
    for client in stalled:
        client.close()


def test_handshakes_that_stall_make_room_for_others(make_edge, route):
    """After a second, when others wait, long before the handshake's deadline."""
    edge = make_edge({"workers": 1, "limits": {"handshakes": 8}, "timeouts": {"handshake": "60s"}})
    routed = route(edge)
    honest = HonestClient(edge, routed.host, with_tls=True)
    hello = client_hello(edge, routed.host)
    stalled = []
    for _ in range(20):
        client = RawClient(edge.https)
        client.send(hello)
        stalled.append(client)
    honest.times(5)
    assert edge.metric("tls_handshakes_total", result="timeout") >= 8
    assert edge.metric("tls_handshakes_total", result="ok") == 5
    for client in stalled:
        client.close()


def test_a_silent_connection_takes_no_place_among_the_handshakes(make_edge, route):
    edge = make_edge({"workers": 1, "limits": {"handshakes": 2}, "timeouts": {"handshake": "60s"}})
    routed = route(edge)
    honest = HonestClient(edge, routed.host, with_tls=True).learn()
    silent = [RawClient(edge.https) for _ in range(100)]
    honest.is_served_as_usual()
    for client in silent:
        client.close()


def test_clients_that_connect_and_reset_leave_nothing_behind(make_edge, route):
    edge = make_edge(QUICK)
    routed = route(edge)
    honest = HonestClient(edge, routed.host).learn()
    before = edge.process.descriptors()

    def flood(endpoint, first: bytes, times: int):
        for _ in range(times):
            with socket.create_connection(endpoint) as client:
                client.sendall(first)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    request = b"GET / HTTP/1.1\r\nHost: " + routed.host.encode() + b"\r\n\r\n"
    floods = [
        threading.Thread(target=flood, args=(endpoint, first, 500))
        for endpoint, first in [(edge.http, b""), (edge.http, request), (edge.https, b"\x16\x03\x01"), (edge.http, request[:20])]
    ]
    for thread in floods:
        thread.start()
    honest.is_served_as_usual()
    for thread in floods:
        thread.join()
    honest.is_served_as_usual()
    wait_until(lambda: edge.process.descriptors() <= before + 20, "descriptors to be given back")
    assert edge.metric("requests_in_flight") == 0


