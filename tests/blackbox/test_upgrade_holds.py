"""Held sites while another process takes over: both processes keep to every window, until the old one has ended."""

import threading
import time

import pytest

from harness.scripted_origin import answering, ok
from harness.waiting import PATIENCE, wait_until


def test_who_waits_in_the_old_process_goes_on_when_the_new_one_releases(make_supervised, make_origin):
    origin = make_origin(answering(ok(b"served")))
    edge = make_supervised({"shutdown_timeout": "30s"})
    edge.add_site("site.test", origin)
    begun = edge.admin("POST", "/v1/holds?wait=drained", {"id": "w1", "scope": {"site": "site.test"}})
    assert begun.json["state"] == "holding"
    with edge.plain_client() as waiting, edge.plain_client() as idle:
        waiting.request("site.test", "/waits")
        wait_until(lambda: edge.admin("GET", "/v1/holds/w1").json["held"] == 1, "the request to wait")
        edge.upgrade()
        assert edge.admin("GET", "/v1/holds/w1").json["state"] == "holding"
        assert origin.saw_nothing()
        edge.admin("POST", "/v1/holds/w1/release", {})
        assert waiting.response().body == b"served"
        # A window that begins now holds what still comes there, too.
        second = edge.admin("POST", "/v1/holds", {"id": "w2", "scope": {"site": "site.test"}})
        assert second.status == 200, second
        idle.request("site.test", "/comes-later")
        with edge.plain_client() as newcomer:
            newcomer.request("site.test", "/comes-here")
            wait_until(lambda: edge.admin("GET", "/v1/holds/w2").json["held"] == 1, "the newcomer to wait")
            assert len(origin.requests) == 1
            edge.admin("POST", "/v1/holds/w2/release", {})
            assert newcomer.response().body == b"served"
        assert idle.response().body == b"served"


def test_who_waits_in_the_old_process_goes_on_at_the_sites_pace(make_supervised, make_origin):
    """A site of which nothing is known gets eight at once and fifty a second, twice as many each second: 200 take two."""
    came = []

    def script(connection):
        while connection.read_request() is not None:
            came.append(time.monotonic())
            connection.send(ok(b"served"))

    edge = make_supervised({"shutdown_timeout": "60s"})
    edge.add_site("site.test", make_origin(script))
    edge.admin("POST", "/v1/holds?wait=drained", {"id": "w1", "scope": {"site": "site.test"}})
    clients = [edge.plain_client() for _ in range(200)]
    for client in clients:
        client.request("site.test", "/waits", headers={"Accept": "application/json"})
    wait_until(lambda: edge.admin("GET", "/v1/holds/w1").json["held"] == 200, "all to wait")
    edge.upgrade()
    released = edge.admin("POST", "/v1/holds/w1/release", {}).json
    assert released["state"] == "ended", "nobody waits in the new process"
    for client in clients:
        assert client.response().body == b"served"
        client.close()
    assert max(came) - min(came) > 1


@pytest.fixture
def edge_with_straggler(make_supervised, make_origin):
    """An edge that has taken over from one where a request of site.test is under way, and what lets its origin answer."""
    edge = make_supervised({"shutdown_timeout": "60s"})
    finish = threading.Event()

    def script(connection):
        while connection.read_request() is not None:
            finish.wait(PATIENCE)
            connection.send(ok(b"finished"))

    origin = make_origin(script)
    edge.add_site("site.test", origin)
    with edge.plain_client() as client:
        client.request("site.test", "/straggler?secret=1")
        origin.wait_for_requests(1)
        edge.upgrade()
        yield edge, client, finish
        finish.set()


def test_a_window_has_not_drained_before_the_old_process_has(edge_with_straggler):
    edge, client, finish = edge_with_straggler
    begun = edge.admin("POST", "/v1/holds?wait=drained", {"id": "w", "scope": {"site": "site.test"}, "drain_timeout": "1s"})
    assert begun.json["state"] == "draining" and not begun.json["drained"] and begun.json["in_flight"] == 1, begun
    assert [each["path"] for each in begun.json["stragglers"]] == ["/straggler"]
    finish.set()
    assert client.response().body == b"finished"
    wait_until(lambda: edge.admin("GET", "/v1/holds/w").json["drained"], "the window to drain")
    drained = edge.admin("GET", "/v1/holds/w").json
    assert drained["state"] == "holding" and drained["in_flight"] == 0 and drained["stragglers"] == []


def test_stragglers_are_cut_in_the_old_process_too(edge_with_straggler):
    edge, client, _ = edge_with_straggler
    wish = {"id": "w", "scope": {"site": "site.test"}, "drain_timeout": "100ms", "on_stragglers": "cut"}
    cut = edge.admin("POST", "/v1/holds?wait=drained", wish)
    assert cut.json["drained"] and not cut.json["clean"] and cut.json["cut"] == 1, cut
    assert client.response().status == 504
