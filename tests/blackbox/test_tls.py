"""Handshakes: which certificate, which protocol, which session."""

import ssl
import subprocess

import pytest

from harness.addresses import text
from harness.raw_client import RawClient
from harness.tls_client import client_context


@pytest.fixture(scope="module")
def certified(edge, authority):
    made = {
        "exact.certs.test": authority.issue("exact.certs.test"),
        "*.certs.test": authority.issue("*.certs.test", "certs.test"),
        "*.deep.certs.test": authority.issue("*.deep.certs.test"),
    }
    for host, certificate in made.items():
        edge.put_certificate(host, certificate)
    pair = {"ec": authority.issue("pair.certs.test"), "rsa": authority.issue("pair.certs.test", kind="rsa")}
    edge.put_certificate("pair.certs.test", *pair.values())
    return edge, made | pair


def served(edge, name: str | None, **options) -> bytes:
    context = client_context(edge.authority, check=False, **options)
    with edge.tls_client(name, context) as client:
        return client.socket.getpeercert(binary_form=True)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("exact.certs.test", "exact.certs.test"),
        ("EXACT.certs.TEST", "exact.certs.test"),
        ("other.certs.test", "*.certs.test"),
        ("x.deep.certs.test", "*.deep.certs.test"),
    ],
)
def test_the_certificate_is_the_exact_one_or_the_longest_wildcard(certified, name, expected):
    edge, made = certified
    assert served(edge, name) == made[expected].der


@pytest.mark.parametrize("name", [None, "nobody.test", "a.b.c.certs.test", "edge.test"])
def test_other_names_and_no_name_get_the_default_certificate(certified, name):
    edge, _ = certified
    default = ssl.PEM_cert_to_DER_cert((edge.directory / "default.chain.pem").read_text().split("-----END")[0] + "-----END CERTIFICATE-----\n")
    assert served(edge, name) == default


def test_the_whole_chain_is_verified_by_a_client_that_trusts_the_authority(certified):
    edge, _ = certified
    with edge.tls_client("other.certs.test") as client:
        assert client.socket.version() == "TLSv1.3"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2])
def test_an_ec_and_an_rsa_certificate_live_side_by_side(certified, version):
    edge, made = certified
    settings = {"minimum": version, "maximum": version}
    assert served(edge, "pair.certs.test", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", **settings) == made["ec"].der
    assert served(edge, "pair.certs.test", ciphers="ECDHE-RSA-AES128-GCM-SHA256", **settings) == made["rsa"].der


def test_a_client_that_takes_both_kinds_gets_the_ec_certificate(certified):
    edge, made = certified
    assert served(edge, "pair.certs.test") == made["ec"].der


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(certified, version):
    edge, _ = certified
    context = client_context(edge.authority, minimum=version, maximum=version)
    with edge.tls_client("exact.certs.test", context) as client:
        client.get("exact.certs.test")  # TLS 1.3 hands tickets out behind the handshake
        assert not client.socket.session_reused
        session = client.socket.session
    for _ in range(4):  # every worker must know the ticket
        with RawClient(edge.https, tls=context, server_name="exact.certs.test", session=session) as client:
            client.get("exact.certs.test")
            assert client.socket.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_one_certificate_is_not_resumed_for_another(certified, version):
    edge, made = certified
    context = client_context(edge.authority, check=False, minimum=version, maximum=version)
    with edge.tls_client("exact.certs.test", context) as client:
        client.get("exact.certs.test")
        session = client.socket.session
    with RawClient(edge.https, tls=context, server_name="other.certs.test", session=session) as client:
        client.get("other.certs.test")
        assert not client.socket.session_reused
        assert client.socket.getpeercert(binary_form=True) == made["*.certs.test"].der


def test_a_new_certificate_is_served_at_once_and_a_removed_one_no_more(certified, authority):
    edge, made = certified
    first, second = authority.issue("turn.certs.test"), authority.issue("turn.certs.test")
    edge.put_certificate("turn.certs.test", first)
    assert served(edge, "turn.certs.test") == first.der
    edge.put_certificate("turn.certs.test", second)
    assert served(edge, "turn.certs.test") == second.der
    assert edge.admin("DELETE", "/v1/certificates/turn.certs.test").status in (200, 204)
    assert served(edge, "turn.certs.test") == made["*.certs.test"].der


def openssl(edge, *options) -> subprocess.CompletedProcess:
    argv = ["openssl", "s_client", "-connect", text(edge.https), "-servername", "exact.certs.test", *options]
    return subprocess.run(argv, input="", capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused_with_an_alert(certified, version):
    edge, _ = certified
    outcome = openssl(edge, version, "-cipher", "ALL:@SECLEVEL=0")
    assert outcome.returncode != 0 and "alert protocol version" in outcome.stderr


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"])
def test_ciphers_outside_mozillas_intermediate_list_are_refused(certified, cipher):
    edge, _ = certified
    outcome = openssl(edge, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert "Cipher is (NONE)" in outcome.stdout, outcome.stdout[-500:]


def test_renegotiation_is_refused(certified):
    edge, _ = certified
    argv = ["openssl", "s_client", "-connect", text(edge.https), "-servername", "exact.certs.test", "-tls1_2", "-legacy_renegotiation"]
    outcome = subprocess.run(argv, input="R\nGET / HTTP/1.1\r\n\r\n", capture_output=True, text=True, timeout=20)
    assert "RENEGOTIATING" in outcome.stderr and "HTTP/1.1" not in outcome.stdout


def test_there_is_no_compression(certified):
    edge, _ = certified
    assert "Compression: NONE" in openssl(edge, "-tls1_2", "-comp").stdout


def test_http_1_1_is_negotiated(certified):
    edge, _ = certified
    with edge.tls_client("exact.certs.test", client_context(edge.authority, alpn=("http/1.1",))) as client:
        assert client.socket.selected_alpn_protocol() == "http/1.1"
    with edge.tls_client("exact.certs.test", client_context(edge.authority, alpn=())) as client:
        assert client.socket.selected_alpn_protocol() is None
        assert client.get("site.test").status == 200


def test_a_client_that_only_speaks_an_unknown_protocol_is_refused(certified):
    edge, _ = certified
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        edge.tls_client("exact.certs.test", client_context(edge.authority, alpn=("imap",)))


def test_plain_http_on_the_tls_port_is_answered_or_closed_but_never_served(certified):
    edge, _ = certified
    with RawClient(edge.https, record=True) as client:
        client.request("site.test")
        while client.reader.fill():
            pass
        assert b" 200 " not in client.received and b"front page" not in client.received


def test_a_silent_client_is_cut_off_at_the_handshake_deadline(make_edge):
    quick = make_edge({"timeouts": {"handshake": "500ms"}})
    with RawClient(quick.https) as client:
        assert client.is_closed()


def test_a_client_that_sends_its_hello_in_single_bytes_is_served(certified):
    edge, _ = certified
    context = client_context(edge.authority)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="exact.certs.test")
    with RawClient(edge.https) as client:
        while True:
            try:
                tls.do_handshake()
                client.send_one_by_one(outgoing.read())
                break
            except ssl.SSLWantReadError:
                client.send_one_by_one(outgoing.read())
                incoming.write(client.socket.recv(65536))
        tls.write(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        client.send_one_by_one(outgoing.read())
        answer = b""
        while b"front page" not in answer:
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(client.socket.recv(65536))


def test_a_certificate_made_by_itself_serves_where_none_is_configured(make_edge):
    bare = make_edge({"default_certificate": {"chain": "", "key": ""}})
    assert served(bare, "anything.test")
    assert "self-signed" in bare.process.stderr() + bare.process.stdout()


def test_a_flood_of_handshakes_starves_nobody(make_edge, origin):
    """Those who are served go on at once; when the flood is over new ones are served again."""
    small = make_edge({"workers": 1, "limits": {"handshakes": 8}, "timeouts": {"handshake": "1s"}})
    small.add_site("site.test", origin)
    anyone = client_context(small.authority, check=False)
    with small.tls_client("site.test", anyone) as served_one:
        assert served_one.get("site.test", "/small.txt").status == 200
        silent = [RawClient(small.https) for _ in range(100)]
        for _ in range(20):
            assert served_one.get("site.test", "/small.txt").status == 200
        for client in silent:
            assert client.is_closed()
            client.close()
    assert small.get("site.test", "/small.txt").status == 200
