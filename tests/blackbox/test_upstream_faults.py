"""Servers that refuse, die, stall or lie: what the client is told, what is repeated, and who else notices (nobody)."""

import threading
import time

import pytest

from harness.addresses import free_endpoint
from harness.messages import Truncated
from harness.scripted_origin import answering, ok
from harness.waiting import wait_until

POST = "POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nwrite"


def post(client, host: str, target: str = "/") -> None:
    client.send(POST.format(host=host, target=target).encode())


def assert_problem(answer, status: int, reason: str) -> None:
    assert (answer.status, answer.text("x-hybridge-reason")) == (status, reason)
    assert answer.text("content-type") == "application/problem+json" and reason in answer.content


def test_a_server_that_refuses_is_a_502(plain):
    host = plain.add_site("refusing.test", free_endpoint())
    with plain.plain_client() as client:
        assert_problem(client.get(host), 502, "upstream_connect_failed")
        page = client.get(host, headers={"Accept": "text/html"})  # and the connection goes on
        assert page.status == 502 and page.text("content-type").startswith("text/html")


def test_a_server_that_is_silent_is_a_504(plain, route):
    """response_head is 2 s on this edge."""

    def script(connection):
        connection.read_request()
        connection.wait_for_end()

    routed = route(plain, script)
    with routed.client() as client:
        assert_problem(client.get(routed.host), 504, "upstream_head_timeout")
    routed.origin.wait_for(lambda: routed.origin.connections[0].ended.is_set(), "its connection to end")


def test_a_browser_sees_the_page_of_a_504(plain, route):
    def script(connection):
        connection.read_request()
        connection.wait_for_end()

    routed = route(plain, script)
    with routed.client() as client:
        answer = client.get(routed.host, headers={"Accept": "text/html"})
    assert answer.status == 504 and answer.text("content-type").startswith("text/html") and b"<html" in answer.body


def test_an_answer_that_stops_in_the_middle_is_cut_off_visibly(plain, route):
    """response_idle is 2 s on this edge."""

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        connection.wait_for_end()

    routed = route(plain, script)
    with routed.client() as client:
        client.request(routed.host)
        with pytest.raises(Truncated):
            client.response()
    line = plain.logged(lambda line: line["host"] == routed.host, "the stalled answer")
    assert line["reason"] == "upstream_idle"


DEATHS = {
    "before the head": b"",
    "within the status line": b"HTTP/1.1 2",
    "within a field": b"HTTP/1.1 200 OK\r\nContent-Le",
    "before the head's end": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
}


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("death", DEATHS)
def test_a_server_that_dies_before_its_head_is_whole_is_a_502(plain, route, death, then):
    routed = route(plain, answering(DEATHS[death], then=then))
    with routed.client() as client:
        answer = client.get(routed.host)
        assert answer.status == 502 and answer.text("x-hybridge-reason") in ("upstream_closed", "upstream_malformed")
        assert client.get("site.test", "/small.txt").status == 200  # the client's connection goes on


BODIES = {
    "of a length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
    "of chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
}


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_a_server_that_dies_within_the_body_is_seen_to_be_broken(plain, route, body, then, version):
    routed = route(plain, answering(BODIES[body], then=then))
    with routed.client() as client:
        client.send(f"GET / {version}\r\nHost: {routed.host}\r\n\r\n".encode())
        if version == "HTTP/1.0" and body == "of chunks":
            client.response()  # framed by the close: a reset is the only sign there could be
        else:
            with pytest.raises(Truncated) as truncated:
                client.response()
            assert truncated.value.partial.body in (b"hello", b"")
    line = plain.logged(lambda line: line["host"] == routed.host, "the broken answer")
    assert line["reason"] == "upstream_truncated"


# The retry rule -------------------------------------------------------------------------------------------------------


def one_answer_then(end: str):
    """Answers once; the next request on that connection gets none."""

    def script(connection):
        number = connection.number
        connection.read_request()
        connection.send(ok(b"%d" % number))
        if connection.read_request() is None:
            return
        connection.reset() if end == "reset" else connection.close()

    return script


@pytest.fixture
def single(make_edge):
    """One worker: the connection used first is the one that is used again."""
    return make_edge({"workers": 1, "redirect_to_https": False})


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_safe_request_is_repeated_when_a_reused_connection_closed(single, route, method, end):
    routed = route(single, one_answer_then(end))
    with routed.client() as client:
        assert client.get(routed.host).content == "0"
        assert client.get(routed.host, "/again", method).status == 200
    assert [request.target for request in routed.origin.requests] == [b"/", b"/again", b"/again"]
    assert single.metric("upstream_retries_total") == 1


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "FOO"])
def test_an_unsafe_request_is_never_repeated(single, route, method, end):
    routed = route(single, one_answer_then(end))
    with routed.client() as client:
        assert client.get(routed.host).content == "0"
        client.send(f"{method} /once HTTP/1.1\r\nHost: {routed.host}\r\nContent-Length: 5\r\n\r\nwrite".encode())
        assert client.response().status == 502
    assert [request.target for request in routed.origin.requests].count(b"/once") == 1


def test_a_safe_request_is_not_repeated_on_a_fresh_connection(single, route):
    routed = route(single, answering(b"", then="close"))
    with routed.client() as client:
        assert client.get(routed.host).status == 502
    assert len(routed.origin.requests) == 1


def test_a_safe_request_is_not_repeated_once_an_answer_has_begun(single, route):
    def script(connection):
        connection.read_request()
        connection.send(ok(b"first"))
        if connection.read_request() is not None:
            connection.send(b"HTTP/1.1 2")

    routed = route(single, script)
    with routed.client() as client:
        assert client.get(routed.host).content == "first"
        assert client.get(routed.host, "/cut").status == 502
    assert [request.target for request in routed.origin.requests].count(b"/cut") == 1


def test_a_connection_that_the_server_closed_while_idle_costs_nobody_an_error(single, route):
    """A pooled connection is checked before it is used: a POST finds a fresh one."""
    routed = route(single, answering(ok(b"fine"), then="close"))
    with routed.client() as client:
        for number in range(20):
            post(client, routed.host, f"/{number}")
            assert client.response().content == "fine"
            routed.origin.wait_for(lambda: routed.origin.connections[number].ended.is_set(), "the close")
    assert [request.target.decode() for request in routed.origin.requests] == [f"/{number}" for number in range(20)]


def test_a_connection_that_says_close_is_not_used_again(single, route):
    routed = route(single, answering(ok(b"x", b"Connection: close\r\n")))
    with routed.client() as client:
        assert [client.get(routed.host).status for _ in range(5)] == [200] * 5
    assert len(routed.origin.connections) == 5


def test_keep_alive_time_of_the_server_is_respected(single, route):
    """With `Keep-Alive: timeout=1` the edge must have closed or left the connection before the server does."""
    routed = route(single, answering(ok(b"x", b"Keep-Alive: timeout=1\r\n")))
    with routed.client() as client:
        assert client.get(routed.host).status == 200
    started = time.monotonic()
    routed.origin.wait_for(lambda: routed.origin.connections[0].ended.is_set(), "the edge to close the idle connection")
    assert time.monotonic() - started < 3


def test_connecting_elsewhere_is_tried_for_every_method(single, make_origin):
    """Nothing was sent, so a POST may be, to the endpoint that listens."""
    origin = make_origin()
    host = single.add_site("half-dead.test", free_endpoint(), origin)
    with single.plain_client() as client:
        for number in range(10):
            post(client, host, f"/{number}")
            assert client.response().status == 200
    assert [request.target.decode() for request in origin.requests] == [f"/{number}" for number in range(10)]


# Others do not notice -------------------------------------------------------------------------------------------------


def test_dead_and_silent_servers_do_not_slow_the_others(plain, make_origin):
    def silent(connection):
        connection.read_request()
        connection.wait_for_end()

    plain.add_site("dead.test", free_endpoint())
    plain.add_site("silent.test", make_origin(silent))
    waiting = [plain.plain_client() for _ in range(50)]
    for number, client in enumerate(waiting):
        client.request("silent.test" if number % 2 else "dead.test")
    durations = []
    with plain.plain_client() as client:
        for _ in range(200):
            begun = time.monotonic()
            assert client.get("site.test", "/small.txt").status == 200
            durations.append(time.monotonic() - begun)
    assert sorted(durations)[len(durations) // 2] < 0.05
    for client in waiting:
        client.close()


def test_a_server_that_comes_back_is_found_by_a_probe(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False, "upstream": {"health": {"failures": 2, "retry_after": "300ms"}}})
    origin = make_origin()
    origin.stop_listening()
    host = edge.add_site("back.test", origin)
    with edge.plain_client() as client:
        assert [client.get(host).status for _ in range(20)] == [502] * 20
        assert edge.metric("server_up", server="server-of-back.test") == 0
        begun = time.monotonic()
        answer = client.get(host)  # fails fast: nobody waits for a connect that was just refused
        assert answer.status == 502 and time.monotonic() - begun < 1
        origin.listen()
        wait_until(lambda: client.get(host).status == 200, "the server to be back")
        assert [client.get(host).status for _ in range(20)] == [200] * 20
        assert edge.metric("server_up", server="server-of-back.test") == 1


def test_statuses_never_eject_the_last_endpoint(plain, route):
    routed = route(plain, answering(ok(b"down", status=b"503 Down")))
    with routed.client() as client:
        assert [client.get(routed.host).status for _ in range(30)] == [503] * 30
    # A 503 makes the edge ask the site itself, once, whether it is in maintenance.
    assert len([request for request in routed.origin.requests if request.target != b"/api/method/ping"]) == 30


def test_one_dead_endpoint_of_two_is_left_alone(make_edge, make_origin):
    edge = make_edge({"workers": 1, "redirect_to_https": False, "upstream": {"health": {"failures": 2, "retry_after": "60s"}}})
    dead, alive = make_origin(), make_origin()
    host = edge.add_site("pair.test", dead, alive)
    with edge.plain_client() as client:
        assert [client.get(host).status for _ in range(6)] == [200] * 6
        dead.stop_listening()
        for connection in dead.connections:
            connection.close()
        assert [client.get(host).status for _ in range(30)] == [200] * 30
        assert edge.metric("upstream_retries_total") <= 6


# Names ----------------------------------------------------------------------------------------------------------------


def test_an_endpoint_may_be_a_name(plain, make_origin):
    """localhost is the one name that every machine resolves."""
    import socket as sockets

    listener = sockets.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def serve():
        accepted, _ = listener.accept()
        accepted.recv(65536)
        accepted.sendall(ok(b"by name", b"Connection: close\r\n"))
        accepted.close()

    thread = threading.Thread(target=serve)
    thread.start()
    host = plain.add_site("named.test", ("localhost", port))
    with plain.plain_client() as client:
        answer = client.get(host)
        assert (answer.status, answer.content) == (200, "by name")  # happy eyeballs: ::1 refuses, 127.0.0.1 serves
    thread.join()
    listener.close()


def test_a_name_that_nobody_knows_is_a_502(plain):
    host = plain.add_site("lost.test", ("no-such-name.invalid", 80))
    with plain.plain_client() as client:
        assert_problem(client.get(host), 502, "upstream_unresolved")
