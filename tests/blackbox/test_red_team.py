"""Attempts to bend the edge that fit into no corpus of single messages: many at once, odd orders, endless streams, every
listener. After each the process lives, nothing reached a server that should not, and the next client is served.
"""

import socket
import ssl
import subprocess
import threading

import pytest

from harness.honest import HonestClient, Meter
from harness.raw_client import RawClient
from harness.tls_client import client_context
from harness.waiting import PATIENCE, wait_until
from test_client_limits import GARBAGE

CONFIG = {
    "redirect_to_https": False,
    "timeouts": {"request_head": "1s", "body_idle": "1s", "write_idle": "2s", "handshake": "1s", "keep_alive": "20s"},
}


@pytest.fixture(scope="module")
def target(authority):
    from harness.hybridge import Hybridge

    hybridge = Hybridge(authority, CONFIG).start()
    hybridge.expected_errors.append(r"access log: \d+ lines lost")  # of a flood; requests never wait for the log
    yield hybridge
    hybridge.close()


def head(host: str, *lines: str, method: str = "GET", target: str = "/", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/{version}", f"Host: {host}", *lines, "", ""]).encode()


def statuses(data: bytes) -> list[int]:
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


def test_garbage_on_the_operators_socket_ends_there(target):
    for garbage in GARBAGE.values():
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(4 * PATIENCE)
            client.connect(target.config["admin"]["socket"])
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := client.recv(65536):
                answer += piece
            assert b"HTTP/1.1 200" not in answer
    assert target.admin("GET", "/readyz", token=None).status == 200


def test_what_stands_behind_a_bad_request_is_not_looked_at(target, route):
    routed = route(target)
    bad = b"GET / HTTP/1.1\r\nHost: " + routed.host.encode() + b"\r\nBad Header: x\r\n\r\n"
    with routed.client() as client:
        client.send(head(routed.host, target="/good") + bad + head(routed.host, target="/smuggled") * 50)
        assert statuses(client.everything()) == [200, 400]
    assert [request.target for request in routed.origin.requests] == [b"/good"]


def test_what_stands_behind_a_refused_body_is_not_looked_at(target, route):
    """An Expect that is refused, a body that is too large, a chunk that is none: the rest is no request."""
    routed = route(target)
    hidden = head(routed.host, target="/smuggled")
    for first in (
        head(routed.host, "Expect: the-impossible", f"Content-Length: {len(hidden)}", method="POST"),
        head(routed.host, "Content-Length: 99999999999999", method="POST"),
        head(routed.host, "Transfer-Encoding: chunked", method="POST") + b"zz\r\n",
        head(routed.host, "Transfer-Encoding: chunked", "Content-Length: 5", method="POST"),
    ):
        with routed.client() as client:
            client.send(first + hidden)
            assert all(status >= 400 for status in statuses(client.everything())), first
    assert b"/smuggled" not in b"".join(bytes(c.received) for c in routed.origin.connections)


@pytest.mark.parametrize(
    "lines, version, body",
    [
        (["Expect: 100-continue"], "1.1", b""),
        (["Expect: 100-continue", "Content-Length: 0"], "1.1", b""),
        (["Expect: 100-Continue", "Content-Length: 2"], "1.1", b"hi"),
        (["Expect: 100-continue", "Content-Length: 2"], "1.0", b"hi"),
    ],
    ids=["no body", "an empty one", "in other letters", "HTTP/1.0"],
)
def test_an_odd_expectation_hangs_nobody(target, route, lines, version, body):
    routed = route(target)
    with routed.client() as client:
        client.send(head(routed.host, *lines, "Connection: close", method="POST", version=version) + body)
        assert client.response().status == 200
    assert routed.origin.only_request().body == body


def test_a_thousand_requests_at_once_on_a_connection_are_answered_in_their_order(target, route):
    routed = route(target, lambda c: [c.send(ok_with(seen.target)) for seen in iter(c.read_request, None)])
    meter = Meter(target)
    with routed.client() as client:
        sending = threading.Thread(
            target=lambda: client.send(b"".join(head(routed.host, target=f"/{number}") for number in range(1000)))
        )
        sending.start()
        answers = [client.response().body for _ in range(1000)]
        sending.join()
    assert answers == [f"/{number}".encode() for number in range(1000)]
    assert meter.more_kib() < 16 * 1024


def ok_with(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_requests_without_end_of_a_client_that_reads_nothing_fill_no_memory(target, route):
    honest_site = route(target)
    honest = HonestClient(target, honest_site.host).learn()
    meter = Meter(target)
    requests = head("nobody.test") * 500

    def flood(client):
        client.socket.settimeout(1)
        try:
            while True:
                client.socket.sendall(requests)
        except OSError:
            pass

    clients = [RawClient(target.http, receive_buffer=4096) for _ in range(20)]
    floods = [threading.Thread(target=flood, args=(client,)) for client in clients]
    for thread in floods:
        thread.start()
    honest.is_served_as_usual()
    for thread in floods:
        thread.join()
    assert meter.more_kib() < 20 * 2048  # in 20 connections, with the log's buffers and what is remembered of requests
    for client in clients:
        client.close()
    honest.is_served_as_usual()


@pytest.mark.parametrize(
    "piece",
    [b"\r\n", b"1;" + b"x" * 200 + b"\r\na\r\n", b"X: y\r\n", b"0" * 4096],
    ids=["empty lines", "chunks with extensions", "trailers", "a chunk size of zeroes"],
)
def test_an_endless_something_ends(target, route, piece):
    routed = route(target)
    openings = {
        b"\r\n": b"",
        b"X: y\r\n": head(routed.host, "Transfer-Encoding: chunked", method="POST") + b"0\r\n",
    }
    opening = openings.get(piece, head(routed.host, "Transfer-Encoding: chunked", method="POST"))
    meter = Meter(target)
    with routed.client() as client:
        client.send(opening)
        sent = 0
        try:
            while sent < 4 << 20:
                sent += client.socket.send(piece * 100)
            client.half_close()
        except OSError:
            pass  # it was closed already
        assert statuses(client.everything()) == [400]  # said, and all that came behind it thrown away
    assert meter.more_kib() < 8 * 1024
    assert not routed.origin.requests


def test_half_closed_clients_get_their_answers_and_leave_nothing(target, route):
    routed = route(target)
    before = target.process.descriptors()
    for _ in range(50):
        with routed.client() as client:
            client.send(head(routed.host))
            client.half_close()
            assert statuses(client.everything()) == [200]
    for opening in (b"", b"GET ", head(routed.host)[:-2]):
        with routed.client() as client:
            client.send(opening)
            client.half_close()
            assert statuses(client.everything()) in ([], [400])
    wait_until(lambda: target.process.descriptors() <= before + 10, "descriptors to be given back")


def test_key_updates_without_end_are_one_connections_own_affair(target, route):
    """RFC 8446 4.6.3: each asks for an answer; they may cost time, of their own connection, and no memory."""
    routed = route(target)
    honest = HonestClient(target, routed.host, with_tls=True).learn()
    meter = Meter(target)
    argv = ["openssl", "s_client", "-quiet", "-connect", "%s:%d" % target.https, "-servername", routed.host, "-tls1_3"]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        child.stdin.write(b"K\n" * 3000)
        child.stdin.flush()
        honest.is_served_as_usual()
        assert meter.more_kib() < 8 * 1024
    finally:
        child.kill()
        child.wait()


def test_a_renegotiating_or_truncating_tls_client_is_not_served_twice(target, route):
    routed = route(target)
    with target.tls_client(routed.host, client_context(target.authority, check=False)) as client:
        client.request(routed.host, method="POST", headers={"Content-Length": "10"}, body=b"")
        plain = client.socket.detach()
        raw = socket.socket(fileno=plain)
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no TLS record
        raw.settimeout(PATIENCE)
        while raw.recv(65536):
            pass
        raw.close()
    assert not [request for request in routed.origin.requests if request.method == b"GET"]
    with pytest.raises(ssl.SSLError):
        target.tls_client(routed.host, client_context(target.authority, maximum=ssl.TLSVersion.TLSv1_2, ciphers="AES128-SHA"))
