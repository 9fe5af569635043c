"""HTTPS to the customer's server: verified, with the right name, resumed."""

import ssl

import pytest

from harness.certificates import Authority
from harness.scripted_origin import ScriptedOrigin, answering, ok


def server_context(directory, certificate, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.write(directory, name))
    return context


@pytest.fixture(scope="module")
def trusting(authority, origin, tmp_path_factory):
    """An edge that verifies upstreams against the run's own authority."""
    from harness.hybridge import Hybridge

    bundle = authority.write(tmp_path_factory.mktemp("bundle"))
    hybridge = Hybridge(authority, {"workers": 1, "redirect_to_https": False, "upstream": {"tls": {"ca": bundle}}}).start()
    hybridge.add_site("site.test", origin)
    yield hybridge
    hybridge.close()


@pytest.fixture
def secure(trusting, tmp_path):
    """secure(certificate, tls, script): a TLS origin with a site that leads to it."""
    made = []

    def make(certificate, tls: dict, script=None, host: str = "") -> tuple[ScriptedOrigin, str]:
        origin = ScriptedOrigin(script, server_context(tmp_path, certificate, f"server{len(made)}"))
        made.append(origin)
        return origin, trusting.add_site(host or f"tls{origin.endpoint[1]}.test", origin, tls=tls)

    yield make
    for origin in made:
        origin.close()


def test_a_verified_upstream_serves_and_is_asked_by_its_name(trusting, authority, secure):
    origin, host = secure(authority.issue("f1.customer.test"), {"mode": "verify", "name": "f1.customer.test"})
    with trusting.plain_client() as client:
        assert client.get(host).content == "scripted"
    assert origin.tls_names == ["f1.customer.test"]
    assert origin.only_request().text("host") == host


def test_a_certificate_of_another_name_is_refused_and_nothing_sent(trusting, authority, secure):
    origin, host = secure(authority.issue("somebody-else.test"), {"mode": "verify", "name": "f1.customer.test"})
    with trusting.plain_client() as client:
        answer = client.get(host)
    assert (answer.status, answer.text("x-hybridge-reason")) == (502, "upstream_tls")
    assert origin.saw_nothing()


def test_a_certificate_of_an_unknown_authority_is_refused(trusting, secure):
    origin, host = secure(Authority("Somebody").issue("f1.customer.test"), {"mode": "verify", "name": "f1.customer.test"})
    with trusting.plain_client() as client:
        assert client.get(host).status == 502
    assert origin.saw_nothing()


def test_an_expired_certificate_is_refused(trusting, authority, secure):
    origin, host = secure(authority.issue("f1.customer.test", days=-0.01), {"mode": "verify", "name": "f1.customer.test"})
    with trusting.plain_client() as client:
        assert client.get(host).status == 502
    assert origin.saw_nothing()


def test_a_server_may_have_an_authority_of_its_own(trusting, authority, secure):
    private = Authority("A customer's own")
    tls = {"mode": "verify", "name": "f1.customer.test", "ca": private.pem}
    _, host = secure(private.issue("f1.customer.test"), tls)
    _, other = secure(authority.issue("f1.customer.test"), tls, host="wrong-authority.test")
    with trusting.plain_client() as client:
        assert client.get(host).status == 200
        assert client.get(other).status == 502  # its own replaces the bundle


def test_plain_http_on_the_tls_port_is_a_502(trusting, make_origin):
    origin = make_origin(answering(ok(b"plain")))
    host = trusting.add_site("not-tls.test", origin, tls={"mode": "verify", "name": "f1.customer.test"})
    with trusting.plain_client() as client:
        answer = client.get(host)
    assert (answer.status, answer.text("x-hybridge-reason")) == (502, "upstream_tls")


def test_tls_connections_are_used_again_and_sessions_resumed(trusting, authority, secure):
    reused = []

    def script(connection):
        reused.append(connection.socket.session_reused)
        answering(ok(b"x", b"X-Length: 1\r\n"))(connection)

    origin, host = secure(authority.issue("f1.customer.test"), {"mode": "verify", "name": "f1.customer.test"}, script)
    with trusting.plain_client() as client:
        assert [client.get(host).status for _ in range(10)] == [200] * 10
        assert len(origin.connections) == 1
        origin.connections[0].close()
        origin.wait_for(lambda: origin.connections[0].ended.is_set(), "the end of the first connection")
        assert client.get(host).status == 200
    assert reused == [False, True]


def test_a_truncated_answer_over_tls_is_seen_to_be_broken(trusting, authority, secure):
    """No close_notify: an attacker could have cut it."""
    from harness.messages import Truncated

    script = answering(b"HTTP/1.1 200 OK\r\n\r\nuntil the close", then="reset")
    _, host = secure(authority.issue("f1.customer.test"), {"mode": "verify", "name": "f1.customer.test"}, script)
    with trusting.plain_client() as client:
        client.request(host)
        with pytest.raises(Truncated):
            answer = client.response()
            raise AssertionError(f"taken for whole: {answer}")


def test_large_bodies_pass_both_ways_over_tls(trusting, authority, secure):
    body = bytes(range(256)) * 20_000
    origin, host = secure(authority.issue("f1.customer.test"), {"mode": "verify", "name": "f1.customer.test"}, answering(ok(body)))
    with trusting.plain_client() as client:
        client.send(f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        assert client.response().body == body
    assert origin.only_request().body == body
