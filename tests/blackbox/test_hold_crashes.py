"""kill -9 in each state of a window and on the way there: after the restart it is as was acknowledged, and nothing has
gone on that should wait."""

import random
import threading
import time

import pytest

from harness.scripted_origin import ok
from harness.waiting import PATIENCE, wait_until

JSON = {"Accept": "application/json"}
STATES = ("draining", "holding", "releasing", "paging", "ended")
# What a window may be after a restart that was last acknowledged as this.
KEPT = {
    "": {"none"},
    "draining": {"draining", "holding"},
    "holding": {"draining", "holding"},
    "releasing": {"ended"},  # who waited is gone with the process that they waited in
    "paging": {"paging"},
    "ended": {"ended"},
}


class Gone(Exception):
    """The edge was killed during a call."""


class Round:
    """A window on its way to a state, as far as it comes."""

    def __init__(self, edge, origin, number: int, state: str):
        self.edge, self.origin, self.number, self.state = edge, origin, number, state
        self.hold = f"w{number}"
        self.acknowledged = ""
        self.under_way: set[str] = set()  # where the call that is not answered yet may lead
        self.may_pass = False  # a release was asked for
        self.clients = []
        self.is_there = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            getattr(self, f"_come_to_{self.state}")()
            self.is_there.set()
            while True:
                self._look()
        except Gone:
            self.is_there.set()

    def _call(self, method: str, path: str, document=None, leads_to=()) -> dict:
        self.under_way = set(leads_to)
        try:
            answer = self.edge.admin(method, path, document)
        except (OSError, ValueError) as gone:
            raise Gone from gone
        assert answer.status == 200, answer
        self.acknowledged = answer.json["state"]
        self.under_way = set()
        return answer.json

    def _begin(self, wait: str, **members) -> None:
        wish = {"id": self.hold, "scope": {"site": "site.test"}, "reason": "crash", **members}
        self._call("POST", f"/v1/holds{wait}", wish, {"draining", "holding"})

    def _look(self) -> dict:
        return self._call("GET", f"/v1/holds/{self.hold}")

    def _ask(self, kind: str):
        try:
            client = self.edge.plain_client()
            client.request("site.test", f"/{kind}-{self.number}-{len(self.clients)}", headers=JSON)
        except OSError as gone:
            raise Gone from gone
        self.clients.append(client)

    def _wait_until(self, condition, what: str) -> None:
        def is_true():
            return condition(self._look())

        wait_until(is_true, what)

    def _come_to_draining(self) -> None:
        self._ask("stalled")
        wait_until(lambda: self.targets("stalled") or not self.edge.process.is_alive(), "a request to be under way")
        self._begin("")
        self._ask("held")

    def _come_to_holding(self) -> None:
        self._begin("?wait=drained")
        for _ in range(3):
            self._ask("held")
        self._begin("")  # renews

    def _come_to_releasing(self) -> None:
        self._begin("?wait=drained")
        for _ in range(12):
            self._ask("stalled")
        self._wait_until(lambda window: window["held"] == 12, "twelve to wait")
        self.may_pass = True
        # Eight go on at once and stall, the others wait for them.
        self._call("POST", f"/v1/holds/{self.hold}/release?wait=0", {}, {"ended"})

    def _come_to_paging(self) -> None:
        self._begin("?wait=drained", lease="1s")
        self._ask("held")
        self._wait_until(lambda window: window["state"] == "paging", "the lease to pass")

    def _come_to_ended(self) -> None:
        self._begin("?wait=drained")
        self._ask("passes")
        self._wait_until(lambda window: window["held"] == 1, "one to wait")
        self.may_pass = True
        self._call("POST", f"/v1/holds/{self.hold}/release", {}, {"ended"})

    def targets(self, kind: str) -> list[str]:
        wanted = f"/{kind}-{self.number}-".encode()
        return [request.target.decode() for request in list(self.origin.requests) if request.target.startswith(wanted)]

    def may_be(self) -> set[str]:
        # The lease goes on while the process is away.
        return KEPT[self.acknowledged] | self.under_way | ({"paging"} if self.state == "paging" else set())

    def close(self) -> None:
        self.thread.join(PATIENCE)
        for client in self.clients:
            client.close()


@pytest.mark.parametrize("rounds", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_a_window_is_as_acknowledged_after_a_crash_in_each_state(make_edge, make_origin, rounds):
    dice = random.Random(rounds)
    let_go = [threading.Event()]

    def stalling(connection):
        while (request := connection.read_request()) is not None:
            if request.target.startswith(b"/stalled"):
                let_go[0].wait(PATIENCE)
            connection.send(ok(b"served"))

    edge, origin = make_edge({"redirect_to_https": False}), make_origin(stalling)
    edge.add_site("site.test", origin)
    reached = dict.fromkeys(STATES, 0)
    for number in range(rounds):
        one = Round(edge, origin, number, STATES[number % len(STATES)])
        one.thread.start()
        # Half of them on the way, half of them where they wanted to be.
        if number // len(STATES) % 2 == 0:
            assert one.is_there.wait(PATIENCE)
        time.sleep(dice.uniform(0, 0.05))
        edge.process.kill()
        one.close()
        reached[one.state] += one.acknowledged == one.state
        let_go[0].set()
        let_go[0] = threading.Event()
        edge.start()
        judge(edge, origin, one)
    assert all(reached.values()), reached


def judge(edge, origin, one: Round) -> None:
    found = edge.admin("GET", f"/v1/holds/{one.hold}")
    state = found.json["state"] if found.status == 200 else "none"
    if one.state == "paging" and state in ("draining", "holding"):
        wait_until(lambda: edge.admin("GET", f"/v1/holds/{one.hold}").json["state"] == "paging", "the lease to pass")
        state = "paging"
    assert state in one.may_be(), (one.state, one.acknowledged, one.under_way, state)
    assert one.targets("held") == []
    assert one.may_pass or one.targets("passes") == []
    with edge.plain_client() as client:
        client.request("site.test", f"/after-{one.number}", headers=JSON)
        if state in ("draining", "holding"):
            wait_until(lambda: edge.admin("GET", f"/v1/holds/{one.hold}").json["held"] == 1, "the newcomer to wait")
            assert one.targets("after") == []
            assert edge.admin("POST", f"/v1/holds/{one.hold}/release", {}).status == 200
        answer = client.response()
    if state == "paging":
        assert answer.status == 503
        assert edge.admin("POST", f"/v1/holds/{one.hold}/release", {}).status == 200
    else:
        assert answer.body == b"served"
