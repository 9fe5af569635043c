"""Connections to servers that had requests lately are made before the next request wants one."""

import re

import pytest

from harness.addresses import free_endpoint, text
from harness.nginx import Nginx
from harness.scripted_origin import answering, ok
from harness.waiting import wait_until

# Each connection carries one request.
_CLOSING = """\
  access_log {directory}/access.log;
  keepalive_requests 1;
  server {{
    listen {listen} ssl;
    ssl_certificate {chain}; ssl_certificate_key {key};
    location / {{ default_type text/plain; return 200 "connection=$connection resumed=$ssl_session_reused\\n"; }}
  }}
"""


@pytest.fixture
def warming(make_edge):
    def make(**upstream):
        return make_edge({"workers": 1, "redirect_to_https": False, "upstream": {"warm": 1, **upstream}})

    return make


def wait_until_warm(edge) -> None:
    wait_until(lambda: edge.metric("upstream_connections", state="idle") == 1, "a connection made ahead")


def test_requests_over_tls_to_a_server_that_closes_after_each_wait_for_none(warming, authority, tmp_path):
    directory = tmp_path / "customer"
    directory.mkdir()
    chain, key = authority.issue("f1.test").write(directory, "server")
    endpoint = free_endpoint()
    nginx = Nginx(directory, _CLOSING.format(directory=directory, listen=text(endpoint), chain=chain, key=key), "customer")
    try:
        nginx.wait_until_listening(endpoint)
        edge = warming(tls={"ca": authority.write(tmp_path)})
        edge.add_site("warm.test", endpoint, tls={"mode": "verify", "name": "f1.test"})
        told = []
        with edge.plain_client() as client:
            for number in range(3):
                answer = client.get("warm.test", f"/{number}")
                told.append(re.fullmatch(r"connection=(\d+) resumed=(r|\.)\n", answer.content).groups())
                wait_until_warm(edge)
    finally:
        nginx.close()
    assert len({connection for connection, _ in told}) == 3
    assert [resumed for _, resumed in told] == [".", "r", "r"]
    lines = [edge.logged(lambda line, path=f"/{number}": line["path"] == path, "the request") for number in range(3)]
    assert lines[0]["ms"]["connect"] > 0
    assert [line["ms"]["connect"] for line in lines[1:]] == [None, None]


def test_a_connection_that_the_server_closed_is_there_again_before_the_next_request(warming, make_origin):
    edge = warming()
    origin = make_origin(answering(ok(b"x"), then="close"))
    edge.add_site("warm.test", origin, server="f1.test")
    with edge.plain_client() as client:
        for number in range(3):
            assert client.get("warm.test", f"/{number}", method="POST", body=b"saved").status == 200
            ahead = origin.wait_for_connections(number + 2)[number + 1]
            wait_until_warm(edge)
            assert not ahead.received
    assert [[request.target for request in one.requests] for one in origin.connections] == [[b"/0"], [b"/1"], [b"/2"], []]


def test_a_server_that_was_removed_or_never_asked_gets_none(warming, make_origin):
    edge = warming()
    removed, unasked, stays = (make_origin(answering(ok(b"x"), then="close")) for _ in range(3))
    edge.add_site("removed.test", removed, server="f1.test")
    edge.add_site("unasked.test", unasked, server="f2.test")
    edge.add_site("stays.test", stays, server="f3.test")
    with edge.plain_client() as client:
        assert client.get("removed.test").status == 200
    ahead = removed.wait_for_connections(2)[1]
    del edge.routes["servers"]["f1.test"], edge.routes["sites"]["removed.test"]
    edge.put_routes()
    ahead.close()
    with edge.plain_client() as client:
        for number in range(2):
            assert client.get("stays.test").status == 200
            stays.wait_for_connections(number + 2)
    assert (len(removed.connections), len(unasked.connections)) == (2, 0)
