"""Large bodies and endless ones: all of them arrive, without delay, and the process stays small."""

import hashlib
import os
import socket
import subprocess
import threading

import pytest

from harness.nginx import BIG_BYTES, MEBIBYTE
from harness.waiting import SLOWNESS, wait_until

# What a process may grow by while it carries bodies; the bodies are 250 MB. Sanitizers keep freed memory.
GROWTH_KIB = 24 * 1024 * (8 if SLOWNESS > 1 else 1)


class Memory:
    """The peak of the process's memory above what it had at the beginning."""

    def __init__(self, edge):
        self.process = edge.process
        self.process.reset_peak_memory()
        self.before = self.process.status_kib("VmRSS")

    def growth_kib(self) -> int:
        return self.process.status_kib("VmHWM") - self.before

    def assert_small(self):
        assert self.growth_kib() < GROWTH_KIB, f"grew by {self.growth_kib()} KiB"


def curl(edge, *options, scheme: str = "https") -> subprocess.CompletedProcess:
    address, port = edge.https if scheme == "https" else edge.http
    argv = ["curl", "-sS", "-f", "--http1.1", "--cacert", edge.authority.write(edge.directory), "--resolve", f"site.test:{port}:{address}"]
    return subprocess.run([*argv, *options], capture_output=True, timeout=120 * SLOWNESS)


def url(edge, target: str, scheme: str = "https") -> str:
    return f"{scheme}://site.test:{(edge.https if scheme == 'https' else edge.http)[1]}{target}"


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    """250 MiB whose every mebibyte differs, so that a lost or doubled piece changes its hash."""
    path = tmp_path_factory.mktemp("large") / "large.bin"
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        pattern = os.urandom(MEBIBYTE - 8)
        for number in range(BIG_BYTES // MEBIBYTE):
            piece = number.to_bytes(8, "big") + pattern
            digest.update(piece)
            file.write(piece)
    yield path, digest.hexdigest()
    path.unlink()


def sha256(path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_of_250_mb_arrives_whole_in_constant_memory(edge, origin, large_file, framing):
    path, digest = large_file
    memory = Memory(edge)
    chunked = ["-H", "Transfer-Encoding: chunked"] if framing == "chunked" else []
    outcome = curl(edge, *chunked, "-T", str(path), url(edge, f"/upload/{framing}.bin"))
    assert outcome.returncode == 0, outcome.stderr
    assert sha256(origin.uploaded(f"{framing}.bin")) == digest
    origin.uploaded(f"{framing}.bin").unlink()
    memory.assert_small()


def test_a_download_of_250_mb_arrives_whole_in_constant_memory(edge, origin, large_file, tmp_path):
    path, digest = large_file
    os.link(path, origin.directory / "site" / "large.bin") if path.stat().st_dev == origin.directory.stat().st_dev else (origin.directory / "site" / "large.bin").symlink_to(path)
    memory = Memory(edge)
    outcome = curl(edge, "-o", str(tmp_path / "got.bin"), url(edge, "/large.bin"))
    assert outcome.returncode == 0, outcome.stderr
    assert sha256(tmp_path / "got.bin") == digest
    memory.assert_small()
    (origin.directory / "site" / "large.bin").unlink()


def test_twenty_slow_readers_of_250_mb_cost_little(plain):
    """Each takes a little and then stops: the origin must be stopped, not read into memory."""
    memory = Memory(plain)
    clients = [plain.plain_client(receive_buffer=16384) for _ in range(20)]
    for client in clients:
        client.request("site.test", "/big.bin")
        assert client.socket.recv(1000).startswith(b"HTTP/1.1 200")
    with plain.plain_client() as other:  # nobody else is slowed
        for _ in range(50):
            assert other.get("site.test", "/small.txt").content == "small\n"
    memory.assert_small()
    for client in clients:
        client.reset()
    wait_until(lambda: plain.metric("requests_in_flight") == 0, "the requests of clients that left to end")


def test_a_slow_reader_gets_everything(plain):
    with plain.plain_client(receive_buffer=4096) as client:
        client.request("site.test", "/medium.bin")
        answer = client.response()
    assert answer.body == bytes(range(256)) * 4096


def test_an_upload_to_an_upstream_that_does_not_read_is_not_taken_into_memory(make_edge, make_origin):
    patient = make_edge({"redirect_to_https": False, "timeouts": {"body_idle": "30s", "response_head": "30s", "response_idle": "30s"}})
    done = threading.Event()

    def script(connection):
        connection.read_head()
        done.wait(30)

    origin = make_origin(script)
    patient.add_site("stalled.test", origin)
    memory = Memory(patient)
    client = patient.plain_client()
    client.send(b"POST / HTTP/1.1\r\nHost: stalled.test\r\nContent-Length: 200000000\r\n\r\n")
    origin.wait_for_connections(1)
    client.socket.setblocking(False)
    sent = 0

    def stalled():
        nonlocal sent
        try:
            sent += client.socket.send(b"x" * 65536)
        except BlockingIOError:
            return True
        return False

    while not stalled():
        pass
    # Stays shut: what is in flight are socket buffers and a high-water mark, not the body.
    wait_until(lambda: stalled(), "the window to stay shut")
    memory.assert_small()
    assert sent < 64 * MEBIBYTE
    client.reset()
    done.set()


def stream_of(pieces, release: threading.Event, framing: str):
    """Sends a piece each time the test has seen the one before."""

    def script(connection):
        connection.read_request()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        connection.send(head + (b"Transfer-Encoding: chunked\r\n\r\n" if framing == "chunked" else b"\r\n"))
        for piece in pieces:
            if not release.wait(10):
                return
            release.clear()
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece) if framing == "chunked" else piece)
        if framing == "chunked":
            connection.send(b"0\r\n\r\n")

    return script


@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_server_sent_events_arrive_one_by_one(plain, route, framing, transport):
    """The next event is sent only when the last one was seen: any buffering would stop the test."""
    events = [b"data: %d\n\n" % number for number in range(20)]
    release = threading.Event()
    routed = route(plain, stream_of(events, release, framing))
    from harness.tls_client import client_context

    client = routed.client() if transport == "plain" else plain.tls_client(routed.host, client_context(plain.authority, check=False))
    with client:
        client.request(routed.host, headers={"Accept": "text/event-stream"})
        head = client.reader.head()
        assert head.status == 200 and head.text("content-type") == "text/event-stream"
        for event in events:
            release.set()
            while event not in client.reader.buffer:
                assert client.reader.fill()


def test_a_chunked_upload_is_passed_on_piece_by_piece(plain, route):
    """Not gathered: the upstream has the first piece while the second is not yet sent."""
    routed = route(plain)
    with routed.client() as client:
        client.send(f"POST / HTTP/1.1\r\nHost: {routed.host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for number in range(10):
            piece = b"piece-%d-" % number
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            routed.origin.wait_for_bytes(piece)
        client.send(b"0\r\n\r\n")
        assert client.response().status == 200


def test_an_endless_answer_is_carried_in_constant_memory(plain, route):
    goal = 300 * MEBIBYTE
    stopped = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"%x\r\n" % 262144 + b"e" * 262144 + b"\r\n"
        while connection.send(piece):
            pass
        stopped.set()

    routed = route(plain, script)
    memory = Memory(plain)
    client = routed.client()
    client.request(routed.host)
    buffer, taken = bytearray(1 << 20), 0
    while taken < goal:
        taken += client.socket.recv_into(buffer)
    memory.assert_small()
    client.reset()
    assert stopped.wait(10)  # the upstream is told at once


def test_a_body_can_go_both_ways_at_once(plain, route):
    """An upstream may answer while it reads: echo, piece by piece."""

    def script(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while (size := int(connection.reader.line(), 16)) > 0:
            piece = connection.reader.take(size + 2)[:-2]
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")

    routed = route(plain, script)
    with routed.client() as client:
        client.send(f"POST / HTTP/1.1\r\nHost: {routed.host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        assert client.reader.head().status == 200
        for number in range(10):
            piece = b"echo-%d" % number
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            while piece not in client.reader.buffer:
                assert client.reader.fill()
        client.send(b"0\r\n\r\n")
        while not client.reader.buffer.endswith(b"0\r\n\r\n"):
            assert client.reader.fill()


def test_a_client_that_takes_nothing_is_cut_off(make_edge, make_origin):
    quick = make_edge({"redirect_to_https": False, "timeouts": {"write_idle": "500ms"}})
    gone = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while connection.send(b"x" * 262144):
            pass
        gone.set()

    quick.add_site("slow.test", make_origin(script))
    client = quick.plain_client(receive_buffer=4096)
    client.request("slow.test")
    assert gone.wait(15)
    line = quick.logged(lambda line: line["host"] == "slow.test", "the slow reader")
    assert line["reason"] == "client_too_slow"
    client.reset()


def test_an_answer_larger_than_socket_buffers_to_a_client_that_shut_its_sending_side(plain):
    with plain.plain_client() as client:
        client.request("site.test", "/medium.bin")
        client.socket.shutdown(socket.SHUT_WR)
        assert len(client.response().body) == MEBIBYTE


@pytest.mark.slow
def test_a_hundred_thousand_requests_leave_no_memory_behind(plain, route):
    routed = route(plain)
    for visit in range(100):
        if visit == 10:
            before = plain.process.status_kib("VmRSS")
        with routed.client() as client:
            for _ in range(1000):  # fewer than limits.requests_per_connection
                assert client.get(routed.host, headers={"Connection": "keep-alive"}).status == 200
    assert plain.process.status_kib("VmRSS") - before < 2048
