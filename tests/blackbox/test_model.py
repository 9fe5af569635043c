"""Random operations by both APIs, with restarts and kills between them; after each the edge serves what a simple model says."""

import os
import random
import signal

import pytest

from harness.press import Press, set_password
from harness.scripted_origin import telling
from harness.table_model import STATUSES, TableModel

SERVERS = [f"f{number}.test" for number in range(4)]
SITES = [f"site{number}.test" for number in range(12)]
HOSTS = [f"host{number}.test" for number in range(12)] + SITES[:3]  # a site's own name may be a host too
SEED = int(os.environ.get("HYBRIDGE_TEST_SEED", "20261126"))


class Driver:
    """Does a random thing to the edge and the same to the model."""

    def __init__(self, edge, origins, seed: int):
        self.edge = edge
        self.origins = origins  # by name
        self.dice = random.Random(seed)
        self.model = TableModel()
        self.keys = 0
        self.client = edge.plain_client()
        self.press = Press(edge)
        self.did: list[str] = []  # what led here, for whoever reads a failure

    def value_of_server(self, origin: str) -> dict:
        address, port = self.origins[origin].endpoint
        return {"endpoints": [{"address": address, "port": port, "weight": 1}]}

    def random_change(self) -> tuple[str, str, dict | None]:
        """(kind, name, value); no value: deleted."""
        dice = self.dice
        kind = dice.choice(["server", "site", "site", "host", "host", "host"])
        name = dice.choice({"server": SERVERS, "site": SITES, "host": HOSTS}[kind])
        if dice.random() < 0.25:
            return kind, name, None
        if kind == "server":
            return kind, name, {"origin": dice.choice(list(self.origins))}
        if kind == "site":
            return kind, name, {"server": dice.choice(SERVERS), "status": dice.choice(list(STATUSES) + ["active"] * 4)}
        if dice.random() < 0.3:
            return kind, name, {"redirect": dice.choice(HOSTS)}
        return kind, name, {"site": dice.choice(SITES)}

    def applied(self, changes) -> TableModel:
        after = self.model.copy()
        tables = {"server": after.servers, "site": after.sites, "host": after.hosts}
        for kind, name, value in changes:
            if value is None:
                tables[kind].pop(name, None)
            else:
                tables[kind][name] = value["origin"] if kind == "server" else value
        return after

    def given(self, change) -> dict | None:
        kind, _, value = change
        return self.value_of_server(value["origin"]) if kind == "server" and value else value

    def call(self, method: str, target: str, document=None, headers=None):
        self.did.append(f"{method} {target} {document} {headers or ''}")
        return self.edge.admin(method, target, document, headers=headers)

    # The things it does: each returns the hosts that it touched. ---------------------------------------------------

    def single(self) -> list[str]:
        change = kind, name, value = self.random_change()
        after = self.applied([change])
        target = f"/v1/{kind}s/{name}"
        was = name in getattr(self.model, f"{kind}s")
        answer = self.call("PUT" if value else "DELETE", target, self.given(change))
        if value is None and not was:
            assert answer.status == 404, answer
        elif after.has_ring():
            assert answer.status == 422 and "redirect" in answer.text, answer
        else:
            assert answer.status == 200, answer
            self.model = after
        return [name]

    def several(self) -> list[str]:
        changes = [self.random_change() for _ in range(self.dice.randint(1, 6))]
        operations = []
        for change in changes:
            kind, name, value = change
            operation = {"op": "put" if value else "delete", "kind": kind, "name": name}
            operations.append({**operation, "value": self.given(change)} if value else operation)
        after = self.applied(changes)
        answer = self.call("PATCH", "/v1/snapshot", operations)
        if after.has_ring():
            assert answer.status == 422, answer
        else:
            assert answer.status == 200, answer
            self.model = after
        return [name for _, name, _ in changes]

    def everything(self) -> list[str]:
        after = self.applied([self.random_change() for _ in range(20)])
        answer = self.call("PUT", "/v1/snapshot", after.document(self.value_of_server))
        assert answer.status == (422 if after.has_ring() else 200), answer
        if answer.status == 200:
            self.model = after
        return self.dice.sample(HOSTS, 4)

    def only_tried(self) -> list[str]:
        change = kind, name, value = self.random_change()
        if value:
            self.call("PUT", f"/v1/{kind}s/{name}?dry_run=true", self.given(change))
        else:
            self.call("DELETE", f"/v1/{kind}s/{name}?dry_run=true")
        return [name]

    def outdated(self) -> list[str]:
        change = kind, name, value = self.random_change()
        answer = self.call("PUT" if value else "DELETE", f"/v1/{kind}s/{name}", self.given(change), {"If-Match": '"999999999"'})
        assert answer.status == 412, answer
        return [name]

    def repeated(self) -> list[str]:
        """A call whose answer was lost, and that is made again after somebody else's."""
        site = self.dice.choice(SITES)
        server = self.dice.choice(SERVERS)
        self.keys += 1
        key = {"Idempotency-Key": f"model-{self.keys}"}
        first = self.call("PUT", f"/v1/sites/{site}", {"server": server, "status": "suspended"}, key)
        self.call("PUT", f"/v1/sites/{site}", {"server": server, "status": "active"})
        again = self.call("PUT", f"/v1/sites/{site}", {"server": server, "status": "suspended"}, key)
        assert (first.status, first.text) == (again.status, again.text)
        self.model = self.applied([("site", site, {"server": server, "status": "active"})])
        return [site]

    def job(self, method: str, path: str, body, after: TableModel) -> None:
        """By the control plane's API: it succeeds, unless it would make a ring."""
        self.did.append(f"press {method} {path} {body}")
        job = self.press.run(method, path, body)
        assert job["status"] == ("Failure" if after.has_ring() else "Success"), (job, self.did[-12:])
        if job["status"] == "Success":
            self.model = after

    def by_press(self) -> list[str]:
        if not self.model.servers:
            return self.single()
        dice, after = self.dice, self.model.copy()
        server, site, host = dice.choice(sorted(after.servers)), dice.choice(SITES), dice.choice(HOSTS)
        what = dice.choice(["place", "remove", "status", "host", "remove host", "redirect", "no redirect"])
        if what == "place":
            after.sites[site] = {**after.sites.get(site, {}), "server": server}
            self.job("POST", f"proxy/upstreams/{server}/sites", {"name": site}, after)
        elif what == "remove":
            if after.sites.get(site, {}).get("server") == server:
                del after.sites[site]
            self.job("DELETE", f"proxy/upstreams/{server}/sites/{site}", {}, after)
        elif what == "status":
            word = dice.choice(list(STATUSES))
            after.sites[site] = {"server": server, **after.sites.get(site, {}), "status": word}
            said = "activated" if word == "active" else word
            self.job("POST", f"proxy/upstreams/{server}/sites/{site}/status", {"status": said}, after)
        elif what == "host":
            after.hosts[host] = {**after.hosts.get(host, {}), "site": site}
            self.job("POST", "proxy/hosts", {"name": host, "target": site, "certificate": {}}, after)
        elif what == "remove host":
            after.hosts.pop(host, None)
            self.job("DELETE", f"proxy/hosts/{host}", {}, after)
        elif what == "redirect":
            target = dice.choice([name for name in HOSTS if name != host])
            after.hosts[host] = {**after.hosts.get(host, {}), "redirect": target}
            self.job("POST", "proxy/hosts/redirects", {"domains": [host], "target": target}, after)
        else:
            after.take_redirect_away(host)
            self.job("DELETE", "proxy/hosts/redirects", {"domains": [host]}, after)
        return [site, host]

    def restart(self) -> list[str]:
        if self.dice.random() < 0.5:
            self.did.append("kill -9")
            self.edge.kill_and_start_again()
        else:
            self.did.append("restart")
            assert self.edge.stop(signal.SIGTERM) == 0
            self.edge.is_asked_to_end = False
            self.edge.start()
        self.client.close()
        self.client = self.edge.plain_client()
        return HOSTS + SITES

    def step(self) -> list[str]:
        things = [self.single] * 8 + [self.several] * 5 + [self.by_press] * 6 + [self.everything, self.only_tried, self.outdated, self.repeated]
        return self.dice.choice(things)()

    # What must be so after each. -----------------------------------------------------------------------------------

    def check_served(self, host: str) -> None:
        status, what = self.model.served(host)  # of a site its origin, of a redirect its target
        answer = self.client.get(host)
        where = f"{host} after\n" + "\n".join(self.did[-12:])
        assert answer.status == status, where
        if status == 200:
            assert answer.content == f"{what} / {host}", where
        elif status == 308:
            assert answer.text("location") == f"https://{what}/", where

    def check_table(self) -> None:
        got = self.edge.admin("GET", "/v1/snapshot").json
        for site in got["sites"].values():
            site.setdefault("status", "active")  # as it is when nobody said it
        for site in self.model.sites.values():
            site.setdefault("status", "active")
        assert got == self.model.document(self.value_of_server), "\n".join(self.did[-12:])


def run(edge, make_origin, steps: int, seed: int) -> None:
    origins = {name: make_origin(telling(name)) for name in ("o1", "o2", "o3")}
    driver = Driver(edge, origins, seed)
    for number in range(1, steps + 1):
        touched = driver.step() if number % (steps // 4) else driver.restart()
        for host in {*touched, *driver.dice.sample(HOSTS + SITES, 2)}:
            if host not in SERVERS:
                driver.check_served(host)
        if number % 20 == 0:
            driver.check_table()
    driver.check_table()


@pytest.fixture
def modelled(make_edge):
    edge = make_edge({"redirect_to_https": False, "limits": {"requests_per_connection": 1_000_000}}, start=False)
    set_password(edge)
    return edge.start()


def test_the_table_is_as_a_model_says(modelled, make_origin):
    run(modelled, make_origin, 1000, SEED)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_table_is_as_a_model_says_for_long(modelled, make_origin, seed):
    run(modelled, make_origin, 5000, SEED + seed)
