"""Every scenario of press_replay.json, over TLS as the control plane makes its calls: jobs, steps, and what is then
served for each host and path."""

import json
import pathlib
import socket

import pytest

from harness.addresses import own_address
from harness.hybridge import Hybridge
from harness.press import PASSWORD, Press, files_of, set_password
from harness.scripted_origin import ScriptedOrigin, telling

SCENARIOS = json.loads((pathlib.Path(__file__).parent / "press_replay.json").read_text())

# The addresses of the scenarios; each stands for an origin of the test's.
UPSTREAMS = ["203.0.113.7", "203.0.113.8", "10.0.0.5", "10.0.0.6"]

# What the agent reports, whole and in order (the scenarios name what must be among it).
STEPS = {
    "Add Wildcard Hosts to Proxy": ["Add Wildcard Hosts to Proxy", "Reload NGINX"],
    "Add Upstream to Proxy": ["Add Upstream Directory", "Reload NGINX"],
    "Add Site to Upstream": ["Remove Conflicting Site", "Add Site File to Upstream Directory", "Reload NGINX"],
    "Add Domain to Upstream": ["Remove Conflicting Site", "Add Site File to Upstream Directory", "Reload NGINX"],
    "Add Host to Proxy": ["Add Host to Proxy", "Reload NGINX"],
    "Setup Redirects on Hosts": ["Setup Redirect on Host", "Setup Redirect on Host", "Reload NGINX"],
    "Remove Redirects on Hosts": ["Remove Redirect on Host"],
    "Update Site Status": ["Update Site File", "Reload NGINX"],
    "Rename Site on Upstream": [
        "Remove Conflicting Site",
        "Rename Site File in Upstream Directory",
        "Rename Host Directory",
        "Rename Site in Host Directory",
        "Rename Site in Host Directory",
        "Rename Site in Host Directory",
        "Reload NGINX",
    ],
    "Remove Site from Upstream": ["Remove Site File from Upstream Directory"],
    "Remove Host from Proxy": ["Remove Host from Proxy"],
    "Add Auto Scale Site to Upstream": ["Add Auto Scale Site to Upstream", "Reload NGINX"],
    "Remove Auto Scale Site from Upstream": ["Remove Auto Scale Site from Upstream", "Reload NGINX"],
}

# What is served after each scenario: (host, path, status, what is in the answer or where it leads).
ON_7, ON_8 = "203.0.113.7", "203.0.113.8"
SERVED = {
    "new_site": [("acme.frappe.cloud", "/x?y=1", 200, f"{ON_7} /x?y=1 acme.frappe.cloud")],
    "custom_domain": [
        ("erp.acme.com", "/", 200, f"{ON_7} / erp.acme.com"),
        ("www.acme.com", "/assets/a.js", 200, f"{ON_7} /assets/a.js www.acme.com"),
    ],
    "root_cert_subdomain": [("shop.frappe.cloud", "/", 200, f"{ON_7} / shop.frappe.cloud")],
    "redirect": [
        ("www.acme.com", "/", 200, f"{ON_7} / www.acme.com"),
        ("acme.frappe.cloud", "/a//b", 308, "https://erp.acme.com/a//b"),
    ],
    "suspend_unsuspend": [("erp.acme.com", "/", 200, f"{ON_7} / erp.acme.com")],
    "deactivate_activate": [("www.acme.com", "/socket.io/", 200, f"{ON_7} /socket.io/ www.acme.com")],
    "move_server_same_proxy": [
        ("erp.acme.com", "/", 200, f"{ON_8} / erp.acme.com"),
        ("shop.frappe.cloud", "/", 200, f"{ON_7} / shop.frappe.cloud"),
    ],
    "rename_site": [
        ("erp.acme.com", "/", 200, f"{ON_8} / erp.acme.com"),
        ("acme2.frappe.cloud", "/", 308, "https://erp.acme.com/"),
        ("acme.frappe.cloud", "/", 307, "https://edge.test/dashboard/#/sites/new?domain=acme.frappe.cloud"),
    ],
    "archive_site": [
        ("erp.acme.com", "/", 307, "https://edge.test/dashboard/#/sites/new?domain=erp.acme.com"),
        ("www.acme.com", "/", 307, "https://edge.test/dashboard/#/sites/new?domain=www.acme.com"),
    ],
}


class World:
    def __init__(self, authority):
        self.edge = Hybridge(authority, {"server_header": "Frappe Cloud"})
        set_password(self.edge)
        self.edge.start()
        self.press = Press(self.edge)
        self.origins = {}
        port = None
        for address in UPSTREAMS:
            # Secondaries are asked on the port of their primary.
            endpoint = (own_address(), port) if port else None
            origin = ScriptedOrigin(telling(address), endpoint=endpoint)
            port = origin.endpoint[1]
            self.origins[address] = origin

    def translated(self, value):
        """The scenario's addresses and certificates, as they are in this test."""
        text = json.dumps(value)
        for address, origin in self.origins.items():
            text = text.replace(address, origin.endpoint[0])
        value = json.loads(text)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict) and "certificate" in each:
                name = each.get("name") or "*." + each["domain"]
                each["certificate"] = files_of(self.edge.authority.issue(name))
        return value

    def check(self, host: str, path: str, status: int, told: str | None) -> None:
        answer = self.edge.get(host, path)
        assert answer.status == status, (host, path, answer)
        if told is not None:
            assert (answer.get("location") or b"").decode() == told or answer.content == told, (host, path, answer)

    def close(self):
        for origin in self.origins.values():
            origin.close()
        self.edge.close()


@pytest.fixture(scope="module")
def world(authority):
    made = World(authority)
    yield made
    made.close()


def make_upstreams_reachable(world: World) -> None:
    """The control plane's upstreams are on port 80; those of the test are where they could be."""
    known = world.edge.admin("GET", "/v1/snapshot").json["servers"]
    for origin in world.origins.values():
        address, port = origin.endpoint
        if address in known and known[address]["endpoints"][0]["port"] != port:
            server = {"endpoints": [{"address": address, "port": port}]}
            assert world.edge.admin("PUT", f"/v1/servers/{address}", server).status == 200


def call_of(world: World, step: dict) -> None:
    press, path = world.press, world.translated(step["path"]).removeprefix("/agent/")
    steps = press.succeed(step["method"], path, world.translated(step["body"]))
    wanted = iter(steps)
    assert all(name in wanted for name in step["expect_steps"]), (step["job_type"], steps)
    assert steps == STEPS[step["job_type"]], step["job_type"]
    make_upstreams_reachable(world)
    for host, target, status, told in step.get("check", []):
        world.check(host, target, status, told)


def test_replays_every_scenario(world):
    for name, steps in SCENARIOS.items():
        if name == "auto_scale":
            world.press.succeed("POST", "proxy/upstreams", {"name": world.origins["10.0.0.5"].endpoint[0]})
            make_upstreams_reachable(world)
        for step in steps:
            # What goes to the servers' own agents is no call of the proxy's.
            if step["to"] == "proxy" and "job_type" in step:
                call_of(world, step)
        for host, path, status, told in SERVED.get(name, []):
            world.check(host, path, status, told)


def test_custom_domains_pass_the_control_planes_own_checks(world):
    """Before a domain is added: no foreign Server header on port 80, and ACME's challenges are sent home."""
    with world.edge.plain_client() as client:
        answer = client.get("new.acme.com", "/", "HEAD")
        assert answer.get("server") in (None, b"Frappe Cloud")
        answer = client.get("new.acme.com", "/.well-known/acme-challenge/t")
        assert (answer.status, answer.get("location")) == (301, b"http://ssl.edge.test/.well-known/acme-challenge/t")


def test_replays_what_is_no_job(world):
    press = world.press
    job, other = press.deliver("POST", "ping_job"), press.deliver("POST", "proxy/reload")
    for step in SCENARIOS["misc"]:
        path = step["path"].removeprefix("/agent/").replace("<id>", str(job), 1).replace("<id>", str(other))
        names = [press.get(f"jobs/{each}")["agent_job_id"] for each in (job, other)]
        path = path.replace("<name>", names[0], 1).replace("<name>", names[1])
        answer = press.call(step["method"], path, step.get("body"), headers=step.get("headers"))
        assert answer.status_code == step.get("expect_status", 200), path
        said = answer.json()
        if "expect_json" in step:
            assert said == step["expect_json"]
        if "expect_keys" in step:
            assert set(step["expect_keys"]) <= said.keys()
        if "expect_steps" in step:
            assert [each["name"] for each in press.poll(said["job"])["steps"]] == step["expect_steps"]
        if step.get("expect") == "object":
            assert said["id"] == job
        elif step.get("expect"):
            assert {each["id"] for each in said} == {job, other}
            assert {each["agent_job_id"] for each in said} == set(names)


def test_secondaries_share_the_load_and_socketio_stays_with_the_primary(world):
    primary, secondary = (world.origins[address].endpoint[0] for address in ("10.0.0.5", "10.0.0.6"))
    press = world.press
    press.succeed("POST", f"proxy/upstreams/{primary}/sites", {"name": "busy.frappe.cloud"})
    make_upstreams_reachable(world)
    press.succeed("POST", f"proxy/upstreams/{primary}/auto-scale-site", {"secondary_upstreams": [{secondary: 3}]})

    def answered_by(path: str, count: int) -> dict:
        tally = {"10.0.0.5": 0, "10.0.0.6": 0}
        for _ in range(count):
            tally[world.edge.get("busy.frappe.cloud", path).content.split()[0]] += 1
        return tally

    tally = answered_by("/", 40)
    assert tally["10.0.0.6"] > tally["10.0.0.5"] > 0, tally
    assert answered_by("/socket.io/?EIO=4", 12) == {"10.0.0.5": 12, "10.0.0.6": 0}
    listed = press.get("proxy/upstreams")[primary]
    assert listed["secondaries"] == [{secondary: 3}]
    assert [site["is_auto_scaled"] for site in listed["sites"]] == [True]
    press.succeed("POST", f"proxy/upstreams/{primary}/remove-auto-scale-site")
    assert answered_by("/", 8) == {"10.0.0.5": 8, "10.0.0.6": 0}


def test_the_certificate_that_was_pushed_is_served(world):
    press, authority = world.press, world.edge.authority
    origin = world.origins[ON_7].endpoint[0]
    press.succeed("POST", f"proxy/upstreams/{origin}/sites", {"name": "certified.frappe.cloud"})
    make_upstreams_reachable(world)
    for _ in range(2):  # the second is a renewal
        certificate = authority.issue("own.acme.com")
        host = {"name": "own.acme.com", "target": "certified.frappe.cloud", "certificate": files_of(certificate)}
        press.succeed("POST", "proxy/hosts", host)
        with world.edge.tls_client("own.acme.com") as client:
            assert client.socket.getpeercert(binary_form=True) == certificate.der
    wildcard = authority.issue("*.wild.acme.com")
    body = [{"domain": "wild.acme.com", "certificate": files_of(wildcard), "code_server": 0}]
    press.succeed("POST", "proxy/wildcards", body)
    with world.edge.tls_client("tenant.wild.acme.com") as client:
        assert client.socket.getpeercert(binary_form=True) == wildcard.der


def test_the_calls_are_logged_and_counted_as_any_other_request(world):
    before = world.edge.metric("requests_total", code="200")
    world.press.get("ping?from=the-log-test")
    line = world.edge.logged(lambda line: line["path"].startswith("/agent/ping?from=the-log-test"), "the ping")
    assert (line["status"], line["reason"], line["host"]) == (200, "own_api", "n1.edge.test")
    assert PASSWORD not in json.dumps(world.edge.access_log()) + world.edge.process.stderr()
    assert world.edge.metric("requests_total", code="200") > before


def test_plain_http_never_takes_the_password(world):
    with socket.create_connection(world.edge.http) as client:
        client.sendall(b"GET /agent/ping HTTP/1.1\r\nHost: n1.edge.test\r\nAuthorization: bearer x\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 308 ")
