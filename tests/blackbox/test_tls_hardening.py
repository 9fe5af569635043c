"""What TLS does not do: live longer than it is told, send early data, take odd or endless handshakes, or show anything
that testssl.sh finds worth a word.
"""

import json
import re
import shutil
import ssl
import subprocess
import time

import pytest

from harness.addresses import free_endpoint, text
from harness.honest import HonestClient, Meter
from harness.nginx import Nginx
from harness.raw_client import RawClient
from harness.tls_client import client_context
from harness.waiting import wait_until

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def session_of(edge, context):
    with edge.tls_client("site.test", context) as client:
        assert client.get("site.test").status == 200
        return client.socket.session


def is_resumed(edge, context, session) -> bool:
    with RawClient(edge.https, tls=context, server_name="site.test", session=session) as client:
        assert client.get("site.test").status == 200
        return client.socket.session_reused


@pytest.fixture(scope="module")
def short_lived(authority, origin):
    from harness.hybridge import Hybridge

    hybridge = Hybridge(authority, {"tls": {"ticket_rotation": "1s", "ticket_lifetime": "4s"}}).start()
    hybridge.add_site("site.test", origin)
    yield hybridge
    hybridge.close()


def openssl(edge, *options, data: str = "") -> subprocess.CompletedProcess:
    argv = ["openssl", "s_client", "-connect", text(edge.https), "-servername", "site.test", *options]
    return subprocess.run(argv, input=data, capture_output=True, text=True, timeout=30, check=False)


def key_name(edge) -> str:
    """Of the key that seals tickets now: their first 16 bytes (RFC 5077 4)."""
    shown = openssl(edge, "-tls1_2").stdout
    return re.search(r"TLS session ticket:\n\s+0000 - ((?:[0-9a-f]{2}[ -]){16})", shown)[1]


@pytest.mark.parametrize("version", VERSIONS, ids=["TLS 1.2", "TLS 1.3"])
def test_a_ticket_outlives_the_rotation_of_keys_but_not_its_lifetime(short_lived, version):
    context = client_context(short_lived.authority, check=False, minimum=version, maximum=version)
    before = key_name(short_lived)
    began = time.monotonic()
    session = session_of(short_lived, context)
    wait_until(lambda: key_name(short_lived) != before, "another key to seal tickets")
    if time.monotonic() - began < 3:  # else the machine is too busy to tell
        assert is_resumed(short_lived, context, session)
    wait_until(lambda: not is_resumed(short_lived, context, session), "the ticket to be too old")
    assert time.monotonic() - began > 3


def test_tickets_allow_no_early_data(edge, tmp_path):
    session, early = tmp_path / "session", tmp_path / "early"
    early.write_text("GET /early HTTP/1.1\r\nHost: site.test\r\n\r\n")
    request = "GET / HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n"
    first = openssl(edge, "-tls1_3", "-sess_out", session, "-ign_eof", data=request)
    assert "Max Early Data: 0" in first.stdout
    second = openssl(edge, "-tls1_3", "-sess_in", session, "-early_data", early, "-ign_eof", data=request)
    assert "Early data was not sent" in second.stdout or "Early data was rejected" in second.stdout, second.stdout
    assert not [line for line in edge.access_log() if line["path"] == "/early"]


def test_no_certificate_status_is_stapled(edge):
    """By choice: authorities give OCSP up, and lifetimes of certificates are short."""
    assert "OCSP response: no response sent" in openssl(edge, "-status").stdout


def hello(edge, name: str = "site.test", alpn: tuple[str, ...] = ("http/1.1",)):
    """A handshake by hand: the ClientHello's record, and what continues it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(edge.authority, check=False, alpn=alpn).wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return tls, incoming, outgoing, outgoing.read()


def in_records(record: bytes, size: int) -> bytes:
    """The same handshake message in many records (RFC 8446 5.1 allows it)."""
    kind, body = record[:3], record[5:]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(kind + len(piece).to_bytes(2, "big") + piece for piece in pieces)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_client_hello_in_many_records_is_understood(edge, size):
    tls, incoming, outgoing, record = hello(edge)
    with RawClient(edge.https) as client:
        client.send(in_records(record, size))
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(client.socket.recv(65536))
        client.send(outgoing.read())
        assert tls.version() == "TLSv1.3"


@pytest.mark.parametrize(
    "shape",
    [
        lambda hello: hello[:5] + b"\x01" + (120_000).to_bytes(3, "big") + hello[9:] ,
        lambda hello: b"\x16\x03\x01\x00\x00" * 3,
        lambda hello: b"\x16\x03\x01\xff\xff" + b"\0" * 100,
        lambda hello: b"\x16\x03\x01" + (len(hello) - 5).to_bytes(2, "big") + b"\x02" + hello[6:],
        lambda hello: b"\x16\x02\x00" + hello[3:],
        lambda hello: b"\x17\x03\x03\x00\x05hello",
        lambda hello: b"\x80\x2e\x01\x03\x01" + b"\0" * 41,
        lambda hello: hello[:-40] + b"\xff" * 40,
    ],
    ids=["says it is long", "empty records", "a record too large", "a ServerHello", "SSL 2.0 in a record", "data first", "SSL 2.0", "broken extensions"],
)
def test_an_odd_hello_is_ended_and_nothing_served(edge, shape):
    _, _, _, record = hello(edge)
    with RawClient(edge.https) as client:
        client.send(shape(record))
        client.half_close()
        assert b"HTTP/1.1 200" not in client.everything()


def test_a_hello_without_end_is_cut_at_64_kib(make_edge, route):
    edge = make_edge({"timeouts": {"handshake": "60s"}})
    routed = route(edge)
    honest = HonestClient(edge, routed.host, with_tls=True).learn()
    meter = Meter(edge)
    record = b"\x16\x03\x01\x40\x00"
    first = b"\x01" + (131_000).to_bytes(3, "big") + b"\x03\x03"
    clients = []
    for _ in range(50):
        client = RawClient(edge.https, record=True)
        client.send(record + first + b"\0" * (0x4000 - len(first)))
        for _ in range(7):
            client.send(record + b"\0" * 0x4000)
        clients.append(client)
    honest.is_served_as_usual()
    for client in clients:
        client.everything()
        client.close()
    assert meter.more_kib() < 50 * 512  # the message's buffer, and what had come of it


def test_another_host_on_the_same_connection_is_served_over_http_1(edge, origin):
    """As the incumbent does; browsers reuse connections for other names with HTTP/2 only, where it is a 421."""
    edge.add_site("elsewhere.test", origin)
    with edge.tls_client("site.test", client_context(edge.authority, check=False)) as client:
        assert client.get("site.test").status == 200
        assert client.get("elsewhere.test").status == 200


# Findings of testssl.sh above LOW that are intended: of the certificate, which is the tests' own and not the edge's
# doing.
INTENDED = {
    "cert_chain_of_trust": "its authority is nobody's",
    "cert_expirationStatus": "it is made for this run",
    "cert_notAfter": "the same",
    "cert_revocation": "its authority revokes nothing: it names neither a list nor a responder",
}
WORRIES = {"MEDIUM", "HIGH", "CRITICAL"}


def found_by_testssl(endpoint: tuple[str, int], folder, *looks: str) -> list[dict]:
    """By hand: testssl --quiet --ip one --sneaky --jsonfile out.json 127.0.0.1:8443, against tools/run."""
    out = folder / "testssl.json"
    address, port = endpoint
    argv = ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--ip", address, "--nodns", "none",
            "--jsonfile", str(out), *looks, f"site.test:{port}"]
    outcome = subprocess.run(argv, capture_output=True, text=True, timeout=1200, check=False)
    assert out.exists(), outcome.stdout[-2000:] + outcome.stderr[-2000:]
    findings = json.loads(out.read_text())
    fatal = [found for found in findings if found["severity"] == "FATAL"]
    assert not fatal, fatal
    return findings


def worries(findings: list[dict]) -> list[str]:
    bad = [found for found in findings if found["severity"] in WORRIES and found["id"].split(" ")[0] not in INTENDED]
    return [f"{found['severity']} {found['id']}: {found['finding']}" for found in bad]


def offered(findings: list[dict]) -> set[str]:
    """Of the protocols; old ones are no more than LOW to it."""
    return {found["id"] for found in findings if re.match("SSLv|TLS1", found["id"]) and found["finding"].startswith("offered")}


needs_testssl = pytest.mark.skipif(shutil.which("testssl") is None, reason="tools/install-packages brings testssl.sh")


@pytest.mark.slow
@needs_testssl
def test_testssl_finds_nothing_above_low(edge, tmp_path):
    findings = found_by_testssl(edge.https, tmp_path, "-p", "-s", "-f", "-P", "-S", "-U")
    assert len(findings) > 60, "it looked"
    said = {found["id"]: found["finding"] for found in findings}
    assert offered(findings) == {"TLS1_2", "TLS1_3"}
    assert (said["ALPN_HTTP2"], said["ALPN"]) == ("h2", "http/1.1")
    assert not worries(findings), "\n".join(worries(findings))


@pytest.mark.slow
@needs_testssl
def test_testssl_would_find_old_protocols(authority, tmp_path):
    """A server that has them, as proof that silence means something."""
    chain, key = (tmp_path / "chain.pem"), (tmp_path / "key.pem")
    pair = authority.issue("site.test")
    chain.write_text(pair.chain)
    key.write_text(pair.key)
    endpoint = free_endpoint()
    old = Nginx(tmp_path / "old", f"""
      server {{ listen {text(endpoint)} ssl; ssl_certificate {chain}; ssl_certificate_key {key};
                ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0; }}""")
    try:
        old.wait_until_listening(endpoint)
        assert offered(found_by_testssl(endpoint, tmp_path, "-p")) == {"TLS1", "TLS1_1", "TLS1_2"}
    finally:
        old.close()
