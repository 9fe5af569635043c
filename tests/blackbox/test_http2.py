"""HTTP/2 from clients: the same requests, answers, limits and ends as by HTTP/1.1, many at once."""

import pathlib
import re
import subprocess
import threading

import pytest

from harness.http2_client import INTERNAL_ERROR, NO_ERROR, Http2Client
from harness.raw_client import RawClient
from harness.scripted_origin import answering, ok
from harness.tls_client import client_context
from harness.waiting import SLOWNESS, wait_until


def run(*words: str, seconds: float = 60) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, timeout=seconds * SLOWNESS)


# Clients of others ---------------------------------------------------------------------------------------------------


def curl(edge, host: str, path: str, *words: str) -> subprocess.CompletedProcess:
    ca = edge.authority.write(edge.directory)
    address, port = edge.https
    done = run("curl", "-sS", "--http2", "--cacert", ca, "--resolve", f"{host}:{port}:{address}", *words, f"https://{host}:{port}{path}")
    assert done.returncode == 0, done.stderr
    return done


def test_curl_gets_and_posts(edge, route):
    def script(connection):
        while (request := connection.read_request()) is not None:
            connection.send(ok(request.method + b" " + request.body))

    host = route(edge, script).host
    got = curl(edge, host, "/a", "-w", " %{http_version} %{http_code}")
    assert got.stdout == b"GET  2 200"
    assert curl(edge, host, "/a", "--data-binary", "hello").stdout == b"POST hello"


def test_curl_uploads_and_downloads_megabytes(edge, route, tmp_path):
    def script(connection):
        while (request := connection.read_request()) is not None:
            connection.send(ok(request.body))

    host = route(edge, script).host
    sent = bytes(range(256)) * 4096 * 8
    (tmp_path / "body").write_bytes(sent)
    assert curl(edge, host, "/", "--data-binary", f"@{tmp_path / 'body'}").stdout == sent


def test_nghttp_fetches_a_page_and_what_it_names(edge, origin):
    address, port = edge.https
    done = run("nghttp", "-nv", "--no-verify-peer", f"https://{address}:{port}/", "-H", ":authority: site.test")
    assert done.returncode == 0, done.stderr
    assert b":status: 200" in done.stdout, done.stdout[-3000:]


def test_h2load_gets_ten_thousand_answers(edge, origin):
    address, port = edge.https
    done = run("h2load", "-n", "10000", "-c", "10", "-m", "50", f"https://{address}:{port}/", "-H", ":authority: site.test", seconds=120)
    assert re.search(rb"10000 succeeded, 0 failed, 0 errored, 0 timeout", done.stdout), done.stdout
    assert re.search(rb"status codes: 10000 2xx", done.stdout), done.stdout


def test_an_upgrade_to_h2c_is_no_upgrade(plain, route):
    routed = route(plain)
    with routed.client() as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {routed.host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n".encode())
        assert client.response().status == 200  # HTTP/1.1 as ever
    assert b"h2c" not in bytes(routed.origin.connections[0].received)


def test_the_preface_in_clear_text_is_refused(plain):
    with plain.plain_client() as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.response().status in (400, 505)
        assert client.is_closed()


def test_a_client_without_alpn_or_with_http1_gets_http1(edge, route):
    host = route(edge).host
    for alpn in ((), ("http/1.1",)):
        with RawClient(edge.https, tls=client_context(edge.authority, check=False, alpn=alpn), server_name=host) as client:
            assert client.get(host).status == 200


# Requests and answers ------------------------------------------------------------------------------------------------


def test_a_request_reaches_its_server_as_http1(http2_client):
    connection = http2_client()
    answer = connection.get("/a/b?c=d", headers=[("cookie", "a=1"), ("x-frappe-csrf-token", "t"), ("cookie", "b=2"), ("te", "trailers"), ("x-real-ip", "6.6.6.6")])
    assert (answer.status, bytes(answer.body), answer.ended) == (200, b"scripted", True)
    seen = connection.origin.only_request()
    assert seen.start_line == b"GET /a/b?c=d HTTP/1.1"
    assert seen.all("host") == [connection.host.encode()]
    assert seen.all("cookie") == [b"a=1; b=2"]
    assert seen.get("x-frappe-csrf-token") == b"t"
    assert seen.get("x-real-ip") != b"6.6.6.6" and len(seen.all("x-real-ip")) == 1
    assert seen.get("x-forwarded-proto") == b"https"
    assert seen.all("te") == [b"trailers"] and seen.all("connection") == [b"TE"] and seen.framing == "none"


def test_answers_have_what_http1_has_and_nothing_of_a_connection(http2_client):
    connection = http2_client(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok"))
    answer = connection.get()
    names = [name for name, _ in answer.headers]
    assert names[0] == b":status" and all(name == name.lower() for name in names)
    assert not {b"connection", b"keep-alive", b"x-gone", b"transfer-encoding"} & set(names)
    assert answer.text("content-length") == "2" and answer.text("x-kept") == "1"
    assert names.count(b"set-cookie") == 2 and answer.text("x-request-id") and answer.text("strict-transport-security")


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_end_with_their_head(http2_client, status):
    connection = http2_client(answering(b"HTTP/1.1 %d X\r\nETag: \"a\"\r\n\r\n" % status))
    answer = connection.get()
    assert (answer.status, answer.ended, answer.data_frames) == (status, True, 0)
    assert connection.get().status == status  # and the connection goes on


def test_head_tells_the_length_and_sends_no_body(http2_client):
    connection = http2_client(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"))
    answer = connection.get(method="HEAD")
    assert (answer.status, answer.text("content-length"), answer.ended, answer.data_frames) == (200, "1234", True, 0)


def test_chunked_and_unframed_answers_end_with_their_stream(http2_client):
    chunked = http2_client(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"))
    answer = chunked.get()
    assert (bytes(answer.body), answer.ended, answer.text("content-length")) == (b"hello", True, "")
    unframed = http2_client(answering(b"HTTP/1.1 200 OK\r\n\r\nhello", then="close"))
    answer = unframed.get()
    assert (bytes(answer.body), answer.ended) == (b"hello", True)


def test_a_post_streams_both_ways(http2_client):
    def script(connection):
        head = connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            size = int(connection.reader.line(), 16)
            piece = connection.reader.take(size)
            connection.reader.take(2)
            connection.send(b"%x\r\n%s\r\n" % (size, piece.upper()))
        connection.reader.line(), connection.reader.line()
        connection.send(b"0\r\n\r\n")
        assert head is not None

    connection = http2_client(script)
    stream = connection.next_stream()
    connection.send(connection.headers_frame(stream, connection.fields("POST", "/talk"), ends=False))
    answer = connection.answer(stream)
    for number, piece in enumerate((b"one", b"two", b"three")):
        connection.send_data(stream, piece, ends=number == 2)
        connection.wait_for(lambda piece=piece: answer.body.endswith(piece.upper()))
    assert connection.response(stream).ended and answer.body == b"ONETWOTHREE"


def test_requests_are_answered_as_they_are_ready_not_in_their_order(http2_client):
    release = threading.Event()

    def script(connection):
        while (request := connection.read_request()) is not None:
            if request.target == b"/slow":
                release.wait(20)
            connection.send(ok(request.target))

    connection = http2_client(script)
    slow = connection.request(target="/slow")
    quick = [connection.request(target=f"/{number}") for number in range(20)]
    assert [bytes(connection.response(stream).body) for stream in quick] == [b"/%d" % number for number in range(20)]
    assert not connection.answer(slow).headers
    release.set()
    assert connection.response(slow).body == b"/slow"


def test_an_expectation_is_met_when_the_body_is_wanted(http2_client):
    connection = http2_client()
    stream = connection.next_stream()
    connection.send(connection.headers_frame(stream, connection.fields("POST", "/", [("expect", "100-continue"), ("content-length", "5")]), ends=False))
    answer = connection.answer(stream)
    connection.wait_for(lambda: answer.interim)
    assert answer.interim == [[(b":status", b"100")]]
    connection.send_data(stream, b"hello")
    assert connection.response(stream).status == 200
    assert connection.origin.only_request().body == b"hello"


def test_early_hints_come_before_the_answer(http2_client):
    connection = http2_client(answering(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" + ok(b"page")))
    answer = connection.get()
    assert answer.interim == [[(b":status", b"103"), (b"link", b"</a.css>; rel=preload")]]
    assert answer.body == b"page"


def test_trailers_of_a_request_are_dropped(http2_client):
    connection = http2_client()
    stream = connection.next_stream()
    connection.send(connection.headers_frame(stream, connection.fields("POST", "/"), ends=False))
    connection.send_data(stream, b"body", ends=False)
    connection.send(connection.headers_frame(stream, [(b"x-trailer", b"1")]))
    assert connection.response(stream).status == 200
    seen = connection.origin.only_request()
    assert (seen.body, seen.trailers) == (b"body", [])


def test_an_early_answer_to_an_upload_is_whole_and_stops_the_upload(http2_client):
    def script(connection):
        connection.read_head()
        connection.send(ok(b"no more", status=b"413 Too Large"))
        connection.wait_for_end()

    connection = http2_client(script)
    stream = connection.next_stream()
    connection.send(connection.headers_frame(stream, connection.fields("POST", "/"), ends=False))
    connection.send_data(stream, b"x" * 30000, ends=False)
    answer = connection.answer(stream)
    connection.wait_for(lambda: answer.reset is not None)
    assert (answer.status, answer.body, answer.ended, answer.reset) == (413, b"no more", True, NO_ERROR)
    assert connection.get().status in (200, 413)  # the connection goes on


def test_a_truncated_answer_is_a_reset_stream_and_the_others_go_on(http2_client):
    def script(connection):
        while (request := connection.read_request()) is not None:
            if request.target == b"/cut":
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                return
            connection.send(ok())

    connection = http2_client(script)
    cut = connection.get("/cut")
    assert (cut.status, cut.ended, cut.reset) == (200, False, INTERNAL_ERROR)
    assert connection.get("/whole").ended


def test_an_upload_that_is_not_taken_stalls_no_other(edge, route):
    """The held upload fills its own window; the connection's is opened as bytes come."""
    release = threading.Event()

    def script(connection):
        head = connection.read_head()
        if head is not None and head.target == b"/stuck":
            release.wait(20)
        elif head is not None:
            connection.reader.body(head, is_request=True)
            connection.send(ok(b"%d" % len(head.body)))

    routed = route(edge, script)
    with Http2Client(edge, routed.host) as connection:
        stuck = []
        for _ in range(4):
            stream = connection.next_stream()
            stuck.append(stream)
            connection.send(connection.headers_frame(stream, connection.fields("POST", "/stuck"), ends=False))
            connection.send_data(stream, b"s" * 65535, ends=False)
        stream = connection.next_stream()
        connection.send(connection.headers_frame(stream, connection.fields("POST", "/free"), ends=False))
        connection.send_data(stream, b"f" * 65535)
        assert connection.response(stream).body == b"65535"
        for each in stuck:
            connection.cancel(each)
    release.set()


def test_a_large_answer_waits_for_the_windows(http2_client):
    body = b"d" * 1_000_000
    connection = http2_client(answering(ok(body)), reads_windows=False)
    stream = connection.request()
    answer = connection.answer(stream)
    connection.wait_for(lambda: len(answer.body) == 65535)
    connection.open_window(stream, 1_000_000)
    connection.round_trip()
    assert len(answer.body) == 65535  # the connection's window is shut
    connection.open_window(0, 1_000_000)
    assert connection.response(stream).body == body


def test_a_client_that_leaves_one_stream_keeps_the_others(http2_client):
    release = threading.Event()

    def script(connection):
        while (request := connection.read_request()) is not None:
            if request.target == b"/leave":
                connection.wait_for_end()
                return
            release.wait(20)
            connection.send(ok(b"stayed"))

    connection = http2_client(script)
    left = connection.request(target="/leave")
    stayed = connection.request(target="/stay")
    connection.origin.wait_for_requests(2)
    connection.cancel(left)
    leaving = [each for each in connection.origin.connections if each.requests[0].target == b"/leave"][0]
    connection.origin.wait_for(leaving.ended.is_set, "the upstream leg of the stream that left to end")
    release.set()
    assert connection.response(stayed).body == b"stayed"


def test_the_log_and_the_metrics_know_the_protocol(edge, http2_client):
    connection = http2_client()
    connection.get("/logged")
    assert edge.metric("connections", side="downstream", protocol="http2") >= 1
    line = edge.logged(lambda line: line["path"] == "/logged" and line["host"] == connection.host, "the request")
    assert (line["protocol"], line["status"], line["reason"]) == ("HTTP/2.0", 200, "ok")


def test_a_reset_is_logged_as_a_client_that_left(edge, http2_client):
    def script(connection):
        connection.read_request()
        connection.wait_for_end()

    connection = http2_client(script)
    stream = connection.request(target="/left")
    connection.origin.wait_for_requests(1)
    connection.cancel(stream)
    line = edge.logged(lambda line: line["path"] == "/left" and line["host"] == connection.host, "the request")
    assert (line["status"], line["reason"]) == (0, "client_gone")


def test_answers_that_are_not_taken_hold_up_none_that_is(http2_client):
    """More of them than a connection may have waiting."""

    def script(connection):
        while (request := connection.read_request()) is not None:
            connection.send(ok(b"x" * (256 << 10) if request.target == b"/page" else b"small"))

    connection = http2_client(script, settings={4: 0})
    stalled = [connection.request(target="/page") for _ in range(40)]
    connection.wait_for(lambda: all(connection.answer(each).headers for each in stalled))
    for _ in range(20):
        small = connection.request()
        connection.open_window(small, 100)
        assert connection.response(small).body == b"small"
    assert not any(connection.answer(each).is_over for each in stalled)
    for each in stalled:
        connection.cancel(each)  # an end of the connection alone would have them wait on
    connection.round_trip()


# Priorities ----------------------------------------------------------------------------------------------------------


def drain_order(connection, streams) -> list[int]:
    """Opens the windows and reads everything: the order in which DATA came."""
    for stream in streams:
        connection.open_window(stream, 1 << 20)
    connection.round_trip()
    connection.order.clear()
    connection.open_window(0, 1 << 20)
    connection.wait_for(lambda: all(connection.answer(stream).is_over for stream in streams))
    return connection.order


def shut(connection) -> None:
    """Uses the connection's window up, so that what comes next has to wait."""
    stream = connection.request(target="/filler")
    connection.wait_for(lambda: len(connection.answer(stream).body) == 65535)
    connection.cancel(stream)


def big(connection):
    while connection.read_request() is not None:
        connection.send(ok(b"b" * 100_000))


def test_the_urgent_goes_first(http2_client):
    connection = http2_client(big, reads_windows=False, settings={})
    shut(connection)
    lazy = connection.request(target="/lazy", headers=[("priority", "u=6")])
    usual = connection.request(target="/usual")
    urgent = connection.request(target="/urgent", headers=[("priority", "u=0")])
    connection.wait_for(lambda: all(connection.answer(each).headers for each in (lazy, usual, urgent)))
    order = drain_order(connection, (lazy, usual, urgent))
    first = {stream: order.index(stream) for stream in (lazy, usual, urgent)}
    # 100 kB do not wait here as a whole: what has come when the window opens goes by urgency.
    assert first[urgent] < first[usual] < first[lazy], order


def kernel_keeps(connection) -> int:
    """Bytes on their way to the client that it has not taken: those that the kernels have, on either side."""

    def ends(address: str) -> int:
        return int(address.rpartition(":")[2], 16)

    ours, theirs = connection.socket.getsockname()[1], connection.socket.getpeername()[1]
    lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    kept = 0
    for line in lines:
        if {ends(line[1]), ends(line[2])} == {ours, theirs}:
            sent, received = (int(number, 16) for number in line[4].split(":"))
            kept += sent + received
    return kept


def test_what_is_asked_late_and_urgent_does_not_wait_for_what_the_kernel_has(http2_client):
    """A client that opens its windows wide and is slow: what is to be sent is chosen late."""

    def script(connection):
        while (request := connection.read_request()) is not None:
            connection.send(ok(b"x" * (16 << 20) if request.target == b"/lazy" else b"now"))

    connection = http2_client(script, settings={4: 2**31 - 1}, reads_windows=False, receive_buffer=16384)
    connection.open_window(0, 2**31 - 1 - 65535)
    lazy = connection.request(target="/lazy", headers=[("priority", "u=6")])
    connection.wait_for(lambda: connection.answer(lazy).body)
    seen = [0]

    def is_full() -> bool:
        seen.append(kernel_keeps(connection))
        return len(seen) > 5 and len(set(seen[-5:])) == 1

    wait_until(is_full, "the kernels to take no more")
    assert seen[-1] < 1 << 19  # of what nobody can choose any more
    assert connection.get("/urgent", headers=[("priority", "u=0")]).body == b"now"
    assert len(connection.answer(lazy).body) < 8 << 20  # what is sent while the server is asked depends on its speed


# The demands of its neighbours ----------------------------------------------------------------------------------------


def test_http1_and_http2_clients_share_a_server(edge, route):
    routed = route(edge)
    with Http2Client(edge, routed.host) as second, routed.tls_client(context=client_context(edge.authority)) as first:
        for _ in range(5):
            assert second.get().status == 200
            assert first.get(routed.host).status == 200
    routed.origin.wait_for_requests(10)


def test_a_connection_of_a_thousand_requests_leaks_nothing(edge, http2_client):
    connection = http2_client()
    for _ in range(1000):
        assert connection.get().status == 200
    before = edge.process.status_kib("VmRSS")
    for _ in range(2000):
        assert connection.get().status == 200
    assert edge.process.status_kib("VmRSS") - before < 2048
    wait_until(lambda: edge.metric("requests_in_flight") == 0, "no request to be in flight")
