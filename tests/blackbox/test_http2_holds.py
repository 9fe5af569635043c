"""Holds over HTTP/2: many requests of one connection wait, leave and go on, each for itself."""

import pytest

from harness.http2_client import Http2Client
from harness.scripted_origin import answering, ok
from harness.waiting import wait_until

JSON = [("accept", "application/json")]


class HeldSite:
    def __init__(self, edge, origin, other):
        self.edge, self.origin, self.other = edge, origin, other
        edge.add_site("held.test", origin)
        edge.add_site("other.test", other)

    def begin(self) -> None:
        answer = self.edge.admin("POST", "/v1/holds?wait=drained", {"id": "w", "scope": {"site": "held.test"}})
        assert answer.status == 200 and answer.json["state"] == "holding", answer

    def release(self) -> None:
        assert self.edge.admin("POST", "/v1/holds/w/release", {}).status == 200

    def wait_until_held(self, requests: int) -> None:
        wait_until(lambda: self.edge.admin("GET", "/v1/holds/w").json["held"] == requests, f"{requests} requests to wait")


@pytest.fixture
def held(make_edge, make_origin):
    site = HeldSite(make_edge({"workers": 1}), make_origin(answering(ok(b"served"))), make_origin())
    site.begin()
    return site


def test_requests_of_one_connection_wait_and_go_on_in_order(held):
    with Http2Client(held.edge, "held.test") as client:
        streams = [client.request(target=f"/{number}", headers=JSON) for number in range(20)]
        held.wait_until_held(20)
        assert held.origin.saw_nothing()
        held.release()
        assert [client.response(stream).body for stream in streams] == [b"served"] * 20
    assert sorted(request.target for request in held.origin.requests) == sorted(b"/%d" % number for number in range(20))


@pytest.mark.parametrize("way", ["reset", "close"])
def test_who_leaves_while_held_is_never_sent_on(held, way):
    with Http2Client(held.edge, "held.test") as client, Http2Client(held.edge, "held.test") as staying:
        left = client.request("POST", "/left", JSON, b"write")
        stayed = staying.request(target="/stayed", headers=JSON)
        held.wait_until_held(2)
        if way == "reset":
            client.cancel(left)
        else:
            client.close()
        held.wait_until_held(1)
        held.release()
        assert staying.response(stayed).body == b"served"
    assert [request.target for request in held.origin.requests] == [b"/stayed"]


def test_a_held_upload_stalls_nobody_else(held):
    with Http2Client(held.edge, "held.test") as client:
        upload = client.next_stream()
        client.send(client.headers_frame(upload, client.fields("POST", "/upload", JSON), ends=False))
        client.send_data(upload, b"u" * 65535, ends=False)
        held.wait_until_held(1)
        # The site's own monitor passes, on the same connection; so does another site by another one.
        assert client.get("/api/method/ping").body == b"served"
        with Http2Client(held.edge, "other.test") as other:
            assert other.get(method="POST", body=b"x" * 65535).status == 200
        held.release()
        client.wait_for(lambda: any(frame.stream_id == upload and type(frame).__name__ == "WindowUpdateFrame" for frame in client.frames))
        client.send_data(upload, b"end")
        assert client.response(upload).body == b"served"
    (seen,) = [request for request in held.origin.requests if request.target == b"/upload"]
    assert seen.body == b"u" * 65535 + b"end"


def test_an_expectation_is_met_only_at_the_release(held):
    with Http2Client(held.edge, "held.test") as client:
        stream = client.next_stream()
        fields = client.fields("POST", "/expects", [*JSON, ("expect", "100-continue"), ("content-length", "4")])
        client.send(client.headers_frame(stream, fields, ends=False))
        held.wait_until_held(1)
        client.round_trip()
        answer = client.answer(stream)
        assert not answer.interim and not answer.headers
        held.release()
        client.wait_for(lambda: answer.interim)
        client.send_data(stream, b"body")
        assert client.response(stream).body == b"served"
