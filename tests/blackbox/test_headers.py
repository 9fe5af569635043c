"""What is added, replaced and dropped on the way to the upstream and back."""

import hashlib
import re

import pytest

from harness.scripted_origin import answering, ok

SECURITY = {
    "x-frame-options": "SAMEORIGIN",
    "x-xss-protection": "1; mode=block",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer-when-downgrade",
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
}
CORS = {
    "access-control-allow-headers": "Origin, Content-Type, Accept",
    "access-control-allow-credentials": "true",
    "access-control-allow-methods": "GET, POST, OPTIONS",
}


def test_the_upstream_is_told_who_asked(edge, route):
    routed = route(edge)
    with routed.tls_client() as client:
        address, port = client.socket.getsockname()[:2]
        assert client.get(routed.host.upper() + ":443", "/x").status == 200
    seen = routed.origin.only_request()
    assert seen.all("host") == [routed.host.encode()]
    assert seen.all("x-real-ip") == [address.encode()]
    assert seen.all("x-forwarded-for") == [address.encode()]
    assert seen.all("x-client-port") == [str(port).encode()]
    assert seen.all("x-forwarded-proto") == [b"https"]
    assert seen.all("x-forwarded-host") == [(routed.host.upper() + ":443").encode()]
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", seen.get("traceparent"))
    assert len(seen.all("x-request-id")) == 1


def test_nothing_else_is_added(edge, route):
    routed = route(edge)
    with routed.tls_client() as client:
        client.get(routed.host)
    known = {"host", "x-real-ip", "x-forwarded-for", "x-client-port", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "traceparent"}
    assert {name.decode() for name, _ in routed.origin.only_request().headers} <= known | {"connection"}


def test_the_request_id_is_one_for_client_upstream_and_log(edge, route):
    routed = route(edge)
    with routed.tls_client() as client:
        answer = client.get(routed.host, "/traced")
    request_id = answer.text("x-request-id")
    assert request_id and routed.origin.only_request().text("x-request-id") == request_id
    line = edge.logged(lambda line: line["request_id"] == request_id, "the request")
    assert line["path"] == "/traced"


def test_a_traceparent_keeps_its_trace(edge, route):
    routed = route(edge)
    trace = "0af7651916cd43dd8448eb211c80319c"
    with routed.tls_client() as client:
        client.get(routed.host, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert trace in routed.origin.only_request().text("traceparent")
    assert edge.logged(lambda line: line["host"] == routed.host, "the request")["trace_id"] == trace


def test_a_traceparent_that_is_none_is_logged_as_none(edge, route):
    routed = route(edge)
    with routed.tls_client() as client:
        client.get(routed.host, headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"})
    line = edge.logged(lambda line: line["host"] == routed.host, "the request")
    assert "trace_id" not in line
    assert routed.origin.only_request().text("traceparent").split("-")[1] == line["request_id"]


def test_security_headers_replace_the_upstreams_own(edge, route):
    own = b"X-Frame-Options: ALLOWALL\r\nStrict-Transport-Security: max-age=1\r\nReferrer-Policy: unsafe-url\r\nX-XSS-Protection: 0\r\nX-Content-Type-Options: x\r\nServer: customer\r\nX-Powered-By: frappe\r\nVia: 1.1 x\r\n"
    routed = route(edge, answering(ok(b"x", own)))
    with routed.tls_client() as client:
        answer = client.get(routed.host)
    for name, value in SECURITY.items():
        assert answer.all(name) == [value.encode()], name
    assert answer.get("server") is None  # server_header is empty
    assert answer.text("x-powered-by") == "frappe" and answer.text("via") == "1.1 x"


def test_cors_defaults_are_added_where_the_upstream_sent_none(edge, route):
    routed = route(edge)
    with routed.tls_client() as client:
        answer = client.get(routed.host)
    assert answer.text("access-control-allow-origin") == f"https://{routed.host}"
    for name, value in CORS.items():
        assert answer.all(name) == [value.encode()], name


def test_the_upstreams_own_cors_headers_stay(edge, route):
    own = b"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: PUT\r\nAccess-Control-Expose-Headers: X-A\r\n"
    routed = route(edge, answering(ok(b"x", own)))
    with routed.tls_client() as client:
        answer = client.get(routed.host)
    assert answer.all("access-control-allow-origin") == [b"*"]
    assert answer.all("access-control-allow-methods") == [b"PUT"]
    assert answer.text("access-control-expose-headers") == "X-A"


def test_the_upstream_is_named_as_dashboards_know_it(edge, route):
    routed = route(edge)
    server = edge.routes["sites"][routed.host]["server"]
    with routed.tls_client() as client:
        answer = client.get(routed.host)
    assert answer.text("x-proxy-upstream") == "http://" + hashlib.sha512(server.encode()).hexdigest()[:16]


def test_a_configured_server_header_is_sent(make_edge, origin):
    named = make_edge({"server_header": "Frappe Cloud"})
    named.add_site("site.test", origin)
    assert named.get("site.test").all("server") == [b"Frappe Cloud"]
    assert named.get("nobody.test").all("server") == [b"Frappe Cloud"]
    with named.plain_client() as client:
        assert client.get("site.test").all("server") == [b"Frappe Cloud"]


def test_a_date_is_always_there_once(edge, route):
    with_date = route(edge, answering(ok(b"x", b"Date: Sun, 22 Nov 2026 22:00:00 GMT\r\n")))
    without = route(edge)
    for routed in (with_date, without):
        with routed.tls_client() as client:
            assert len(client.get(routed.host).all("date")) == 1


def test_several_set_cookies_of_a_real_nginx_stay_apart(edge):
    answer = edge.get("site.test", "/login")
    assert answer.all("set-cookie") == [b"sid=1; Path=/; HttpOnly", b"user=a@b; Path=/"]
    assert answer.text("x-frame-options") == "SAMEORIGIN" and answer.text("x-powered-by") == "customer"


ANSWERS = {
    429: ("/api/429", "RateLimit"),
    502: ("/api/502", "Bad"),
    504: ("/api/504", "Late"),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_the_upstreams_429_502_and_504_become_a_page_for_browsers(edge, status):
    target, text = ANSWERS[status]
    answer = edge.get("site.test", target, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.status == status and answer.text("content-type").startswith("text/html")
    assert text not in answer.content and "<html" in answer.content
    assert answer.text("x-hybridge-reason") == "upstream_status"
    assert answer.get("x-proxy-upstream") is None and answer.get("access-control-allow-origin") is None
    for name, value in SECURITY.items():
        assert answer.text(name) == value, name


@pytest.mark.parametrize("status", ANSWERS)
@pytest.mark.parametrize("accept", ["application/json", "*/*"])
def test_api_clients_keep_the_upstreams_429_502_and_504(edge, status, accept):
    target, text = ANSWERS[status]
    answer = edge.get("site.test", target, headers={"Accept": accept})
    assert answer.status == status and text in answer.content
    assert answer.text("content-type") == "application/json"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 413, 417, 500, 501, 503, 520])
def test_other_errors_of_the_upstream_pass_to_browsers_too(edge, route, status):
    routed = route(edge, answering(ok(b"mine", b"WWW-Authenticate: Basic\r\n", b"%d Said" % status)))
    with routed.tls_client() as client:
        answer = client.get(routed.host, headers={"Accept": "text/html"})
    assert (answer.status, answer.body) == (status, b"mine")
    assert answer.text("www-authenticate") == "Basic"


# trusted_proxies ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def behind(authority, origin):
    """An edge that trusts whoever comes from loopback."""
    from harness.hybridge import Hybridge

    hybridge = Hybridge(authority, {"trusted_proxies": ["127.0.0.0/8"], "redirect_to_https": False}).start()
    yield hybridge
    hybridge.close()


def seen_by(routed, client, headers: dict):
    with client:
        assert client.get(routed.host, headers=headers).status == 200
    return routed.origin.only_request()


def test_a_trusted_proxys_forwarded_for_is_the_clients_address(behind, route):
    routed = route(behind)
    seen = seen_by(routed, behind.plain_client(), {"X-Forwarded-For": "203.0.113.9"})
    assert seen.text("x-forwarded-for") == "203.0.113.9" and seen.text("x-real-ip") == "203.0.113.9"


def test_of_a_list_the_last_address_that_is_not_trusted_counts(behind, route):
    routed = route(behind)
    seen = seen_by(routed, behind.plain_client(), {"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 127.0.0.1"})
    assert seen.text("x-forwarded-for") == "203.0.113.9"


def test_cloudflares_address_is_believed_of_a_trusted_proxy(behind, route):
    routed = route(behind)
    seen = seen_by(routed, behind.plain_client(), {"CF-Connecting-IP": "2001:db8::9"})
    assert seen.text("x-forwarded-for") == "2001:db8::9" and seen.get("cf-connecting-ip") is None


@pytest.mark.parametrize("forged", ["nonsense", "", "203.0.113.9:80x", "<script>", "999.1.1.1"])
def test_an_address_that_is_none_is_not_passed_on(behind, route, forged):
    routed = route(behind)
    seen = seen_by(routed, behind.plain_client(), {"X-Forwarded-For": forged, "CF-Connecting-IP": forged})
    assert re.fullmatch(r"[0-9a-f.:]+", seen.text("x-forwarded-for"))
    assert seen.text("x-forwarded-for").startswith("127.")


def test_nobody_is_believed_by_default(edge, route):
    routed = route(edge)
    with routed.tls_client() as client:
        own = client.socket.getsockname()[0]
        client.get(routed.host, headers={"X-Forwarded-For": "203.0.113.9", "CF-Connecting-IP": "203.0.113.9", "X-Real-IP": "203.0.113.9"})
    assert routed.origin.only_request().text("x-forwarded-for") == own
    assert b"203.0.113.9" not in routed.origin.connections[0].received
