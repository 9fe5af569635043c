"""What monitors read below the proxy's own name: its metrics, exporters of its machine, its status."""

import base64
import http.server
import json
import threading

import pytest

from harness import addresses
from harness.hybridge import Hybridge, run_command
from harness.prometheus import Prometheus
from harness.waiting import wait_until

PASSWORD = "for those who watch"


def basic(password: str, user: str = "frappe") -> dict:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class Exporter:
    """Says what it was asked, as a metric."""

    def __init__(self):
        self.seen: list[tuple[str, dict]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.seen.append((self.path, dict(self.headers)))
                body = f"# TYPE node_up gauge\nnode_up 1\n{'# padding' * 20_000}\n".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        address = addresses.own_address()
        self._server = http.server.ThreadingHTTPServer((address, addresses.free_port(address)), Handler)
        self.url = "http://{}:{}/metrics".format(*self._server.server_address)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def exporter():
    exporter = Exporter()
    yield exporter
    exporter.close()


@pytest.fixture(scope="module")
def watched(authority, exporter):
    address = addresses.own_address()
    dead = f"http://{address}:{addresses.free_port(address)}/metrics"
    edge = Hybridge(authority, {"exporters": {"node": exporter.url, "dead": dead}}).start()
    done = run_command("monitoring-password", config=edge.config_path, given=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    yield edge
    edge.close()


def ask(edge: Hybridge, target: str, headers: dict | None = None, method: str = "GET"):
    return edge.get("n1.edge.test", target, method, basic(PASSWORD) if headers is None else headers)


def test_the_home_page_needs_no_password(watched):
    assert ask(watched, "/", {}).status == 200


def test_its_own_metrics_are_those_of_the_admin_listener(watched):
    answer = ask(watched, "/metrics/hybridge")
    assert answer.status == 200 and answer.text("content-type").startswith("text/plain; version=0.0.4")
    assert "hybridge_build_info{" in answer.content


def test_the_status_is_that_of_the_command(watched):
    told = json.loads(ask(watched, "/status").content)
    assert told["pid"] == watched.process.pid and told["ready"] is True


def test_an_exporter_is_asked_with_the_query_and_without_the_password(watched, exporter):
    answer = ask(watched, "/metrics/node?collect[]=cpu&x=%2f")
    assert answer.status == 200 and answer.content.startswith("# TYPE node_up gauge\n") and len(answer.content) > 180_000
    assert answer.text("content-type") == "text/plain; version=0.0.4"
    path, headers = exporter.seen[-1]
    assert path == "/metrics?collect[]=cpu&x=%2f"
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    "headers",
    [{}, basic("wrong"), {"Authorization": "Basic !"}, {"Authorization": "Digest x"}],
    ids=["none", "wrong", "broken", "another scheme"],
)
@pytest.mark.parametrize("target", ["/metrics/node", "/metrics/nobody", "/metrics/hybridge", "/status", "/metrics"])
def test_nothing_is_told_without_the_password(watched, exporter, target, headers):
    before = len(exporter.seen)
    # A browser at the same address may have been wrong too often already.
    answer = ask(watched, target, headers)
    assert answer.status == 401 or (answer.status == 429 and headers == basic("wrong"))
    if answer.status == 401:
        assert answer.text("www-authenticate") == "Basic"
    assert len(exporter.seen) == before


def test_the_agents_password_is_another_one(watched):
    done = run_command("agent-password", config=watched.config_path, given="of the agent\n")
    assert done.returncode == 0, done.stderr
    assert ask(watched, "/metrics/hybridge", basic("of the agent")).status in (401, 429)
    assert ask(watched, "/agent/ping", basic(PASSWORD)).status == 401


@pytest.mark.parametrize("target", ["/metrics/nobody", "/metrics", "/metrics/node/more", "/status/more", "/metrics/NODE"])
def test_what_is_not_there_is_not_found(watched, target):
    answer = ask(watched, target)
    assert answer.status == 404 and json.loads(answer.content)["code"] == "not_found"


def test_an_exporter_that_is_down_is_a_502(watched):
    answer = ask(watched, "/metrics/dead")
    assert answer.status == 502 and "the exporter dead at" in json.loads(answer.content)["detail"]


def test_it_is_only_read(watched, exporter):
    before = len(exporter.seen)
    answer = ask(watched, "/metrics/node", method="POST")
    assert (answer.status, answer.text("allow")) == (405, "GET, HEAD")
    assert len(exporter.seen) == before


def test_other_hosts_have_no_such_paths(watched, exporter):
    before = len(exporter.seen)
    assert watched.get("nobody.test", "/metrics/node", headers=basic(PASSWORD)).status == 307
    assert len(exporter.seen) == before


def test_exporters_change_at_a_reload(watched, exporter):
    watched.config["exporters"]["late"] = exporter.url
    watched.write_config()
    watched.process.send_signal(1)
    wait_until(lambda: ask(watched, "/metrics/late").status == 200, "the new exporter")


def test_bad_exporters_are_told_by_check(watched, tmp_path):
    config = tmp_path / "hybridge.yaml"
    config.write_text("exporters:\n  node: https://127.0.0.1:9100/metrics\n  hybridge: http://127.0.0.1:1/m\n  A b: http://127.0.0.1:1/m\n")
    refused = run_command("check", config=config)
    assert refused.returncode == 1
    assert f"{config}:2:9: exporters.node: " in refused.stderr and "http://127.0.0.1:9100/metrics" in refused.stderr
    assert f"{config}:3:" in refused.stderr and f"{config}:4:" in refused.stderr


def test_prometheus_scrapes_through_it(authority, exporter, tmp_path):
    edge = Hybridge(authority, {"exporters": {"node": exporter.url}})
    # Prometheus asks for the host that it connects to, and no name leads here.
    edge.config["server_name"] = edge.https[0]
    edge.start()
    assert run_command("monitoring-password", config=edge.config_path, given=PASSWORD + "\n").returncode == 0
    (tmp_path / "ca.pem").write_text(authority.pem)
    scrapes = [
        {
            "job_name": name,
            "scheme": "https",
            "metrics_path": f"/metrics/{name}",
            "basic_auth": {"username": "frappe", "password": PASSWORD},
            "tls_config": {"ca_file": str(tmp_path / "ca.pem"), "server_name": "n1.edge.test"},
            "enable_http2": False,  # on which a host that the certificate does not name is refused
            "static_configs": [{"targets": [addresses.text(edge.https)]}],
        }
        for name in ("hybridge", "node", "unknown")
    ]
    prometheus = Prometheus(tmp_path, scrapes)
    try:
        wait_until(lambda: prometheus.value('up{job="hybridge"}') == 1, "Prometheus to have scraped the edge")
        wait_until(lambda: prometheus.value('node_up{job="node"}') == 1, "Prometheus to have scraped the exporter")
        wait_until(lambda: prometheus.value('up{job="unknown"}') == 0, "Prometheus to have been refused")
        assert prometheus.value('hybridge_build_info{job="hybridge"}') == 1
    finally:
        prometheus.process.stop()
        edge.close()
