"""What is promised to dashboards: names, types, and numbers that add up."""

import re

import pytest

from harness.scripted_origin import answering, ok
from harness.waiting import wait_until

PROMISED = [
    "requests_total",
    "request_duration_seconds",
    "upstream_duration_seconds",
    "requests_in_flight",
    "connections",
    "tls_handshakes_total",
    "upstream_connections",
    "upstream_requests_total",
    "upstream_retries_total",
    "server_up",
    "site_requests_total",
    "config_revision",
    "config_last_publish_success_timestamp_seconds",
    "publish_duration_seconds",
    "certificates",
    "certificate_expiry_timestamp_seconds",
    "access_log_dropped_total",
    "worker_stall_seconds",
    "build_info",
]
SERIES = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)( \d+)?\Z')


@pytest.fixture(scope="module")
def used(edge, authority):
    """After some traffic, so that every series had its reason to be."""
    edge.put_certificate("metrics.test", authority.issue("metrics.test"))
    for target in ("/", "/status/404", "/small.txt"):
        edge.get("site.test", target)
    edge.get("nobody.test")
    return edge


def test_the_text_format_is_well_formed_and_typed(used):
    families, last = {}, None
    for line in used.metrics().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in families, f"{name} twice"
            families[name] = kind
            last = name
        elif line.startswith("#") or not line:
            continue
        else:
            found = SERIES.match(line)
            assert found, line
            float(found[3])
            assert last and found[1].startswith(last), line
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in families)
    assert all(name.endswith("_total") for name, kind in families.items() if kind == "counter" and name.startswith("hybridge_")), families


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_metric_is_there(used, name):
    assert f"# TYPE hybridge_{name} " in used.metrics()


def test_process_metrics_are_there(used):
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"):
        assert re.search(rf"^(hybridge_)?{name} ", used.metrics(), re.M), name


def test_histograms_are_cumulative_and_end_with_infinity(used):
    lines = [line for line in used.metrics().splitlines() if line.startswith("hybridge_request_duration_seconds")]
    buckets = [float(line.rsplit(" ", 1)[1]) for line in lines if "_bucket" in line]
    assert buckets == sorted(buckets) and 'le="+Inf"' in next(line for line in reversed(lines) if "_bucket" in line)
    count = float(next(line for line in lines if "_count" in line).rsplit(" ", 1)[1])
    assert buckets[-1] == count


def test_each_request_is_counted_once_by_class_and_code(used):
    before = used.metric("requests_total"), used.metric("requests_total", code="404"), used.metric("requests_total", code="307")
    for _ in range(5):
        used.get("site.test", "/no-such-page")
        used.get("nobody.test")

    def grown() -> bool:
        return used.metric("requests_total") - before[0] >= 10

    wait_until(grown, "ten more requests")
    assert used.metric("requests_total") - before[0] == 10
    assert used.metric("requests_total", code="404") - before[1] == 5
    assert used.metric("requests_total", code="307") - before[2] == 5


def test_refused_requests_are_counted_too(plain):
    before = plain.metric("requests_total", code="400")
    with plain.plain_client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
        assert client.response().status == 400
    wait_until(lambda: plain.metric("requests_total", code="400") == before + 1, "the refusal to be counted")


def test_no_label_comes_from_a_client(used):
    for host in ("evil-label.test", "x" * 60 + ".test"):
        used.get(host, "/secret-path", "BREW", {"User-Agent": "evil-agent"})
    text = used.metrics()
    for word in ("evil-label", "x" * 60, "secret-path", "BREW", "evil-agent"):
        assert word not in text


def test_a_site_has_a_series_of_its_own(used, route):
    routed = route(used, answering(ok(b"x"), ok(b"y"), ok(b"down", status=b"503 Down")))
    with routed.tls_client() as client:
        for _ in range(3):
            client.get(routed.host)
    wait_until(lambda: used.metric("site_requests_total", site=routed.host) == 3, "the site's requests")
    assert used.metric("site_requests_total", site=routed.host, code_class="2xx") == 2
    assert used.metric("site_requests_total", site=routed.host, code_class="5xx") == 1


def test_handshakes_are_counted_by_version_and_resumption(used):
    before = used.metric("tls_handshakes_total", version="TLSv1.3", resumed="false")
    with used.tls_client("site.test"):
        pass
    wait_until(lambda: used.metric("tls_handshakes_total", version="TLSv1.3", resumed="false") > before, "the handshake")


def test_in_flight_requests_and_connections_fall_back_to_zero(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False})
    edge.add_site("count.test", make_origin())
    clients = [edge.plain_client() for _ in range(10)]
    for client in clients:
        assert client.get("count.test").status == 200
    assert edge.metric("connections", side="downstream") == 10
    for client in clients:
        client.close()
    wait_until(lambda: edge.metric("connections", side="downstream") == 0, "the connections to end")
    assert edge.metric("requests_in_flight") == 0


def test_the_revision_and_build_are_told(used):
    revision = used.admin("GET", "/v1/snapshot").json.get("revision") or int(used.admin("GET", "/v1/snapshot").headers["etag"].strip('W/"'))
    assert used.metric("config_revision") == revision
    assert used.metric("build_info") == 1
    assert used.metric("certificates") >= 1


def test_status_tells_what_is_there(used):
    status = used.admin("GET", "/v1/status").json
    for key in ("version", "uptime", "workers", "revision"):
        assert any(key in name for name in status), (key, status)
