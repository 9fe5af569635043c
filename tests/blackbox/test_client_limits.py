"""What one address may take: connections, requests under way, handshakes; and what happens when the machine runs short.

Loopback is never counted, so clients come by the PROXY protocol, whose header names them.
"""

import ssl
import threading

import pytest

from harness.honest import HonestClient, Meter
from harness.messages import Truncated
from harness.raw_client import RawClient
from harness.scripted_origin import ok
from harness.tls_client import client_context
from harness.waiting import PATIENCE, wait_until

TRUSTING = {"trusted_proxies": ["127.0.0.0/8"], "redirect_to_https": False}


def named(address: str) -> bytes:
    family = "TCP6" if ":" in address else "TCP4"
    return f"PROXY {family} {address} {'::1' if ':' in address else '192.0.2.1'} 50000 443\r\n".encode()


@pytest.fixture
def make_balanced(make_edge):
    """An edge whose http and https listeners are a balancer's."""

    def make(limits: dict, more: dict | None = None):
        edge = make_edge({**TRUSTING, "limits": limits, **(more or {})}, start=False)
        edge.config["listen"]["proxy_protocol"] = edge.config["listen"]["https"] + edge.config["listen"]["http"]
        return edge.start()

    return make


def holding(release: threading.Event):
    def script(connection):
        while connection.read_request() is not None:
            release.wait(30)
            if not connection.send(ok()):
                return

    return script


def test_connections_of_an_address_are_bounded_and_others_are_not_its_victims(make_balanced, make_origin):
    edge = make_balanced({"connections_per_address": 3})
    edge.add_site("a.test", make_origin())
    clients = [edge.plain_client(preface=named("203.0.113.7")) for _ in range(3)]
    for client in clients:
        assert client.get("a.test").status == 200
    with edge.plain_client(preface=named("203.0.113.7")) as client:
        answer = client.get("a.test")
        assert answer.status == 503 and answer.text("x-hybridge-reason") == "too_many_connections_from_address"
        assert "limits.connections_per_address (3)" in answer.content and answer.get("retry-after")
        assert client.is_closed()
    with edge.plain_client(preface=named("203.0.113.8")) as client:
        assert client.get("a.test").status == 200
    assert edge.metric("connections_refused_total", reason="too_many_connections_from_address") == 1
    wait_until(lambda: "too_many_connections_from_address" in edge.process.stderr(), "the word in the log")
    clients.pop().close()

    def has_room():
        with edge.plain_client(preface=named("203.0.113.7")) as client:
            return client.get("a.test").status == 200

    wait_until(has_room, "the place of the one that left")
    for client in clients:
        client.close()


@pytest.mark.parametrize("by", ["PROXY header", "field"])
def test_requests_under_way_of_an_address_are_bounded_over_workers(make_balanced, make_edge, make_origin, by):
    limits = {"requests_per_address": 4}
    edge = make_balanced(limits) if by == "PROXY header" else make_edge({**TRUSTING, "limits": limits})
    release = threading.Event()
    busy, idle = make_origin(holding(release)), make_origin()
    edge.add_site("busy.test", busy)
    edge.add_site("idle.test", idle)

    def client(address):
        return edge.plain_client(preface=named(address) if by == "PROXY header" else b"")

    def ask(connected, host, address):
        connected.request(host, headers={} if by == "PROXY header" else {"X-Forwarded-For": address})

    clients = [client("203.0.113.7") for _ in range(4)]
    for connected in clients:
        ask(connected, "busy.test", "203.0.113.7")
    busy.wait_for_requests(4)
    with client("203.0.113.7") as fifth:
        ask(fifth, "idle.test", "203.0.113.7")
        answer = fifth.response()
        assert answer.status == 429 and answer.text("x-hybridge-reason") == "too_many_requests_from_address"
        assert "limits.requests_per_address (4)" in answer.content and answer.get("retry-after")
    with client("203.0.113.8") as other:
        ask(other, "idle.test", "203.0.113.8")
        assert other.response().status == 200
    release.set()
    for connected in clients:
        assert connected.response().status == 200
    ask(clients[0], "idle.test", "203.0.113.7")
    assert clients[0].response().status == 200
    assert edge.metric("requests_by_reason_total", reason="too_many_requests_from_address") == 1
    assert edge.logged(lambda line: line["status"] == 429, "the refusal")["reason"] == "too_many_requests_from_address"
    for connected in clients:
        connected.close()


def test_an_ipv6_network_of_64_bits_is_one_client(make_balanced, make_origin):
    edge = make_balanced({"connections_per_address": 1})
    edge.add_site("a.test", make_origin())
    with edge.plain_client(preface=named("2001:db8:0:1::1")) as first:
        assert first.get("a.test").status == 200
        with edge.plain_client(preface=named("2001:db8:0:1:ffff::2")) as same:
            assert same.get("a.test").status == 503
        with edge.plain_client(preface=named("2001:db8:0:2::1")) as other:
            assert other.get("a.test").status == 200


def test_handshakes_of_an_address_are_bounded_and_others_shake_hands_as_usual(make_balanced, make_origin):
    edge = make_balanced({"handshakes_per_address": 5})
    edge.add_site("a.test", make_origin())
    context = client_context(edge.authority, check=False)
    turned_away = 0
    for _ in range(60):
        try:
            with edge.tls_client("a.test", context, preface=named("203.0.113.7")):
                pass
        except ssl.SSLError as error:
            assert "ALERT_ACCESS_DENIED" in str(error).upper().replace(" ", "_"), error
            turned_away += 1
    assert turned_away > 10
    for number in range(20):
        with edge.tls_client("a.test", context, preface=named(f"198.51.100.{number}")) as client:
            assert client.get("a.test").status == 200
    assert edge.metric("connections_refused_total", reason="too_many_handshakes_from_address") == turned_away
    wait_until(lambda: "limits.handshakes_per_address (5 a second)" in edge.process.stderr(), "the word in the log")


def test_limits_change_with_the_configuration_while_it_runs(make_balanced, make_origin):
    edge = make_balanced({"connections_per_address": 1})
    edge.add_site("a.test", make_origin())
    with edge.plain_client(preface=named("203.0.113.7")) as first:
        assert first.get("a.test").status == 200
        edge.config["limits"]["connections_per_address"] = 2
        edge.write_config()
        edge.process.send_signal(1)

        def is_let_in():
            with edge.plain_client(preface=named("203.0.113.7")) as second:
                return second.get("a.test").status == 200

        wait_until(is_let_in, "the new limit")


def status_or_none(edge, host: str):
    """None: cut without a word."""
    try:
        with edge.plain_client() as client:
            return client.get(host)
    except (Truncated, OSError):
        return None


def test_when_descriptors_run_short_who_is_new_is_refused_and_who_is_there_is_served(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False, "workers": 1, "limits": {"connections": 5000}, "timeouts": {"request_head": "5m"}}, start=False)
    edge.launch("prlimit", "--nofile=256:256")
    edge.wait_until_ready()
    release = threading.Event()
    first, second = make_origin(holding(release)), make_origin()
    edge.add_site("first.test", first)
    edge.add_site("second.test", second)
    old = edge.plain_client()
    old.request("first.test")
    first.wait_for_requests(1)
    crowd = [RawClient(edge.http) for _ in range(300)]
    wait_until(lambda: edge.metric("connections_refused_total", reason="short_of_descriptors") > 0, "a refusal")
    refused = status_or_none(edge, "first.test")
    assert refused is None or refused.text("x-hybridge-reason") == "short_of_descriptors"
    # Who is there still gets connections to servers of which there was none.
    release.set()
    assert old.response().status == 200
    assert old.get("second.test").status == 200 and old.get("first.test").status == 200
    assert edge.admin("GET", "/v1/status").status == 200
    for client in crowd:
        client.close()
    wait_until(lambda: (answer := status_or_none(edge, "first.test")) and answer.status == 200, "room again")
    wait_until(lambda: "short_of_descriptors" in edge.process.stderr(), "the word in the log")
    old.close()


def test_when_memory_runs_short_who_is_new_is_refused_and_who_is_there_is_served(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False, "limits": {"memory": "64M"}})
    size = 4 << 20
    large = make_origin(lambda connection: connection.read_request() and connection.send(ok(b"x" * size)))
    small = make_origin()
    edge.add_site("large.test", large)
    edge.add_site("small.test", small)
    release = threading.Event()
    slow = make_origin(holding(release))
    edge.add_site("slow.test", slow)
    old = edge.plain_client()
    old.request("slow.test")
    slow.wait_for_requests(1)
    hogs = []

    def is_short():
        for _ in range(20):
            hog = edge.plain_client(receive_buffer=4096)
            hog.request("large.test")
            hogs.append(hog)
        assert len(hogs) < 2000, "memory does not grow, so the test says nothing"
        return edge.metric("connections_refused_total", reason="short_of_memory") > 0

    wait_until(is_short, "memory to run short", 60)
    refused = status_or_none(edge, "small.test")
    assert refused is None or (refused.status == 503 and refused.text("x-hybridge-reason") == "short_of_memory")
    release.set()
    assert old.response().status == 200
    assert old.get("small.test").status == 200
    assert edge.admin("GET", "/v1/status").status == 200
    for hog in hogs:
        hog.close()
    wait_until(lambda: (answer := status_or_none(edge, "small.test")) and answer.status == 200, "memory again", 30)
    old.close()


GARBAGE = {
    "nothing": b"",
    "zeroes": b"\0" * 4096,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SMTP": b"EHLO scanner\r\nMAIL FROM:<a@b>\r\n",
    "RDP": bytes.fromhex("030000130ee000000000000100080003000000"),
    "SMB": b"\0\0\0\x85\xffSMBr\0\0\0\0" + b"\0" * 100,
    "TLS": b"\x16\x03\x01\0\x05\x01\0\0\x01\0",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    "HTTP/0.9": b"GET /\r\n",
    "SOCKS": b"\x05\x01\x00",
    "PROXY": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "high bytes": bytes(range(128, 256)) * 64,
    "a long line": b"A" * 70_000,
    "half a request": b"GET / HTTP/1.1\r\nHost: a.t",
}


def test_a_scanner_finds_nothing_on_any_listener_and_harms_nobody(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False, "timeouts": {"request_head": "1s", "handshake": "1s"}})
    origin = make_origin()
    edge.add_site("a.test", origin)
    honest = HonestClient(edge, "a.test").learn()
    meter = Meter(edge)
    before = edge.process.descriptors()

    def scan(endpoint):
        for garbage in GARBAGE.values():
            with RawClient(endpoint, patience=4 * PATIENCE) as client:
                client.send(garbage)
                assert b"HTTP/1.1 200" not in client.everything()

    seen = len(origin.requests)
    threads = [threading.Thread(target=scan, args=(endpoint,)) for endpoint in (edge.http, edge.https, edge.admin_endpoint)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(origin.requests) == seen
    honest.is_served_as_usual()
    wait_until(lambda: edge.process.descriptors() <= before + 10, "descriptors to be given back")
    assert meter.more_kib() < 16 * 1024
    assert edge.admin("GET", "/readyz", token=None).status == 200
