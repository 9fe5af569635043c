"""GET /v1/events, as a client of Server-Sent Events sees it."""

import http.client
import json

import pytest

from harness.hybridge import EMPTY_ROUTES
from harness.waiting import PATIENCE, wait_until


class Reader:
    def __init__(self, edge, target: str = "/v1/events", last_id: str = ""):
        self.connection = http.client.HTTPConnection(*edge.admin_endpoint, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {edge.token}"} | ({"Last-Event-ID": last_id} if last_id else {})
        self.connection.request("GET", target, headers=headers)
        self.response = self.connection.getresponse()
        self.last_id = last_id

    def next(self) -> tuple[str, dict]:
        kind, data = "", ""
        while True:
            line = self.response.readline().decode().rstrip("\n")
            if line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                data = line[6:]
            elif line == "" and kind:
                return kind, json.loads(data)

    def close(self) -> None:
        self.connection.close()


def put_host(edge, number: int) -> int:
    answer = edge.admin("PUT", f"/v1/hosts/h{number}.events.test", {"redirect": f"t{number}.test"})
    assert answer.status == 200, answer
    return answer.json["revision"]


@pytest.fixture
def watched(make_edge):
    return make_edge()


def test_a_change_is_told_to_all_who_follow(watched, authority):
    readers = [Reader(watched) for _ in range(3)]
    assert readers[0].response.getheader("content-type") == "text/event-stream"
    revision = put_host(watched, 1)
    watched.put_certificate("c.events.test", authority.issue("c.events.test"))
    for reader in readers:
        kind, data = reader.next()
        assert kind == "change" and data["revision"] == revision
        assert data["changes"][0] == {"kind": "host", "name": "h1.events.test", "after": {"redirect": "t1.test"}}
        assert reader.next()[0] == "certificate"
        reader.close()


def test_a_reader_that_resumes_misses_nothing_whatever_happened_meanwhile(watched):
    revisions = [put_host(watched, number) for number in range(3)]
    reader = Reader(watched, f"/v1/events?from={revisions[0]}")
    assert reader.next()[1]["revision"] == revisions[1]
    reader.close()
    revisions += [put_host(watched, number) for number in range(3, 6)]
    watched.kill_and_start_again()
    revisions += [put_host(watched, number) for number in range(6, 9)]
    resumed = Reader(watched, last_id=reader.last_id)
    assert [resumed.next()[1]["revision"] for _ in revisions[2:]] == revisions[2:]
    resumed.close()


def test_who_reads_the_table_and_follows_it_has_all_of_it(watched):
    for number in range(5):
        put_host(watched, number)
    got = watched.admin("GET", "/v1/snapshot")
    reader = Reader(watched, "/v1/events?from=" + got.headers["etag"].strip('"'))
    hosts = got.json["hosts"]
    for number in range(5, 60):
        put_host(watched, number)
    for _ in range(5, 60):
        for change in reader.next()[1]["changes"]:
            hosts[change["name"]] = change["after"]
    assert hosts == watched.admin("GET", "/v1/snapshot").json["hosts"]
    reader.close()


def test_a_reader_who_does_not_read_is_let_go_and_holds_nobody_up(watched):
    lazy = Reader(watched)
    # More than the log keeps, each of some kilobytes: far more than a socket takes.
    document = {**EMPTY_ROUTES, "hosts": {f"h{number}.lazy.test": {"redirect": "x" * 50 + ".test"} for number in range(50)}}
    for number in range(60):
        assert watched.admin("PUT", "/v1/snapshot", document if number % 2 else EMPTY_ROUTES).status == 200
    assert watched.process.status_kib("VmRSS") < 300_000
    lazy.close()
    wait_until(lambda: watched.admin("GET", "/v1/status").json["ready"], "the edge to be well")


def test_a_hold_is_told_in_each_of_its_states(watched, make_origin):
    watched.add_site("held.events.test", make_origin())
    reader = Reader(watched)
    begun = watched.admin("POST", "/v1/holds?wait=drained", {"id": "w1", "scope": {"site": "held.events.test"}})
    assert begun.status == 200, begun
    assert watched.admin("POST", "/v1/holds/w1/release", {}).status == 200
    states = []
    while not states or states[-1] != "ended":
        kind, data = reader.next()
        assert (kind, data["id"]) == ("hold", "w1")
        states.append(data["state"])
    assert states[0] == "draining" and "holding" in states
    reader.close()


def test_it_is_for_those_with_a_token(watched):
    connection = http.client.HTTPConnection(*watched.admin_endpoint, timeout=PATIENCE)
    connection.request("GET", "/v1/events")
    assert connection.getresponse().status == 401
    connection.close()
