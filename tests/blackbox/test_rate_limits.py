"""Rate limits, of rules and of the configuration: by address, site and both, exact over workers, dry, and bounded."""

import re

import pytest

from harness.honest import Meter
from harness.waiting import wait_until

TRUSTING = {"trusted_proxies": ["127.0.0.0/8"], "redirect_to_https": False}
HOURLY = {"requests": 3, "per": "hour", "burst": 2}  # three at once, and then one in twenty minutes


@pytest.fixture
def limited(make_edge, make_origin):
    """limited(limits, rules): an edge, its clients and an origin with two sites."""

    def make(limits: dict | None = None, rules: list | None = None):
        edge = make_edge({**TRUSTING, **({"rate_limits": limits} if limits else {})})
        edge.origin = make_origin()
        edge.add_site("a.test", edge.origin)
        edge.add_site("b.test", edge.origin)
        if rules:
            edge.routes["rules"] = rules
            edge.put_routes()
        return edge

    return make


def ask(edge, address="203.0.113.7", host="a.test", target="/", headers=None):
    """On a connection of its own, so that it falls to any worker."""
    with edge.plain_client() as client:
        return client.get(host, target, headers={"X-Forwarded-For": address, **(headers or {})})


def passed(edge, count: int, **who) -> int:
    return sum(ask(edge, **who).status == 200 for _ in range(count))


@pytest.mark.parametrize(
    "by, same, others",
    [
        ("site", {"address": "203.0.113.8"}, {"host": "b.test"}),
        ("address", {"host": "b.test"}, {"address": "203.0.113.8"}),
        ("both", {}, {"host": "b.test"}),
        ("both", {}, {"address": "203.0.113.8"}),
    ],
)
def test_a_rule_counts_by_site_address_or_both_over_all_workers(limited, by, same, others):
    edge = limited(rules=[{"id": "slow", "match": {}, "limit": {**HOURLY, "by": by}}])
    assert passed(edge, 20) == 3
    assert passed(edge, 5, **same) == 0
    assert passed(edge, 5, **others) == 3
    assert edge.metric("rate_limited_requests_total", by=by, mode="refused") == 17 + 5 + 2
    assert len(edge.origin.requests) == 6


def test_a_refusal_names_the_limit_and_tells_when_to_come_again(limited):
    edge = limited(rules=[{"id": "slow", "match": {"path": "^/login"}, "limit": {**HOURLY, "by": "both"}}])
    left = []
    for _ in range(3):
        answer = ask(edge, target="/login")
        assert answer.status == 200 and answer.text("ratelimit-policy") == '"slow";q=3;w=3600'
        left.append(re.fullmatch(r'"slow";r=(\d+);t=(\d+)', answer.text("ratelimit")).groups())
    assert [remaining for remaining, _ in left] == ["2", "1", "0"]
    answer = ask(edge, target="/login")
    assert answer.status == 429 and answer.text("x-hybridge-reason") == "rule_limited"
    assert answer.text("ratelimit-policy") == '"slow";q=3;w=3600'
    wait = int(re.fullmatch(r'"slow";r=0;t=(\d+)', answer.text("ratelimit"))[1])
    assert 1100 < wait <= 1200 and int(answer.text("retry-after")) == wait
    assert "slow" in answer.content and answer.text("content-type") == "application/problem+json"
    page = ask(edge, target="/login", headers={"Accept": "text/html"})
    assert page.status == 429 and "<html" in page.content.lower() and page.text("content-type").startswith("text/html")
    assert ask(edge, target="/").get("ratelimit") is None
    line = edge.logged(lambda line: line["status"] == 429, "the refusal")
    assert line["reason"] == "rule_limited" and line["rule"] == "slow"


@pytest.mark.parametrize("key, by", [("per_address", "address"), ("per_site", "site"), ("per_address_and_site", "both")])
def test_the_configuration_limits_every_request(limited, key, by):
    edge = limited({key: HOURLY})
    assert passed(edge, 10) == 3
    answer = ask(edge)
    assert answer.status == 429 and answer.text("x-hybridge-reason") == "rate_limited"
    assert answer.text("ratelimit-policy") == f'"{key}";q=3;w=3600'
    assert answer.text("ratelimit").startswith(f'"{key}";r=0;t=')
    assert edge.metric("rate_limited_requests_total", by=by, mode="refused") == 8


def test_a_dry_run_refuses_nothing_and_counts_and_logs_what_it_would(limited):
    edge = limited({"per_address": {**HOURLY, "dry_run": True}}, [{"id": "dry", "match": {}, "limit": {**HOURLY, "dry_run": True}}])
    assert passed(edge, 10) == 10
    assert edge.metric("rate_limited_requests_total", by="address", mode="dry_run") == 7
    assert edge.metric("rate_limited_requests_total", by="site", mode="dry_run") == 7
    assert edge.metric("rate_limited_requests_total", mode="refused") == 0
    wait_until(lambda: len(edge.access_log()) == 10, "the log")
    assert [line.get("would_limit") for line in edge.access_log()].count("dry") == 7
    assert ask(edge).get("ratelimit") is None


def test_loopback_and_trusted_proxies_are_not_limited_by_address(limited):
    edge = limited({"per_address": HOURLY})
    assert passed(edge, 10, address="127.0.0.9") == 10
    for _ in range(10):
        with edge.plain_client() as client:
            assert client.get("a.test").status == 200


def test_a_flood_of_addresses_takes_no_memory_and_frees_nobody(limited):
    edge = limited({"per_address": HOURLY, "memory": "64k"})
    assert passed(edge, 5) == 3
    meter = Meter(edge)
    with edge.plain_client() as client:
        for number in range(9000):
            answer = client.get("a.test", headers={"X-Forwarded-For": f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"})
            assert answer.status == 200
    assert meter.more_kib() < 4096
    assert edge.metric("rate_limit_forgotten_total") > 1000
    assert passed(edge, 5) == 0  # who was held back is held back still


def test_a_new_limit_holds_at_once_and_a_removed_one_no_more(limited):
    edge = limited()
    edge.routes["rules"] = [{"id": "slow", "match": {}, "limit": HOURLY}]
    edge.put_routes()
    assert passed(edge, 5) == 3
    edge.routes["rules"] = []
    edge.put_routes()
    assert passed(edge, 5) == 5


def test_the_configurations_limits_change_while_it_runs(limited):
    edge = limited({"per_site": HOURLY})
    assert passed(edge, 5) == 3
    edge.config["rate_limits"]["per_site"]["requests"] = 0
    edge.write_config()
    edge.process.send_signal(1)
    wait_until(lambda: ask(edge).status == 200, "the limit to be lifted")
