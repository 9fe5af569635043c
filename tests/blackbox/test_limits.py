"""Limits and deadlines that the corpus cannot show: of connections, of servers, of time."""

import select
import threading

import pytest

from harness.messages import Truncated
from harness.raw_client import RawClient
from harness.scripted_origin import ok
from harness.waiting import wait_until


def finished(client) -> list[int]:
    """Statuses until the edge closes."""
    statuses = []
    try:
        while True:
            statuses.append(client.response().status)
    except Truncated:
        return statuses


def test_a_slow_head_gets_a_408_that_names_the_deadline(plain):
    with plain.plain_client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: si")
        answer = client.response()
        assert answer.status == 408 and answer.text("x-hybridge-reason") == "head_timeout"
        assert client.is_closed()


def test_a_head_that_comes_drop_by_drop_does_not_stretch_its_deadline(plain):
    """Each byte is in time; together they are late."""
    with plain.plain_client() as client:
        stop = threading.Event()

        def drip():
            while not stop.wait(0.1):
                client.send(b"a")

        client.send(b"GET / HTTP/1.1\r\nHost: site.test\r\nX: ")
        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert client.response().status == 408
        finally:
            stop.set()
            dripping.join()


def test_a_connection_that_says_nothing_is_closed_without_a_word(make_edge):
    quick = make_edge({"redirect_to_https": False, "timeouts": {"request_head": "300ms", "keep_alive": "300ms"}})
    with RawClient(quick.http, record=True) as client:
        assert client.is_closed()
        assert b"HTTP/1.1 2" not in client.received


def test_a_stalled_body_gets_a_408_and_the_upstream_no_whole_request(plain, route):
    routed = route(plain)
    with routed.client() as client:
        client.send(f"POST / HTTP/1.1\r\nHost: {routed.host}\r\nContent-Length: 10\r\n\r\nhalf".encode())
        answer = client.response()
        assert answer.status == 408 and answer.text("x-hybridge-reason") == "body_timeout"
    routed.origin.wait_for(lambda: all(c.ended.is_set() for c in routed.origin.connections), "its connection to end")
    assert routed.origin.requests == []


def test_a_slow_upload_that_goes_on_is_not_cut_off(make_edge, make_origin):
    """What it sends earns back what it rested: see test_slow_clients."""
    quick = make_edge({"redirect_to_https": False, "timeouts": {"body_idle": "400ms"}})
    origin = make_origin()
    quick.add_site("slow.test", origin)
    ticking = threading.Event()
    with quick.plain_client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(10):
            ticking.wait(0.1)  # the pace of a slow client, not a wait for something
            client.send(b"x" * 100)
        assert client.response().status == 200
    assert origin.only_request().body == b"x" * 1000


def test_more_connections_than_allowed_are_refused_and_the_others_live(make_edge, make_origin):
    """Ten that are busy: idle ones would make room."""
    release = threading.Event()
    small = make_edge({"redirect_to_https": False, "limits": {"connections": 10}})
    origin = make_origin(busy_origin(release))
    small.add_site("many.test", origin)
    clients = [small.plain_client() for _ in range(10)]
    for client in clients:
        client.request("many.test")
    origin.wait_for_requests(10)
    extra = small.plain_client()
    extra.request("many.test")
    assert finished(extra) in ([503], [])
    release.set()
    for client in clients:
        assert client.response().status == 200
    for client in [*clients, extra]:
        client.close()

    def served_again():
        with small.plain_client() as client:
            client.request("many.test")
            return finished_first(client) == 200

    wait_until(served_again, "room for a new connection")


def test_idle_connections_make_room_for_new_ones_and_busy_ones_do_not(make_edge, make_origin):
    release = threading.Event()
    small = make_edge({"redirect_to_https": False, "workers": 1, "limits": {"connections": 32}})
    slow, quick = make_origin(busy_origin(release)), make_origin()
    small.add_site("slow.test", slow)
    small.add_site("quick.test", quick)
    busy = [small.plain_client() for _ in range(10)]
    for client in busy:
        client.request("slow.test")
    slow.wait_for_requests(10)
    idle = []

    def is_served() -> bool:
        for gone in [client for client in idle if select.select([client.socket], [], [], 0)[0]]:
            idle.remove(gone)
            gone.close()  # as clients do that see the edge close
        idle.append(small.plain_client())
        idle[-1].request("quick.test")
        return finished_first(idle[-1]) == 200

    for _ in range(40):  # nearly twice what there is room for
        wait_until(is_served, "room for one more")
    assert small.metric("idle_connections_closed_total", reason="too_many_connections") >= 40 + 10 - 32
    release.set()
    for client in busy:
        assert client.response().status == 200
    for client in [*busy, *idle]:
        client.close()


def finished_first(client) -> int:
    try:
        return client.response().status
    except Truncated:
        return 0


def test_loopback_is_never_limited_by_address(make_edge, make_origin):
    small = make_edge({"redirect_to_https": False, "limits": {"connections_per_address": 2}})
    small.add_site("many.test", make_origin())
    clients = [small.plain_client() for _ in range(10)]
    assert [client.get("many.test").status for client in clients] == [200] * 10
    for client in clients:
        client.close()


def busy_origin(release: threading.Event):
    def script(connection):
        while connection.read_request() is not None:
            release.wait(20)
            connection.send(ok())

    return script


def test_a_server_takes_its_bound_and_what_waits_too_long_gets_a_503(make_edge, make_origin):
    limits = {"upstream_connections": 4, "upstream_waiting": 4, "upstream_site_share": 100}
    small = make_edge({"workers": 1, "redirect_to_https": False, "limits": limits, "timeouts": {"upstream_wait": "500ms"}})
    release = threading.Event()
    busy, healthy = make_origin(busy_origin(release)), make_origin()
    small.add_site("busy.test", busy)
    small.add_site("healthy.test", healthy)
    clients = [small.plain_client() for _ in range(12)]
    for client in clients:
        client.request("busy.test")
    busy.wait_for_requests(4)
    with small.plain_client() as other:  # another customer's server is not affected
        assert other.get("healthy.test").status == 200
    refused = 0
    for client in clients[::-1]:
        if refused == 8:
            break
        client.socket.settimeout(5)
        try:
            answer = client.response()
        except TimeoutError:
            continue
        assert answer.status == 503 and answer.text("x-hybridge-reason") == "server_busy"
        refused += 1
    assert refused == 8 and len(busy.connections) == 4
    release.set()
    for client in clients:
        client.close()


def test_a_site_takes_only_its_share_of_its_server(make_edge, make_origin):
    limits = {"upstream_connections": 8, "upstream_waiting": 8, "upstream_site_share": 50}
    small = make_edge({"workers": 1, "redirect_to_https": False, "limits": limits, "timeouts": {"upstream_wait": "300ms"}})
    release = threading.Event()

    def script(connection):
        while (seen := connection.read_request()) is not None:
            if seen.get("host") == b"greedy.test":
                release.wait(20)
            connection.send(ok())

    origin = make_origin(script)
    small.add_site("greedy.test", origin, server="shared")
    small.add_site("modest.test", origin, server="shared")
    clients = [small.plain_client() for _ in range(16)]
    for client in clients:
        client.request("greedy.test")
    origin.wait_for_requests(1)
    with small.plain_client() as other:
        for _ in range(5):
            assert other.get("modest.test").status == 200
    release.set()
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    "head, status, word",
    [
        (b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\nHost: site.test\r\n\r\n", 414, "target_bytes"),
        (b"GET / HTTP/1.1\r\nHost: site.test\r\nX: " + b"a" * 33000 + b"\r\n\r\n", 431, "header_bytes"),
        (b"GET / HTTP/1.1\r\nHost: site.test\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431, "headers"),
        (b"POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 999999999999\r\n\r\n", 413, "body_bytes"),
    ],
    ids=["414", "431 bytes", "431 fields", "413"],
)
def test_an_answer_to_too_much_names_the_limit(plain, head, status, word):
    with plain.plain_client() as client:
        client.send(head)
        answer = client.response()
        assert answer.status == status
        assert word in answer.content, answer.content
        assert answer.text("content-type") == "application/problem+json"
        assert client.is_closed()


def test_a_large_upload_to_a_host_that_nobody_has_still_sees_its_answer(plain):
    """What nobody wants is read and thrown away for a while: a close upon unread bytes would destroy the answer."""
    size = 20_000_000
    with plain.plain_client() as client:
        client.send(f"POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: {size}\r\n\r\n".encode())
        sending = threading.Thread(target=client.send, args=(b"x" * size,))
        sending.start()
        answer = client.response()
        assert answer.status == 307 and answer.text("connection") == "close"
        sending.join()
        assert client.is_closed()


def test_a_process_without_descriptors_neither_spins_nor_dies(make_edge, make_origin):
    """Who comes before it is quite without is turned away, until somebody leaves."""
    few = make_edge({"workers": 1, "redirect_to_https": False, "limits": {"connections": 1000}}, start=False)
    few.launch("prlimit", "--nofile=100:100")
    few.wait_until_ready()
    few.add_site("few.test", make_origin())
    clients = [few.plain_client() for _ in range(150)]
    wait_until(lambda: "short_of_descriptors" in few.process.stderr(), "the process to be nearly full")
    before = few.process.cpu_seconds()
    threading.Event().wait(1)  # for as long as its time is taken, not for something
    assert few.process.cpu_seconds() - before < 0.5
    for client in clients:
        client.close()

    def served_again():
        with few.plain_client() as client:
            client.request("few.test")
            return finished_first(client) == 200

    wait_until(served_again, "room for a new connection")
