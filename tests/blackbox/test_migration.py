"""The migration that nobody notices: a site is stopped, moved, and moved to another server while its users work.

Once for each way in which a hold begins, and once without any: then the users see what they see today, which is what
proves that the others show something.
"""

import collections

import pytest

from harness.crowd import Crowd
from harness.customer.server import CustomerServer
from harness.migration import NEIGHBOUR, SITE, Migration
from harness.neighbour import Neighbour
from harness.tls_client import client_context


class Nobody:
    """No hold: what happens today."""

    config = {"holds": {"in_band": False}}
    is_held = False

    def __init__(self, edge):
        pass

    def begin(self) -> None:
        pass

    wait_until_held = end = begin


@pytest.fixture
def migrate(make_edge, origin, authority, tmp_path):
    """migrate(trigger): the whole story, and what it left behind to be judged."""
    servers = []

    def run(make_trigger) -> Migration:
        edge = make_edge({"redirect_to_https": False, **make_trigger.config})
        for name in ("f1.customer.test", "f2.customer.test"):
            folder = tmp_path / name
            folder.mkdir()
            servers.append(CustomerServer(folder, name))
        first, second = servers
        first.new_site(SITE)
        edge.put_certificate(SITE, authority.issue(SITE))
        edge.add_site(NEIGHBOUR, origin)
        edge.routes["servers"][second.name] = {"endpoints": [{"address": second.address, "port": second.endpoint[1]}]}
        edge.add_site(SITE, first, server=first.name)
        migration = Migration(
            edge,
            first,
            second,
            Crowd(edge, SITE, client_context(authority)),
            Neighbour(edge.http, origin.endpoint, NEIGHBOUR),
        )
        migration.is_held = make_trigger.is_held
        migration.run(make_trigger(edge))
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
