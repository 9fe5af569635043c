"""Holds as a control plane asks for them beside its other calls."""

import pytest

from harness.hybridge import Hybridge
from harness.press import Press, set_password
from harness.scripted_origin import answering, ok
from harness.waiting import wait_until

SITE = "acme.test"


@pytest.fixture
def press(authority, make_origin):
    edge = Hybridge(authority, {"redirect_to_https": False})
    set_password(edge)
    made = Press(edge.start())
    made.origin = make_origin(answering(ok(b"served")))
    made.upstream = made.add_upstream(made.origin)
    made.succeed("POST", f"proxy/upstreams/{made.upstream}/sites", {"name": SITE})
    yield made
    edge.close()


def path_of(press, call: str) -> str:
    return f"proxy/upstreams/{press.upstream}/sites/{SITE}/{call}"


def begin(press, hold: str = "0a1b2c3d4e", **members) -> dict:
    answer = press.call("POST", path_of(press, "hold"), {"hold_id": hold, **members}, press.new_name())
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait_until_held(press, count: int) -> None:
    wait_until(lambda: [hold["held"] for hold in press.get("proxy/holds")["holds"]] == [count], "requests to wait")


def test_a_hold_is_in_force_when_its_job_is_answered(press):
    begun = begin(press, reason="update", drain_timeout=30, lease=900)
    assert begun["hold"]["state"] == "holding"
    assert [step["name"] for step in press.poll(begun["job"])["steps"]] == ["Hold Site"]
    with press.edge.plain_client() as client:
        client.request(SITE, "/app")
        wait_until_held(press, 1)
        assert press.origin.saw_nothing()
        steps = press.succeed("POST", path_of(press, "release"), {"hold_id": "0a1b2c3d4e", "outcome": "success"})
        assert steps == ["Release Site"]
        assert client.response().body == b"served"
    assert press.get("proxy/holds") == {"holds": []}


def test_a_release_of_what_is_not_held_is_done_and_says_so(press):
    answer = press.call("POST", path_of(press, "release"), {"hold_id": "nobody"}, press.new_name()).json()
    assert answer["hold"]["noop"] is True
    assert press.poll(answer["job"])["status"] == "Success"


def test_a_hold_of_a_site_that_is_not_there_fails_its_job(press):
    why = press.fail("POST", f"proxy/upstreams/{press.upstream}/sites/nowhere.test/hold", {"hold_id": "x"})
    assert "nowhere.test" in why


def test_the_status_hold_begins_a_window_and_activated_ends_it(press):
    assert "Update Site File" in press.succeed("POST", path_of(press, "status"), {"status": "hold"})
    with press.edge.plain_client() as client:
        client.request(SITE, "/app")
        wait_until_held(press, 1)
        press.succeed("POST", path_of(press, "status"), {"status": "activated"})
        assert client.response().body == b"served"


def test_suspending_a_held_site_answers_those_who_wait(press):
    begin(press)
    with press.edge.plain_client() as client:
        client.request(SITE, "/app")
        wait_until_held(press, 1)
        press.succeed("POST", path_of(press, "status"), {"status": "suspended"})
        assert client.response().status == 402
    press.succeed("POST", path_of(press, "release"), {"hold_id": "0a1b2c3d4e"})


def test_a_rename_takes_the_window_along(press):
    press.edge.admin("PUT", "/v1/hosts/erp.test", {"site": SITE})
    begin(press)
    with press.edge.plain_client() as client:
        client.request("erp.test", "/app")
        wait_until_held(press, 1)
        press.succeed("POST", path_of(press, "rename"), {"new_name": "renamed.test", "domains": ["erp.test"]})
        wait_until_held(press, 1)
        assert press.origin.saw_nothing()
        press.succeed("POST", path_of(press, "release"), {"hold_id": "0a1b2c3d4e"})
        assert client.response().body == b"served"


def test_the_group_of_a_site_is_held_with_it(press):
    """Other calls say which sites are one for their users; the one that holds need not."""
    press.succeed("POST", f"proxy/upstreams/{press.upstream}/sites", {"name": "shop.test"})
    status = path_of(press, "status")
    press.succeed("POST", status, {"status": "activated", "extra_domains": ["shop.test"], "skip_reload": True})
    press.edge.kill_and_start_again()
    press.succeed("POST", status, {"status": "hold"})
    with press.edge.plain_client() as client:
        client.request("shop.test", "/cart")
        wait_until_held(press, 1)
        press.succeed("POST", status, {"status": "activated"})
        assert client.response().body == b"served"
