"""HTTP/1.1 and 1.0 as clients speak it: order, connections, 1xx, half-closed and slow clients."""

import subprocess
import threading

import pytest

from harness.messages import Truncated
from harness.scripted_origin import answering, ok


def request(host: str, target: str = "/", extra: str = "", method: str = "GET") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n".encode()


def test_a_connection_serves_many_requests(plain, route):
    routed = route(plain)
    with routed.client() as client:
        for number in range(300):
            assert client.get(routed.host, f"/{number}").status == 200
    assert len(routed.origin.requests) == 300


def test_upstream_connections_are_used_again(make_edge, make_origin):
    single = make_edge({"workers": 1, "redirect_to_https": False})
    origin = make_origin()
    single.add_site("reuse.test", origin)
    for _ in range(5):
        with single.plain_client() as client:
            for _ in range(5):
                assert client.get("reuse.test").status == 200
    assert len(origin.connections) == 1 and len(origin.requests) == 25


def test_an_idle_connection_is_closed(make_edge, make_origin):
    quick = make_edge({"redirect_to_https": False, "timeouts": {"keep_alive": "300ms"}})
    quick.add_site("idle.test", make_origin())
    with quick.plain_client() as client:
        assert client.get("idle.test").status == 200
        assert client.is_closed()


def test_a_connection_ends_after_its_number_of_requests_and_says_so(make_edge, make_origin):
    short = make_edge({"redirect_to_https": False, "limits": {"requests_per_connection": 3}})
    short.add_site("count.test", make_origin())
    with short.plain_client() as client:
        answers = [client.get("count.test") for _ in range(3)]
        assert [answer.text("connection") for answer in answers] == ["", "", "close"]
        assert client.is_closed()


def test_pipelined_requests_are_answered_in_order_though_the_first_is_slow(plain, route):
    release = threading.Event()

    def script(connection):
        while (seen := connection.read_request()) is not None:
            if seen.target == b"/slow":
                release.wait(10)
            connection.send(ok(seen.target))

    routed = route(plain, script)
    with routed.client() as client:
        client.send(request(routed.host, "/slow") + b"".join(request(routed.host, f"/{number}") for number in range(5)))
        routed.origin.wait_for_bytes(b"/slow")
        release.set()
        assert [client.response().content for _ in range(6)] == ["/slow", "/0", "/1", "/2", "/3", "/4"]


def test_answers_over_tls_are_in_order_too(edge):
    with edge.tls_client("site.test") as client:
        client.send(b"".join(request("site.test", target) for target in ("/", "/small.txt", "/status/204", "/")))
        assert [client.response().status for _ in range(4)] == [200, 200, 204, 200]


def test_a_request_in_single_bytes_over_tls_is_served(edge):
    with edge.tls_client("site.test") as client:
        client.send_one_by_one(request("site.test", "/small.txt"))
        assert client.response().content == "small\n"


def test_http_1_0_is_closed_and_with_keep_alive_kept(plain):
    with plain.plain_client() as client:
        client.send(b"GET / HTTP/1.0\r\nHost: site.test\r\n\r\n")
        assert client.response().content == "front page of site.test\n"
        assert client.is_closed()
    with plain.plain_client() as client:
        for _ in range(3):
            client.send(b"GET / HTTP/1.0\r\nHost: site.test\r\nConnection: keep-alive\r\n\r\n")
            answer = client.response()
            assert answer.text("connection").lower() == "keep-alive" and answer.framing == "length"


def test_a_chunked_answer_of_a_real_nginx_is_whole(plain):
    with plain.plain_client() as client:
        answer = client.get("site.test", "/style.css", headers={"Accept-Encoding": "gzip"})
    assert answer.text("content-encoding") == "gzip" and answer.framing == "chunked" and answer.complete


def test_ranges_and_validators_of_a_real_nginx_pass(plain):
    with plain.plain_client() as client:
        whole = client.get("site.test", "/medium.bin")
        part = client.get("site.test", "/medium.bin", headers={"Range": "bytes=256-511"})
        assert part.status == 206 and part.body == bytes(range(256))
        again = client.get("site.test", "/medium.bin", headers={"If-None-Match": whole.text("etag")})
        assert again.status == 304 and again.body == b""
        head = client.get("site.test", "/medium.bin", "HEAD")
        assert head.text("content-length") == str(len(whole.body)) and head.body == b""
        assert client.get("site.test", "/status/204").status == 204
        assert client.get("site.test", "/small.txt").content == "small\n"


# 1xx ------------------------------------------------------------------------------------------------------------------


def test_a_client_that_waits_for_100_is_told_to_go_on(plain, route):
    routed = route(plain)
    with routed.client() as client:
        client.send(request(routed.host, "/", "Expect: 100-continue\r\nContent-Length: 5\r\n", "POST"))
        assert client.response(skip_informational=False).status == 100
        client.send(b"hello")
        assert client.response().status == 200
    assert routed.origin.only_request().body == b"hello"


def test_curl_uploads_with_expect(plain, origin, tmp_path):
    (tmp_path / "body").write_bytes(b"x" * 2_000_000)
    url = f"http://site.test:{plain.http[1]}/upload/expect.bin"
    argv = ["curl", "-sS", "-f", "--resolve", f"site.test:{plain.http[1]}:{plain.http[0]}", "-H", "Expect: 100-continue", "-T", str(tmp_path / "body"), url]
    subprocess.run(argv, check=True, timeout=30)
    assert origin.uploaded("expect.bin").stat().st_size == 2_000_000


def test_a_refused_expectation_never_sends_the_body(plain, route):
    """The final answer takes the place of the 100."""

    def script(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        connection.wait_for_end()

    routed = route(plain, script)
    with routed.client() as client:
        client.send(request(routed.host, "/", "Expect: 100-continue\r\nContent-Length: 5\r\n", "POST"))
        first = client.response(skip_informational=False)
        if first.status == 100:  # allowed: the edge may answer the expectation itself
            first = client.response()
        assert first.status == 403


def test_early_hints_arrive_before_the_answer(plain, route):
    release = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        release.wait(10)
        connection.send(ok(b"late"))

    routed = route(plain, script)
    with routed.client() as client:
        client.request(routed.host)
        hints = client.response(skip_informational=False)
        assert hints.status == 103 and hints.text("link") == "</a.css>; rel=preload"
        release.set()
        assert client.response().content == "late"


# Early answers --------------------------------------------------------------------------------------------------------


def early(answer: bytes):
    def script(connection):
        connection.read_head()
        connection.send(answer)
        connection.wait_for_end()

    return script


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_answer_that_comes_during_an_upload_is_delivered(plain, route, framing):
    routed = route(plain, early(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge"))
    head = "Content-Length: 100000000\r\n" if framing == "length" else "Transfer-Encoding: chunked\r\n"
    with routed.client() as client:
        client.send(request(routed.host, "/", head, "POST") + (b"x" * 1000 if framing == "length" else b"3e8\r\n" + b"x" * 1000 + b"\r\n"))
        answer = client.response()
        assert answer.status == 413 and answer.content == "large"
        stop = threading.Event()

        def keep_sending():
            while not stop.is_set() and not client.was_reset:
                try:
                    client.socket.sendall(b"x" * 65536 if framing == "length" else b"10000\r\n" + b"x" * 65536 + b"\r\n")
                except OSError:
                    return

        sender = threading.Thread(target=keep_sending)
        sender.start()
        assert client.is_closed() or client.was_reset  # it does not take 100 MB for nothing
        stop.set()
        client.close()
        sender.join()


def test_a_small_rest_of_an_upload_is_drained_and_the_answer_seen(plain, route):
    """No reset may overtake the answer while the client still sends."""
    routed = route(plain, early(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"))
    for _ in range(20):
        with routed.client() as client:
            client.send(request(routed.host, "/", "Content-Length: 200000\r\n", "POST"))
            client.send(b"x" * 200000)
            assert client.response().content == "no"


# Clients --------------------------------------------------------------------------------------------------------------


def test_a_half_closed_client_gets_its_answer(plain, route):
    release = threading.Event()

    def script(connection):
        connection.read_request()
        release.wait(10)
        connection.send(ok(b"for the half-closed"))

    routed = route(plain, script)
    with routed.client() as client:
        client.request(routed.host)
        routed.origin.wait_for_requests(1)
        client.half_close()
        release.set()
        assert client.response().content == "for the half-closed"
        assert client.is_closed()


def test_a_half_closed_client_gets_all_its_pipelined_answers(plain, route):
    routed = route(plain)
    with routed.client() as client:
        client.send(request(routed.host) * 3)
        client.half_close()
        assert [client.response().status for _ in range(3)] == [200] * 3


def test_a_client_that_half_closes_within_a_body_is_not_served(plain, route):
    routed = route(plain)
    with routed.client() as client:
        client.send(request(routed.host, "/", "Content-Length: 10\r\n", "POST") + b"half")
        client.half_close()
        with pytest.raises(Truncated):
            answer = client.response()
            assert answer.status >= 400
            raise Truncated(None, b"")
    routed.origin.wait_for(lambda: all(c.ended.is_set() for c in routed.origin.connections), "its connection to end")
    assert routed.origin.requests == []


def test_a_client_that_leaves_takes_its_safe_request_with_it(plain, route):
    """By a reset: a FIN alone is a half-close, which is served."""
    gone = threading.Event()

    def script(connection):
        connection.read_request()
        connection.wait_for_end()
        gone.set()

    routed = route(plain, script)
    client = routed.client()
    client.request(routed.host)
    routed.origin.wait_for_requests(1)
    client.reset()
    assert gone.wait(10)


def test_an_unsafe_request_of_a_client_that_left_is_not_abandoned(plain, route):
    release = threading.Event()
    outcome = []

    def script(connection):
        connection.read_request()
        release.wait(10)
        outcome.append(connection.send(ok(b"written")))
        connection.wait_for_end()

    routed = route(plain, script)
    client = routed.client()
    client.send(request(routed.host, "/", "Content-Length: 2\r\n", "POST") + b"hi")
    routed.origin.wait_for_requests(1)
    connection = routed.origin.connections[0]
    client.reset()
    with plain.plain_client() as other:  # the edge has seen the reset by now
        other.get("site.test")
    assert not connection.reader.at_end and not connection.ended.is_set()
    release.set()
    routed.origin.wait_for(lambda: outcome, "the answer to be sent")
    assert outcome == [True]
    line = plain.logged(lambda line: line["host"] == routed.host, "the abandoned request")
    assert line["reason"] == "client_gone"


def test_many_clients_that_abort_leave_nothing_behind(plain, route):
    routed = route(plain)
    for number in range(200):
        client = routed.client()
        whole = request(routed.host, "/", "Content-Length: 100\r\n", "POST")
        client.send(whole[: number % len(whole)])
        client.reset() if number % 2 else client.close()
    with routed.client() as client:
        assert client.get(routed.host).status == 200
    assert plain.metric("requests_in_flight") == 0


def test_head_and_empty_answers_do_not_confuse_what_follows(plain, route):
    routed = route(plain, answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        ok(b"last"),
    ))
    with routed.client() as client:
        assert client.get(routed.host, method="HEAD").status == 200
        assert client.get(routed.host).status == 204
        assert client.get(routed.host).status == 304
        assert client.get(routed.host).content == "last"
