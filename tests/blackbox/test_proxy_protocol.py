"""The PROXY protocol, versions 1 and 2: demanded where the configuration says so, of whom it trusts, and nowhere guessed.

https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt
"""

import ipaddress
import subprocess

import pytest

from harness import addresses
from harness.process import Process
from harness.probing import accepts
from harness.raw_client import RawClient
from harness.tls_client import client_context
from harness.waiting import wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source="203.0.113.7", destination="192.0.2.1", family="TCP4", ports="56324 443") -> bytes:
    return f"PROXY {family} {source} {destination} {ports}\r\n".encode()


def v2(source="203.0.113.7", destination="192.0.2.1", command=0x21, kind=None, extensions=b"", length=None) -> bytes:
    packed = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed + b"\xdc\x04\x01\xbb"
    if kind is None:
        kind = 0x11 if len(packed) == 12 else 0x21
    block = packed + extensions
    size = len(block) if length is None else length
    return SIGNATURE + bytes([command, kind]) + size.to_bytes(2, "big") + block


@pytest.fixture(scope="module")
def behind(authority, origin):
    """Its https and http listeners are a TCP balancer's on loopback; a second http listener is not."""
    from harness.hybridge import Hybridge

    hybridge = Hybridge(
        authority, {"trusted_proxies": ["127.0.0.0/8"], "redirect_to_https": False, "timeouts": {"handshake": "1s"}}
    )
    hybridge.direct = addresses.free_endpoint()
    listen = hybridge.config["listen"]
    listen["proxy_protocol"] = listen["https"] + listen["http"]
    listen["http"] = listen["http"] + [addresses.text(hybridge.direct)]
    hybridge.start()
    yield hybridge
    hybridge.close()


def ask(behind, host: str, preface: bytes, transport: str):
    if transport == "plain":
        return behind.plain_client(preface=preface)
    return behind.tls_client(host, client_context(behind.authority, check=False), preface=preface)


@pytest.mark.parametrize("transport", ["plain", "tls"])
@pytest.mark.parametrize(
    "preface, client",
    [
        (v1(), "203.0.113.7"),
        (v1("2001:db8::7", "2001:db8::1", "TCP6"), "2001:db8::7"),
        (v2(), "203.0.113.7"),
        (v2("2001:db8::7", "2001:db8::1"), "2001:db8::7"),
        (v2(extensions=b"\x01\x00\x02h2" + b"\x04\x00\x03\0\0\0"), "203.0.113.7"),  # ALPN, NOOP
    ],
    ids=["v1", "v1 IPv6", "v2", "v2 IPv6", "v2 with extensions"],
)
def test_the_client_is_who_the_header_names(behind, route, preface, client, transport):
    routed = route(behind)
    with ask(behind, routed.host, preface, transport) as asking:
        assert asking.get(routed.host).status == 200
    seen = routed.origin.only_request()
    assert seen.text("x-real-ip") == client and seen.text("x-client-port") == "56324"
    line = behind.logged(lambda line: line["host"] == routed.host, "the request")
    assert line["client"] == client


@pytest.mark.parametrize(
    "preface",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
        SIGNATURE + b"\x20\0\0\0",
        SIGNATURE + b"\x20\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\0\0\x05junk!",
    ],
    ids=["v1 UNKNOWN", "v1 UNKNOWN with more", "v2 LOCAL", "v2 LOCAL with addresses", "v2 UNSPEC"],
)
def test_a_balancer_that_speaks_for_itself_is_the_client(behind, route, preface):
    routed = route(behind)
    with behind.plain_client(preface=preface) as client:
        own = client.socket.getsockname()[0]
        assert client.get(routed.host).status == 200
    assert routed.origin.only_request().text("x-real-ip") == own


def test_a_header_may_come_in_any_pieces(behind, route):
    routed = route(behind)
    for preface in (v1(), v2()):
        with RawClient(behind.http) as client:
            client.send_one_by_one(preface)
            assert client.get(routed.host).status == 200
    assert [seen.text("x-real-ip") for seen in routed.origin.requests] == ["203.0.113.7"] * 2


BAD = {
    "none": b"",
    "lower case": v1().lower(),
    "UDP": v1(family="UDP4"),
    "IPv6 as IPv4": v1("2001:db8::7", "2001:db8::1"),
    "IPv4 as IPv6": v1(family="TCP6"),
    "two spaces": v1().replace(b" 192", b"  192"),
    "a tab": v1().replace(b" 192", b"\t192"),
    "a leading zero": v1(ports="056324 443"),
    "a port too large": v1(ports="65536 443"),
    "a negative port": v1(ports="-1 443"),
    "one port": v1(ports="56324"),
    "three ports": v1(ports="1 2 3"),
    "a short address": v1("203.0.113"),
    "an octal address": v1("0203.0.113.7"),
    "bare LF": v1().replace(b"\r\n", b"\n"),
    "CR only": v1().replace(b"\r\n", b"\r"),
    "a NUL": v1().replace(b"203", b"\x00203"),
    "too long": b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
    "v2 version 1": v2(command=0x11),
    "v2 version 3": v2(command=0x31),
    "v2 command 2": v2(command=0x22),
    "v2 UDP": v2(kind=0x12),
    "v2 family 4": v2(kind=0x41),
    "v2 too short for its addresses": v2(length=11)[: 16 + 11],
    "v2 IPv6 with IPv4's length": v2(kind=0x21),
    "v2 extension beyond its end": v2(extensions=b"\x01\x00\x09h2"),
    "v2 half an extension": v2(extensions=b"\x01\x00"),
    "v2 too long": v2(extensions=b"\x04\x0f\xff" + bytes(4095)),
    "v2 signature broken": v2().replace(b"QUIT", b"QUIZ"),
}


@pytest.mark.parametrize("preface", BAD.values(), ids=BAD.keys())
def test_what_is_no_header_ends_the_connection_without_a_word(behind, route, preface):
    routed = route(behind)
    before = behind.metric("connections_refused_total", reason="bad_proxy_header")
    with RawClient(behind.http, preface=preface, record=True) as client:
        client.request(routed.host)
        assert client.is_closed()
        assert client.received == b""
    assert routed.origin.saw_nothing()
    assert behind.metric("connections_refused_total", reason="bad_proxy_header") == before + 1


@pytest.mark.parametrize("part", [v1()[:20], v2()[:14], v2()[:20]], ids=["v1", "v2 head", "v2 block"])
def test_half_a_header_has_the_handshakes_time(behind, part):
    before = behind.metric("connections_refused_total", reason="bad_proxy_header")
    with RawClient(behind.http, preface=part, record=True) as client:
        assert client.is_closed() and client.received == b""
    assert behind.metric("connections_refused_total", reason="bad_proxy_header") == before + 1


def test_where_none_is_demanded_none_is_looked_for_even_of_a_trusted_proxy(behind, route):
    """A balancer that sends none passes its clients' bytes on: they must not be able to name themselves."""
    routed = route(behind)
    for preface in (v1(), v2()):
        with RawClient(behind.direct, preface=preface) as client:
            client.request(routed.host)
            assert client.response().status == 400
    assert routed.origin.saw_nothing()
    with RawClient(behind.direct) as client:
        assert client.get(routed.host).status == 200


def test_a_header_of_somebody_who_is_not_trusted_ends_the_connection(make_edge, make_origin):
    edge = make_edge({"trusted_proxies": ["192.0.2.0/24"], "redirect_to_https": False}, start=False)
    edge.config["listen"]["proxy_protocol"] = edge.config["listen"]["http"]
    edge.start()
    origin = make_origin()
    edge.add_site("a.test", origin)
    with RawClient(edge.http, preface=v1(), record=True) as client:
        client.request("a.test")
        assert client.is_closed() and client.received == b""
    assert origin.saw_nothing()
    wait_until(lambda: "trusted_proxies" in edge.process.stderr(), "the word in the log")


def test_the_configuration_says_what_is_missing(make_edge):
    from harness.hybridge import run_command

    edge = make_edge({"listen": {"proxy_protocol": ["192.0.2.1:443"]}}, start=False)
    edge.write_config()
    said = run_command("check", config=edge.config_path)
    assert said.returncode == 1
    assert "192.0.2.1:443 is neither in listen.https nor in listen.http" in said.stderr + said.stdout
    assert "trusted_proxies" in said.stderr + said.stdout


HAPROXY = """\
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend balancer
  bind {listen}
  default_backend edge
backend edge
  server edge {edge} {option}
"""


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"])
def test_haproxy_as_the_balancer(behind, route, tmp_path, option):
    routed = route(behind)
    listen = addresses.free_endpoint()
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        HAPROXY.format(listen=addresses.text(listen), edge=addresses.text(behind.http), option=option)
    )
    balancer = Process("haproxy", ["/usr/sbin/haproxy", "-db", "-q", "-f", config], tmp_path)
    try:
        wait_until(lambda: accepts(listen), f"haproxy; it says {balancer.stderr()}")
        got = subprocess.run(
            ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{local_port}", "-H", f"Host: {routed.host}",
             f"http://{addresses.text(listen)}/"],
            capture_output=True, text=True, timeout=30, check=True,
        )
    finally:
        balancer.kill()
    status, port = got.stdout.split()
    assert status == "200"
    assert routed.origin.only_request().text("x-client-port") == port
