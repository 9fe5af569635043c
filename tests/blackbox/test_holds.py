"""Holds as a control plane uses them: by the API and by the commands, with real clients waiting."""

import json
import random
import signal
import threading
import time

import pytest

from harness.hybridge import run_command
from harness.scripted_origin import answering, ok
from harness.waiting import wait_until

JSON = {"Accept": "application/json"}


@pytest.fixture
def held(make_edge, make_origin):
    """An edge with site.test on a scripted origin, and a way to hold it."""
    return HeldSite(make_edge({"redirect_to_https": False}), make_origin(answering(ok(b"served"))))


class HeldSite:
    def __init__(self, edge, origin):
        self.edge = edge
        self.origin = origin
        self.edge.add_site("site.test", origin)

    def begin(self, hold: str = "w1", wait: str = "?wait=drained", **members) -> dict:
        answer = self.edge.admin("POST", f"/v1/holds{wait}", {"id": hold, "scope": {"site": "site.test"}, **members})
        assert answer.status == 200, answer
        return answer.json

    def release(self, hold: str = "w1", **members) -> dict:
        answer = self.edge.admin("POST", f"/v1/holds/{hold}/release", members)
        assert answer.status == 200, answer
        return answer.json

    def look(self, hold: str = "w1") -> dict:
        return self.edge.admin("GET", f"/v1/holds/{hold}").json

    def ask(self, target: str = "/", method: str = "GET", headers=JSON, body=b""):
        client = self.edge.plain_client()
        client.request("site.test", target, method, headers, body)
        return client

    def wait_until_held(self, requests: int, hold: str = "w1") -> None:
        wait_until(lambda: self.look(hold)["held"] == requests, f"{requests} requests to wait")

    def targets(self) -> list[str]:
        return [request.target.decode() for request in self.origin.requests]


def test_requests_wait_from_begin_to_release(held):
    begun = held.begin(reason="update")
    assert begun["state"] == "holding" and begun["drained"] and begun["clean"]
    client = held.ask("/app")
    held.wait_until_held(1)
    assert held.targets() == []
    ended = held.release()
    assert ended["state"] == "ended" and ended["outcome"] == "released" and ended["released"] == 1
    assert client.response().body == b"served"
    assert held.targets() == ["/app"]
    line = held.edge.logged(lambda line: line["path"] == "/app", "/app")
    assert line["hold_id"] == "w1" and line["ms"]["hold"] > 0


def test_begin_is_answered_with_what_still_runs(held, make_origin):
    go_on = threading.Event()

    def slowly(connection):
        connection.read_request()
        go_on.wait(30)
        connection.send(ok(b"late"))

    slow = make_origin(slowly)
    held.edge.add_site("site.test", slow)
    client = held.ask("/report?secret=1")
    wait_until(lambda: slow.requests, "the request to be under way")
    begun = held.begin(drain_timeout="300ms")
    assert begun["state"] == "draining" and not begun["drained"] and begun["in_flight"] == 1
    assert [(each["method"], each["path"]) for each in begun["stragglers"]] == [("GET", "/report")]
    go_on.set()
    assert client.response().body == b"late"
    wait_until(lambda: held.look()["drained"], "the window to be drained")
    held.release()


def test_a_thousand_wait_and_go_on_in_order_while_some_leave(held):
    held.edge.config["holds"] = {"per_address": 5000}
    held.begin()
    chance = random.Random(4711)
    clients = {}
    for number in range(1000):
        clients[number] = held.ask(f"/{number}", "POST" if number % 3 == 0 else "GET", JSON, b"x" if number % 3 == 0 else b"")
        held_now = number + 1
        if number % 50 == 0:
            wait_until(lambda: held.look()["held"] == held_now, "the last one to wait")
    held.wait_until_held(1000)
    left = chance.sample(sorted(clients), 200)
    for number in left:
        clients.pop(number).close()
    held.wait_until_held(800)
    ended = held.release()
    for client in clients.values():
        assert client.response().status == 200
    assert ended["client_gone"] == 200
    numbers = [int(target[1:]) for target in held.targets()]
    assert sorted(numbers) == sorted(clients)  # nobody lost, nobody twice, nobody who left
    # They go in the order they came. What is under way at once, on many connections, is read here in any order: so each
    # is within as many places of its own as may be under way.
    places = {number: place for place, number in enumerate(sorted(clients))}
    assert max(abs(places[number] - place) for place, number in enumerate(numbers)) < 200


def test_the_calls_say_what_they_do_not_do(held):
    edge = held.edge
    assert edge.admin("POST", "/v1/holds", {"scope": {"site": "nowhere.test"}}).status == 404
    refused = edge.admin("POST", "/v1/holds", {"scope": {"sight": "site.test"}, "lease": "long", "speed": 1})
    assert refused.status == 422
    assert {fault["path"] for fault in refused.json["faults"]} == {"scope", "lease", "speed"}
    assert edge.admin("POST", "/v1/holds/w9/release").json["noop"] is True
    assert edge.admin("GET", "/v1/holds/w9").status == 404
    held.begin()
    assert edge.admin("POST", "/v1/holds", {"id": "w1", "scope": {"server": "server-of-site.test"}}).status == 409
    dry = edge.admin("POST", "/v1/holds?dry_run=true", {"id": "w2", "scope": {"server": "server-of-site.test"}})
    assert dry.status == 200 and edge.admin("GET", "/v1/holds/w2").status == 404
    held.release()
    assert edge.admin("POST", "/v1/holds", {"id": "w1", "scope": {"site": "site.test"}}).status == 409
    assert edge.admin("GET", "/v1/holds").json == {"holds": []}
    assert [hold["id"] for hold in edge.admin("GET", "/v1/holds?ended=true").json["holds"]] == ["w1"]


def test_only_who_may_hold_does(held):
    reader = held.edge.make_token("reader", "read")
    holder = held.edge.make_token("holder", "hold")
    document = {"id": "w1", "scope": {"site": "site.test"}}
    assert held.edge.admin("POST", "/v1/holds", document, token=reader).status == 403
    assert held.edge.admin("POST", "/v1/holds", document, token=holder).status == 200
    assert held.edge.admin("GET", "/v1/holds/w1", token=reader).json["who"] == "holder"
    held.release()


def test_a_site_moves_with_its_release(held, make_origin):
    after = make_origin(answering(ok(b"moved")))
    held.edge.routes["servers"]["f2.test"] = {"endpoints": [{"address": after.endpoint[0], "port": after.endpoint[1]}]}
    revision = held.edge.put_routes().json["revision"]
    held.begin()
    client = held.ask()
    held.wait_until_held(1)
    assert held.edge.admin("POST", "/v1/holds/w1/release", {"server": "f2.test", "if_revision": revision - 1}).status == 409
    assert held.release(server="f2.test", if_revision=revision)["state"] == "ended"
    assert client.response().body == b"moved"
    assert held.targets() == []


def test_an_abort_goes_back_to_where_the_site_was(held, make_origin):
    after = make_origin(answering(ok(b"moved")))
    held.begin()
    client = held.ask()
    held.wait_until_held(1)
    held.edge.add_site("site.test", after, server="f2.test")
    aborted = held.edge.admin("POST", "/v1/holds/w1/abort").json
    assert aborted["outcome"] == "aborted"
    assert client.response().body == b"served"


def test_a_rename_takes_the_window_along(held):
    assert held.edge.admin("PUT", "/v1/hosts/erp.test", {"site": "site.test"}).status == 200
    held.begin()
    with held.edge.plain_client() as client, held.edge.plain_client() as newcomer:
        client.request("erp.test", "/before", headers=JSON)
        held.wait_until_held(1)
        renamed = held.edge.admin("PATCH", "/v1/snapshot", [
            {"op": "delete", "kind": "site", "name": "site.test"},
            {"op": "put", "kind": "site", "name": "new.test", "value": {"server": "server-of-site.test"}},
            {"op": "put", "kind": "host", "name": "erp.test", "value": {"site": "new.test"}}])
        assert renamed.status == 200, renamed
        newcomer.request("new.test", "/after", headers=JSON)
        held.wait_until_held(2)
        assert held.look()["scope"]["site"] == "new.test" and held.targets() == []
        held.release()
        assert [waiting.response().body for waiting in (client, newcomer)] == [b"served"] * 2


def test_who_waits_for_a_site_that_is_deleted_is_told_at_once(held):
    held.begin()
    client = held.ask()
    held.wait_until_held(1)
    assert held.edge.admin("DELETE", "/v1/sites/site.test").status == 200
    with held.edge.plain_client() as stranger:
        stranger.request("nobody.test")
        assert client.response().status == stranger.response().status
    wait_until(lambda: held.look()["state"] == "ended", "the window to end")
    assert held.look()["outcome"] == "aborted" and held.targets() == []


def test_staff_look_before_others_do(held):
    held.begin()
    preview = held.edge.admin("POST", "/v1/holds/w1/preview?ttl=60").json
    assert held.ask(headers={"Cookie": preview["cookie"]}).response().body == b"served"
    waiting = held.ask()
    held.wait_until_held(1)
    held.release()
    assert waiting.response().status == 200


def test_a_site_that_is_not_back_is_held_again(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False, "holds": {"guard": {"least": 2, "again_after": "1500ms"}}})
    held = HeldSite(edge, make_origin(answering(ok(b"served"))))
    held.begin()
    clients = [held.ask(f"/{number}", "POST", JSON, b"x") for number in range(4)]
    held.wait_until_held(4)
    held.origin.stop_listening()
    released = edge.admin("POST", "/v1/holds/w1/release?wait=0").json
    assert released["state"] == "releasing"
    wait_until(lambda: held.look()["held_again"] == 1, "the site to be held again")
    held.origin.listen()
    for client in clients:
        assert client.response().status == 200  # it never heard of it
    wait_until(lambda: held.look()["state"] == "ended", "the window to end")
    assert sorted(held.targets()) == ["/0", "/1", "/2", "/3"]


def test_a_lease_that_nobody_renews_shows_the_page_and_the_hard_maximum_opens_the_gate(held):
    held.begin(lease="1s", hard_max="2s")
    client = held.ask(headers={"Accept": "text/html"})
    answer = client.response()
    assert answer.status == 503 and answer.text("X-Hybridge-Reason") == "hold_paged"
    assert int(answer.text("Refresh")) > 0
    wait_until(lambda: held.look()["state"] == "ended", "the hard maximum")
    assert held.look()["outcome"] == "expired"
    assert held.ask().response().body == b"served"


def test_the_commands_hold_and_release(held):
    command = run_command("hold", "site.test", "--reason", "by hand", "--json", config=held.edge.config_path)
    assert command.returncode == 0, command.stderr
    hold = json.loads(command.stdout)["id"]
    client = held.ask()
    held.wait_until_held(1, hold)
    shown = run_command("holds", config=held.edge.config_path).stdout
    assert hold in shown and "site.test" in shown and "1 held" in shown and "by hand" in shown
    explained = run_command("explain", "http://site.test/app", config=held.edge.config_path).stdout
    assert f"{hold}: holding (by hand)" in explained
    released = run_command("release", hold, config=held.edge.config_path)
    assert released.returncode == 0 and "ended" in released.stdout
    assert client.response().status == 200
    assert run_command("holds", config=held.edge.config_path).stdout == "nothing is held\n"


def test_metrics_audit_and_explain_tell_of_it(held):
    held.begin(reason="update")
    client = held.ask()
    held.wait_until_held(1)
    assert held.edge.metric("hold_windows", state="holding") == 1
    assert held.edge.metric("hold_requests", state="held") == 1
    steps = held.edge.admin("GET", "/v1/explain?url=http://site.test/").json["steps"]
    assert {"name": "hold", "value": "w1: holding (update)"} in steps
    held.release()
    client.response()
    assert held.edge.metric("holds_total", trigger="explicit", outcome="released") == 1
    assert held.edge.metric("hold_outcomes_total", outcome="released") == 1
    wait_until(lambda: held.edge.metric("hold_wait_seconds_count") == 1, "the wait to be counted")
    assert held.edge.metric("hold_drain_seconds_count") == 1
    actions = [entry["action"] for entry in held.edge.admin("GET", "/v1/audit").json["audit"]]
    assert [action for action in reversed(actions) if action.endswith(" hold w1")] == [
        "begin hold w1", "drained hold w1", "release hold w1", "end hold w1"]


def test_who_waits_is_answered_when_the_process_ends(held):
    held.begin()
    client = held.ask()
    held.wait_until_held(1)
    held.edge.ask_to_end(signal.SIGTERM)
    assert client.response().status == 503
    assert held.edge.wait_for_end() == 0


def test_a_window_is_in_force_before_the_listeners_open_after_a_crash(held):
    held.begin(reason="update")
    held.edge.kill_and_start_again()
    assert held.look()["state"] == "holding"
    client = held.ask()
    held.wait_until_held(1)
    assert held.targets() == []
    held.release()
    assert client.response().body == b"served"


@pytest.mark.parametrize("rounds", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_what_was_acknowledged_holds_after_a_crash_at_any_instant(held, rounds):
    """Begins, drains, releases and renewals as fast as they go, killed in the middle, again and again."""
    chance = random.Random(rounds)
    for number in range(rounds):
        known: dict[str, str] = {}  # what the last answer said, by window
        stop = threading.Event()

        def work():
            turn = 0
            while not stop.is_set():
                hold = f"r{number}-{turn}"
                turn += 1
                try:
                    known[hold] = held.begin(hold, "?wait=drained")["state"]
                    held.begin(hold, "")
                    known[hold] = "unknown"
                    known[hold] = held.release(hold)["state"]
                except (OSError, AssertionError, ValueError):
                    return

        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(chance.uniform(0.01, 0.3))
        held.edge.process.kill()
        stop.set()
        worker.join()
        held.edge.start()
        before = len(held.targets())
        live = {hold["id"]: hold for hold in held.edge.admin("GET", "/v1/holds").json["holds"]}
        for hold, state in known.items():
            assert state not in ("holding", "draining") or hold in live, (hold, state)
            assert state != "ended" or hold not in live, (hold, state)
        client = held.ask(f"/after-{number}")
        if live:
            (hold,) = live
            held.wait_until_held(1, hold)
            assert len(held.targets()) == before
            held.release(hold)
        assert client.response().body == b"served"
