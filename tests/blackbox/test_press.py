"""The control plane's API where things go wrong: wrong passwords, wrong calls, calls that are lost, storms, crashes."""

import base64
import concurrent.futures
import json
import signal
import time

import pytest
import requests

from harness.hybridge import Hybridge, run_command
from harness.press import PASSWORD, Press, files_of, set_password
from harness.scripted_origin import ScriptedOrigin, telling
from harness.waiting import SLOWNESS, wait_until


def make_press(authority) -> Press:
    edge = Hybridge(authority)
    set_password(edge)
    return Press(edge.start())


@pytest.fixture(scope="module")
def press(authority):
    made = make_press(authority)
    yield made
    made.edge.close()


@pytest.fixture
def own_press(authority):
    made = make_press(authority)
    yield made
    made.edge.close()


@pytest.fixture(scope="module")
def upstream(press):
    origin = ScriptedOrigin(telling("origin"))
    yield press.add_upstream(origin)
    origin.close()


def status_of(press: Press, host: str) -> int:
    return press.edge.get(host).status


def test_a_wrong_password_is_told_so_whatever_is_asked(own_press):
    for path in ("ping", "nope", "jobs/1"):
        answer = own_press.call("GET", path, headers={"Authorization": "bearer wrong"})
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthenticated"})
        assert answer.headers["WWW-Authenticate"] == "Basic"
    basic = base64.b64encode(f"anybody:{PASSWORD}".encode()).decode()
    assert own_press.call("GET", "ping", headers={"Authorization": f"Basic {basic}"}).status_code == 200
    assert own_press.call("GET", "ping", headers={"Authorization": None}).status_code == 401


def test_a_guesser_is_made_to_wait_and_a_new_password_is_in_force_at_once(own_press):
    assert own_press.call("POST", "authentication", {"token": "changed"}).json() == {"message": "Success"}
    assert own_press.call("GET", "ping").status_code == 401
    own_press.session.headers["Authorization"] = "bearer changed"
    assert own_press.get("ping") == {"message": "pong"}
    set_password(own_press.edge, "by the command")
    assert own_press.call("GET", "ping").status_code == 401
    own_press.session.headers["Authorization"] = "bearer by the command"
    assert own_press.get("ping") == {"message": "pong"}


def test_the_admin_listener_has_the_same_api(press):
    answer = press.edge.admin("GET", "/agent/ping", token=PASSWORD)
    assert (answer.status, answer.json) == (200, {"message": "pong"})
    assert press.edge.admin("GET", "/agent/ping", token="wrong").status == 401
    assert press.edge.admin("GET", "/agent/ping").status == 401  # a token of the admin API is no password


def test_sites_have_no_such_api(press, upstream):
    press.succeed("POST", f"proxy/upstreams/{upstream}/sites", {"name": "own.frappe.cloud"})
    assert press.edge.get("own.frappe.cloud", "/agent/ping").content == "origin /agent/ping own.frappe.cloud"


def test_errors_are_json_whatever_is_accepted(press):
    for method, path, status in (("GET", "nope", 404), ("PUT", "ping", 405), ("POST", "ssh/users", 404)):
        answer = press.call(method, path, headers={"Accept": "text/html"})
        assert answer.status_code == status
        assert answer.json()["error"]
    broken = press.session.post(press.base + "proxy/hosts", data=b"{", timeout=30)
    assert broken.status_code == 400 and "line 1" in broken.json()["error"][0]
    assert press.call("POST", "proxy/hosts", {"name": "a.acme.com"}).status_code == 400


def test_slashes_too_many_are_one(press):
    answer = press.call("POST", "/server/update-nginx-access", {"ip_accept": [], "ip_drop": []})
    assert (answer.status_code, answer.json()) == (200, {"message": "Success"})


def test_a_key_that_does_not_fit_fails_its_job_alone(press, upstream):
    press.succeed("POST", f"proxy/upstreams/{upstream}/sites", {"name": "pair.frappe.cloud"})
    one, other = press.edge.authority.issue("bad.acme.com"), press.edge.authority.issue("bad.acme.com")
    mixed = {**files_of(one), "privkey.pem": other.key}
    bad = press.deliver("POST", "proxy/hosts", {"name": "bad.acme.com", "target": "pair.frappe.cloud", "certificate": mixed})
    good = {"name": "good.acme.com", "target": "pair.frappe.cloud", "certificate": files_of(one)}
    assert press.succeed("POST", "proxy/hosts", good) == ["Add Host to Proxy", "Reload NGINX"]
    failed = press.poll(bad)
    assert failed["status"] == "Failure" and "key" in failed["data"]["traceback"]
    assert status_of(press, "good.acme.com") == 200
    assert status_of(press, "bad.acme.com") == 307


def test_file_names_of_a_certificate_are_not_paths(press, tmp_path):
    victim = tmp_path / "victim.pem"
    body = {"name": "path.acme.com", "target": "x.frappe.cloud", "certificate": {f"../../../../..{victim}": "written"}}
    assert "certificate" in press.fail("POST", "proxy/hosts", body)
    assert not victim.exists()


def test_an_unknown_upstream_fails_and_an_unknown_job_is_not_found(press):
    assert "203.0.113.99" in press.fail(
        "POST", "proxy/upstreams/203.0.113.99/sites/a.frappe.cloud/status", {"status": "suspended"}
    )
    assert press.call("GET", "jobs/99999999").status_code == 404
    assert press.get("jobs/99999998,99999999") == []


def test_suspended_and_back_within_a_second(press, upstream):
    site = "quick.frappe.cloud"
    press.succeed("POST", f"proxy/upstreams/{upstream}/sites", {"name": site})
    path = f"proxy/upstreams/{upstream}/sites/{site}/status"
    for _ in range(5):
        began = time.monotonic()
        first = press.deliver("POST", path, {"status": "suspended", "extra_domains": [], "skip_reload": False})
        seen = status_of(press, site)  # it is in force when the call is answered
        second = press.deliver("POST", path, {"status": "activated", "extra_domains": [], "skip_reload": False})
        assert (seen, status_of(press, site)) == (402, 200)
        assert [press.poll(job)["status"] for job in (first, second)] == ["Success", "Success"]
        assert time.monotonic() - began < 5 * SLOWNESS


def test_the_same_call_is_one_job_and_done_once(press, upstream):
    path, body = f"proxy/upstreams/{upstream}/sites", {"name": "once.frappe.cloud"}
    name = press.new_name()
    first = press.deliver("POST", path, body, name)
    press.succeed("DELETE", f"{path}/once.frappe.cloud", {"extra_domains": []})
    assert press.deliver("POST", path, body, name) == first
    assert status_of(press, "once.frappe.cloud") == 307
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        name = press.new_name()
        jobs = set(pool.map(lambda _: press.deliver("POST", path, body, name), range(16)))
    assert len(jobs) == 1


def test_a_thousand_calls_at_once(press, upstream):
    site = "storm.frappe.cloud"
    press.succeed("POST", f"proxy/upstreams/{upstream}/sites", {"name": site})
    path = f"proxy/upstreams/{upstream}/sites/{site}/status"
    names = [press.new_name() for _ in range(1000)]

    def push(number: int) -> int:
        status = ("suspended", "deactivated", "activated")[number % 3]
        return press.deliver("POST", path, {"status": status, "extra_domains": [], "skip_reload": True}, names[number])

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        jobs = list(pool.map(push, range(1000)))
    assert len(set(jobs)) == 1000
    for start in range(0, 1000, 100):
        shown = press.get("jobs/" + ",".join(map(str, jobs[start : start + 100])))
        assert [job for job in shown if job["status"] != "Success"] == [] and len(shown) == 100
        found = press.get("agent-jobs/" + ",".join(names[start : start + 100]))
        assert {job["id"] for job in found} == set(jobs[start : start + 100])
    last = max(range(1000), key=lambda number: jobs[number])
    assert status_of(press, site) == (402, 503, 200)[last % 3]


def test_jobs_and_passwords_outlive_the_process(own_press):
    press = own_press
    name = press.new_name()
    job = press.deliver("POST", "proxy/upstreams", {"name": "203.0.113.7"}, name)
    press.edge.stop()
    press.edge.start()
    shown = press.get(f"jobs/{job}")
    assert (shown["status"], shown["agent_job_id"]) == ("Success", name)
    assert press.deliver("POST", "proxy/upstreams", {"name": "203.0.113.7"}, name) == job
    assert press.deliver("POST", "ping_job") > job


def test_what_was_accepted_is_found_after_a_crash(own_press):
    """A call whose answer was lost is asked for by its name before it is made again."""
    press = own_press
    for number in range(5):
        name = press.new_name()
        site = f"crash{number}.frappe.cloud"
        job = press.deliver("POST", "proxy/upstreams/203.0.113.7/sites", {"name": site}, name)
        press.edge.kill_and_start_again()
        [found] = press.get(f"agent-jobs/{name}")
        assert (found["id"], found["status"]) == (job, "Success")
        assert press.get("agent-jobs/neverheard") == []
        assert site in press.edge.admin("GET", "/v1/snapshot").json["sites"]


def test_killed_under_calls_it_loses_none_that_was_answered(own_press):
    press = own_press
    names = [press.new_name() for _ in range(400)]
    answered = {}

    def push(number: int) -> None:
        try:
            answered[names[number]] = press.deliver("POST", "proxy/upstreams/203.0.113.7/sites", {"name": f"k{number}.test"}, names[number])
        except requests.RequestException:
            pass

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        pushes = [pool.submit(push, number) for number in range(400)]
        wait_until(lambda: len(answered) >= 40, "some calls to be answered")
        press.edge.process.send_signal(signal.SIGKILL)
        for each in pushes:
            each.result()
    press.edge.kill_and_start_again()
    kept = dict(answered)
    sites = press.edge.admin("GET", "/v1/snapshot").json["sites"]
    for number, name in enumerate(names):
        found = press.get(f"agent-jobs/{name}")
        assert len(found) <= 1 and (not found or f"k{number}.test" in sites)
        if name in kept:
            assert [job["id"] for job in found] == [kept[name]]
        # As the control plane does: what is not found is made again, and what is, is not done twice.
        again = press.deliver("POST", "proxy/upstreams/203.0.113.7/sites", {"name": f"k{number}.test"}, name)
        assert not found or again == found[0]["id"]


def test_both_apis_see_one_table_and_an_agent_can_take_it_back(press, upstream, tmp_path):
    press.succeed("POST", f"proxy/upstreams/{upstream}/sites", {"name": "view.frappe.cloud"})
    host = {"name": "view.acme.com", "target": "view.frappe.cloud", "certificate": files_of(press.edge.authority.issue("view.acme.com"))}
    press.succeed("POST", "proxy/hosts", host)
    assert press.edge.admin("GET", "/v1/hosts/view.acme.com").json == {"site": "view.frappe.cloud"}
    assert press.edge.admin("GET", "/v1/sites/view.frappe.cloud").json == {"server": upstream}
    assert press.edge.admin("PUT", "/v1/sites/ours.frappe.cloud", {"server": upstream, "status": "suspended"}).status == 200
    listed = {site["name"]: site["upstream"] for site in press.get("proxy/upstreams")[upstream]["sites"]}
    assert listed["ours.frappe.cloud"] == "suspended" and len(listed["view.frappe.cloud"]) == 16

    folder = tmp_path / "agent"
    done = run_command("export-agent", str(folder), config=press.edge.config_path)
    assert done.returncode == 0, done.stderr
    assert (folder / f"nginx/upstreams/{upstream}/ours.frappe.cloud").read_text() == "suspended"
    assert json.loads((folder / "nginx/hosts/view.acme.com/map.json").read_text()) == {"view.acme.com": "view.frappe.cloud"}
    assert json.loads((folder / "config.json").read_text())["access_token"].startswith("$pbkdf2-sha256$")


def test_agent_password_wants_one(tmp_path, authority):
    edge = Hybridge(authority)
    edge.write_config()
    done = run_command("agent-password", config=edge.config_path, given="\n")
    assert done.returncode == 1 and "password" in done.stderr
    edge.close()
