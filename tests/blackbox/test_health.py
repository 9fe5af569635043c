"""Servers are asked from time to time whether they answer, once for the whole process."""

import threading

import pytest

from harness.addresses import text
from harness.scripted_origin import answering, ok
from harness.waiting import SLOWNESS, wait_until

STATUS_503 = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def watching(make_edge):
    def make(interval: str = "200ms", **check):
        timeout = f"{int(1000 * SLOWNESS)}ms"
        check = {"interval": interval, "timeout": timeout, **check}
        return make_edge({"redirect_to_https": False, "workers": 2, "upstream": {"health": {"check": check}}})

    return make


def down(edge) -> dict[str, str]:
    return {server["name"]: server["why"] for server in edge.admin("GET", "/v1/status").json["servers_down"]}


def test_a_server_that_dies_is_shown_and_one_that_comes_back_too(watching, make_origin):
    edge = watching()
    origin = make_origin(answering(ok(b"x")))
    edge.add_site("here.test", origin, server="f1.test")
    edge.add_site("other.test", make_origin(answering(ok(b"x"))), server="f2.test")
    wait_until(lambda: edge.metric("server_up", server="f1.test") == 1, "the first answers")
    assert down(edge) == {}
    events = []

    def listen() -> None:
        import http.client

        connection = http.client.HTTPConnection(*edge.admin_endpoint, timeout=60)
        connection.request("GET", "/v1/events", headers={"Authorization": f"Bearer {edge.token}"})
        response = connection.getresponse()
        while len(events) < 2 and (line := response.readline()):
            if b'"f1.test"' in line:
                events.append(line)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    endpoint = origin.endpoint
    origin.stop_listening()
    wait_until(lambda: "f1.test" in down(edge), "the server to be down")
    assert edge.metric("server_up", server="f1.test") == 0
    assert "refused" in down(edge)["f1.test"].lower() and text(endpoint) in down(edge)["f1.test"]
    assert edge.metric("server_up", server="f2.test") == 1
    origin.listen()
    wait_until(lambda: edge.metric("server_up", server="f1.test") == 1, "the server to be up")
    assert down(edge) == {}
    wait_until(lambda: len(events) == 2, "two events")
    assert b'"up":false' in events[0] and b'"up":true' in events[1]


def test_it_is_asked_once_by_the_process_and_as_configured(watching, make_origin):
    edge = watching(path="/api/method/ping")
    origin = make_origin(answering(ok(b"x")))
    edge.add_site("here.test", origin, server="f1.test")
    origin.wait_for_requests(5)
    with origin.changed:
        requests = list(origin.requests)
    assert {request.target for request in requests} == {b"/api/method/ping"}
    assert {request.text("host") for request in requests} == {"f1.test"}
    assert {request.text("user-agent") for request in requests} == {"hybridge-health"}


def test_a_server_is_asked_what_its_own_record_says(watching, make_origin):
    edge = watching(path="/configured")
    own, other = make_origin(answering(ok(b"x"))), make_origin(answering(ok(b"x")))
    edge.add_site("own.test", own, server="f1.test")
    edge.add_site("other.test", other, server="f2.test")
    own.wait_for_requests(1)
    edge.routes["servers"]["f1.test"]["health"] = {"path": "/api/method/ping?of=f1"}
    edge.put_routes(edge.routes)
    own.wait_for(lambda: own.requests[-1].target != b"/configured", "a question of its own")
    before = len(own.requests) + 1  # a question of before may have been on its way
    own.wait_for_requests(before + 3)
    other.wait_for_requests(before + 3)
    assert {request.target for request in own.requests[before:]} == {b"/api/method/ping?of=f1"}
    assert {request.target for request in other.requests} == {b"/configured"}
    server = edge.admin("GET", "/v1/servers/f1.test").json
    assert server["health"] == {"path": "/api/method/ping?of=f1"}

    edge.stop()
    edge.is_asked_to_end = False
    before = len(own.requests)
    edge.start()
    own.wait_for_requests(before + 3)
    assert {request.target for request in own.requests[before:]} == {b"/api/method/ping?of=f1"}


def test_a_path_that_is_none_is_refused_and_changes_nothing(watching, make_origin):
    edge = watching()
    origin = make_origin(answering(ok(b"x")))
    edge.add_site("here.test", origin, server="f1.test")
    for path in ("ping", "/a b", "/a#b", "/\r\nHost: x", "/" + "a" * 1024):
        server = {**edge.routes["servers"]["f1.test"], "health": {"path": path}}
        refused = edge.admin("PUT", "/v1/servers/f1.test", server)
        assert refused.status == 422 and refused.json["faults"][0]["path"] == "health.path", refused
    origin.wait_for_requests(3)
    assert {request.target for request in origin.requests} == {b"/"}


def test_statuses_say_how_a_site_is_and_not_whether_its_server_is_there(watching, make_origin):
    edge = watching()
    origin = make_origin(answering(STATUS_503))
    edge.add_site("sick.test", origin, server="f1.test")
    origin.wait_for_requests(5)
    assert edge.metric("server_up", server="f1.test") == 1 and down(edge) == {}
    with edge.plain_client() as client:
        assert client.get("sick.test").status == 503  # the server's own


def test_a_server_that_only_accepts_is_down(watching, make_origin):
    edge = watching()
    edge.add_site("mute.test", make_origin(lambda connection: connection.read_request()), server="f1.test")
    wait_until(lambda: "f1.test" in down(edge), "the server to be down", 30 * SLOWNESS)


def test_requests_go_to_the_endpoints_that_answer(watching, make_origin):
    """The first endpoint takes connections and never answers: no connect failure would tell."""
    edge = watching()
    release = threading.Event()

    def mute(connection):
        while connection.read_request() is not None:
            release.wait(30)

    edge.add_site("two.test", make_origin(mute), make_origin(answering(ok(b"well"))), server="f1.test")

    wait_until(lambda: edge.metric("server_endpoints_down", server="f1.test") == 1, "one of two to be down", 30 * SLOWNESS)
    with edge.plain_client() as client:
        for _ in range(20):
            assert client.get("two.test").content == "well"
    release.set()


def test_nothing_is_asked_where_it_is_switched_off(watching, make_origin):
    edge = watching(interval="0s")
    origin = make_origin(answering(ok(b"x")))
    edge.add_site("here.test", origin, server="f1.test")
    with edge.plain_client() as client:
        assert client.get("here.test").status == 200
    assert origin.only_request().text("host") == "here.test"


def test_a_removed_server_is_asked_no_more(watching, make_origin):
    edge = watching()
    origin = make_origin(answering(ok(b"x")))
    edge.add_site("gone.test", origin, server="f1.test")
    origin.wait_for_requests(1)
    edge.put_routes({})
    wait_until(lambda: "f1.test" not in edge.metrics(), "the series to go")
    before = len(origin.requests)
    other = make_origin(answering(ok(b"x")))
    edge.add_site("stays.test", other, server="f2.test")
    other.wait_for_requests(4)
    assert len(origin.requests) <= before + 1
