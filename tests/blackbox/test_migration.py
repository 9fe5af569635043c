"""The migration that nobody notices: a site is stopped, moved, and moved to another server while its users work.

Once for each way in which a hold begins, and once without any: then the users see what they see today, which is what
proves that the others show something.
"""

import collections
import json

import pytest

from harness.crowd import Crowd
from harness.customer.server import CustomerServer
from harness.migration import NEIGHBOUR, SITE, Migration
from harness.neighbour import Neighbour
from harness.press import Press, set_password
from harness.tls_client import client_context
from harness.waiting import SLOWNESS, wait_until


class Nobody:
    """No hold: what happens today."""

    config = {"holds": {"in_band": False}}
    is_held = False

    def __init__(self, edge, server):
        pass

    def begin(self) -> None:
        pass

    wait_until_held = end = begin


class InBand:
    """Trigger A: nobody tells the edge anything; the site's own 503s do."""

    config = {}
    is_held = True

    def __init__(self, edge, server):
        self.edge, self.server = edge, server

    def windows(self) -> list[dict]:
        answer = self.edge.admin("GET", "/v1/holds")
        assert answer.status == 200, answer
        return answer.json["holds"]

    def begin(self) -> None:
        pass

    def wait_until_held(self) -> None:
        """Stopped requests bring the window about, whoever sends them. As in life, the site is not gone the instant it says so."""
        window = wait_until(
            lambda: next((each for each in self.windows() if each["state"] == "holding"), None),
            "a window that the site itself began to be drained",
            30 * SLOWNESS,
        )
        assert window["scope"] == {"site": SITE}, window

    def end(self) -> None:
        wait_until(lambda: not self.windows(), "the end of the window", 60 * SLOWNESS)


class Explicit(InBand):
    """Trigger C: a window by the API, around the work."""

    def begin(self) -> None:
        begun = self.edge.admin(
            "POST", "/v1/holds?wait=drained", {"id": "migration", "scope": {"site": SITE}, "reason": "moves"}
        )
        assert begun.status == 200 and begun.json["drained"], begun

    def wait_until_held(self) -> None:
        assert [window["state"] for window in self.windows()] == ["holding"]

    def end(self) -> None:
        released = self.edge.admin("POST", "/v1/holds/migration/release", {})
        assert released.status == 200, released
        super().end()


class AgentCall(InBand):
    """Trigger B: the control plane calls the server's agent through the edge. Alone: the sites' own word is not heard."""

    config = {"holds": {"in_band": False}}

    def call(self, method: str, path: str, body: bytes = b"") -> dict:
        fields = {"Authorization": "bearer agent-password", "Content-Type": "application/json"}
        answer = self.edge.get("n1.edge.test", f"/{self.server.name}/agent/{path}", method, fields, body)
        assert answer.status == 200, answer
        return json.loads(answer.content)

    def begin(self) -> None:
        self.call("GET", "ping")  # the server takes the credential
        self.job = self.call("POST", f"benches/bench-1/sites/{SITE}/update/migrate", b'{"target": "bench-2"}')["job"]
        self.server.set_job(self.job, "Running", Enable_Maintenance_Mode="Success", Disable_Maintenance_Mode="Pending")
        self.call("GET", f"jobs/{self.job}")

    def wait_until_held(self) -> None:
        assert [window["state"] for window in self.windows()] == ["holding"]

    def end(self) -> None:
        self.server.set_job(self.job, "Running", Enable_Maintenance_Mode="Success", Disable_Maintenance_Mode="Success")
        self.call("GET", f"jobs/{self.job}")
        super().end()


class Status(Explicit):
    """Trigger D: a word of the control plane's status call. In-band is off, so that the word alone counts."""

    config = {"holds": {"in_band": False}}

    def set(self, status: str) -> None:
        path = f"proxy/upstreams/{self.server.name}/sites/{SITE}/status"
        self.press.succeed("POST", path, {"status": status, "extra_domains": [], "skip_reload": False})

    def begin(self) -> None:
        set_password(self.edge)
        self.press = Press(self.edge)
        self.set("hold")
        wait_until(lambda: [window["state"] for window in self.windows()] == ["holding"], "the site to drain")

    def end(self) -> None:
        self.set("activated")
        InBand.end(self)


@pytest.fixture
def migrate(make_edge, origin, authority, tmp_path):
    """migrate(trigger): the whole story, and what it left behind to be judged."""
    servers = []

    def run(make_trigger) -> Migration:
        edge = make_edge({"redirect_to_https": False, **make_trigger.config})
        for name in ("f1.customer.test", "f2.customer.test"):
            folder = tmp_path / name
            folder.mkdir()
            servers.append(CustomerServer(folder, name, authority))
        first, second = servers
        first.new_site(SITE)
        edge.put_certificate(SITE, authority.issue(SITE))
        edge.add_site(NEIGHBOUR, origin)
        edge.routes["servers"] |= {server.name: server.record() for server in servers}
        edge.routes["sites"][SITE] = {"server": first.name}
        edge.put_routes()
        migration = Migration(
            edge,
            first,
            second,
            Crowd(edge, SITE, client_context(authority)),
            Neighbour(edge.http, origin.endpoint, NEIGHBOUR),
        )
        migration.is_held = make_trigger.is_held
        migration.run(make_trigger(edge, first))
        return migration

    yield run
    for server in servers:
        server.close()


def summary(acts) -> dict:
    return dict(collections.Counter(f"{act.kind}: {act.outcome}" for act in acts))


def assert_writes_are_sound(migration: Migration) -> None:
    """Whatever clients saw: what was acknowledged ran, nothing ran twice, and each client's requests ran in order."""
    assert migration.lost() == []
    assert migration.repeated() == []
    assert migration.out_of_order() == []


def test_without_a_hold_users_see_the_migration(migrate):
    migration = migrate(Nobody)
    seen = {act.outcome for act in migration.crowd.errors()}
    assert {503, 404, 502} <= seen, summary(migration.crowd.errors())
    assert_writes_are_sound(migration)


def assert_nobody_noticed(migration: Migration) -> None:
    assert_writes_are_sound(migration)
    assert migration.ghosts() == []
    assert len(migration.waited()) >= 20, "requests came while the site was held, and were served after it"
    assert migration.neighbour.faults == []
    assert migration.neighbour_verdict() == ""


def test_a_site_that_says_itself_that_it_is_stopped(migrate):
    migration = migrate(InBand)
    # A body beyond the replay buffer that was under way when the site stopped gets the server's own word, unread: that it
    # is stopped or, where the server took all of it first and then looked, that the site is not there any more. Nobody
    # waits for its end: the work goes on whatever the edge knows.
    unread = [act for act in migration.crowd.errors() if act.kind == "large_upload" and (act.is_stopped or act.outcome == 404)]
    assert all(act.began < migration.held for act in unread), unread
    executed = {identity for identity, _ in migration.executed()}
    assert not executed & {act.id for act in unread}
    others = [act for act in migration.crowd.errors() if act not in unread]
    assert others == [], summary(others)
    assert_nobody_noticed(migration)


def test_a_hold_around_the_work(migrate):
    migration = migrate(Explicit)
    assert migration.crowd.errors() == [], summary(migration.crowd.errors())
    assert_nobody_noticed(migration)


def test_a_call_to_the_servers_agent(migrate):
    migration = migrate(AgentCall)
    assert migration.crowd.errors() == [], summary(migration.crowd.errors())
    assert_nobody_noticed(migration)


def test_a_word_of_the_status_call(migrate):
    migration = migrate(Status)
    assert migration.crowd.errors() == [], summary(migration.crowd.errors())
    assert_nobody_noticed(migration)
