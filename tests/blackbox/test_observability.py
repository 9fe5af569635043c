"""What operators are shipped: alert rules, a dashboard, runbooks, and a scrape by the real Prometheus."""

import json
import re
import subprocess

import pytest
import yaml
from harness import addresses
from harness.hybridge import ROOT, Hybridge
from harness.prometheus import ALERTS, Prometheus
from harness.waiting import PATIENCE, wait_until

DASHBOARD = ROOT / "conf/grafana.json"
METRIC = re.compile(r"\b(?:hybridge|process)_[a-z0-9_]+")


@pytest.fixture(scope="module")
def scraped(authority, origin):
    """After traffic that gives every family that is counted by use its reason to be."""
    edge = Hybridge(authority).start()
    edge.put_certificate("observed.test", authority.issue("observed.test"))
    edge.add_site("observed.test", origin)
    address = addresses.own_address()
    edge.add_site("dead.test", (address, addresses.free_port(address)))
    for host in ("observed.test", "dead.test", "nobody.test"):
        edge.get(host)
    yield edge
    edge.close()


def run(*words, text: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(list(map(str, words)), input=text, capture_output=True, text=True, timeout=6 * PATIENCE)


def rules() -> list[dict]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    found = [rule["expr"] for rule in rules()]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        found += [target["expr"] for target in panel.get("targets", [])]
    return found


def test_alert_rules_are_well_formed_and_fire_when_they_should():
    checked = run("promtool", "check", "rules", ALERTS)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = run("promtool", "test", "rules", ROOT / "tests/observability/alerts_test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_tested():
    tests = (ROOT / "tests/observability/alerts_test.yml").read_text()
    tested = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts", tests))
    assert tested == {rule["alert"] for rule in rules()}


def test_every_alert_has_its_runbook():
    titles = re.findall(r"^## (\w+)$", (ROOT / "docs/RUNBOOKS.md").read_text(), re.M)
    anchors = {f"docs/RUNBOOKS.md#{title.lower()}" for title in titles}
    assert {rule["annotations"]["runbook_url"] for rule in rules()} == anchors


def test_metrics_pass_promtool(scraped):
    checked = run("promtool", "check", "metrics", text=scraped.metrics())
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_alerts_and_dashboard_speak_of_metrics_that_exist(scraped):
    families = set(re.findall(r"^# TYPE (\S+)", scraped.metrics(), re.M))
    named = {name for text in expressions() for name in METRIC.findall(text)}
    assert named
    missing = {name for name in named if name not in families and re.sub(r"_(bucket|count|sum)$", "", name) not in families}
    assert not missing


def test_series_stay_bounded_whatever_clients_send(scraped):
    def series() -> int:
        return sum(not line.startswith("#") for line in scraped.metrics().splitlines())

    scraped.get("warm.invalid.test", "/warm", headers={"User-Agent": "warm"})
    before = series()
    for number in range(50):
        scraped.get(f"host{number}.invalid.test", f"/path{number}", headers={"User-Agent": f"agent{number}"})
    assert series() <= before + 5


def test_prometheus_scrapes_it_and_takes_its_rules(scraped, tmp_path):
    prometheus = Prometheus(tmp_path, [{"job_name": "hybridge", "static_configs": [{"targets": [addresses.text(scraped.admin_endpoint)]}]}])
    try:
        wait_until(lambda: prometheus.value('up{job="hybridge"}') == 1, "Prometheus to have scraped")
        assert prometheus.value("hybridge_build_info") == 1
        assert prometheus.value('sum(hybridge_requests_total{class="site"})') >= 1
        assert wait_until(lambda: prometheus.value('hybridge_server_up{server="server-of-dead.test"}') is not None, "a server") is True
        groups = wait_until(lambda: (prometheus.ask("rules") or {}).get("groups"), "the rules")
        assert [rule["name"] for rule in groups[0]["rules"]] == [rule["alert"] for rule in rules()]

        def all_evaluated():
            health = {rule["health"] for rule in prometheus.ask("rules")["groups"][0]["rules"]}
            return health if "unknown" not in health else None

        assert wait_until(all_evaluated, "every rule to be evaluated") == {"ok"}
    finally:
        prometheus.process.stop()
