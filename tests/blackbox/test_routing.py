"""Which site a request belongs to, and what is answered when it belongs to none that serves."""

import pathlib
import subprocess
import sys

import pytest

from harness.addresses import free_port
from harness.hybridge import BINARY
from harness.raw_client import RawClient
from harness.scripted_origin import answering, ok
from harness.waiting import PATIENCE

HTML = {"Accept": "text/html"}
WITHOUT_IPV6 = [sys.executable, pathlib.Path(__file__).parent / "harness" / "without_ipv6.py"]


@pytest.fixture(scope="module")
def sites(edge, origin):
    """Sites in every status, custom domains, a wildcard and redirects beside what the edge has."""
    routes = edge.routes
    routes["servers"]["customer"] = {"endpoints": [{"address": origin.endpoint[0], "port": origin.endpoint[1]}]}
    for name, status in {
        "tenant.saas.test": "active",
        "poor.test": "suspended",
        "saas-poor.test": "suspended_saas",
        "asleep.test": "deactivated",
        "canonical.test": "active",
    }.items():
        routes["sites"][name] = {"server": "customer", "status": status}
    routes["hosts"] |= {
        "erp.custom.test": {"site": "site.test"},
        "erp.poor.test": {"site": "poor.test"},
        "*.saas.test": {},
        "old.custom.test": {"redirect": "erp.custom.test"},
        "both.custom.test": {"site": "site.test", "redirect": "erp.custom.test"},
        "canonical.test": {"redirect": "erp.custom.test"},
        "dangling.test": {"site": "nowhere.test"},
    }
    edge.put_routes()
    return edge


def test_a_site_is_reached_by_its_own_name(sites):
    answer = sites.get("site.test")
    assert (answer.status, answer.content) == (200, "front page of site.test\n")


def test_a_site_is_reached_by_its_custom_domain_which_the_upstream_sees(sites):
    answer = sites.get("erp.custom.test")
    assert (answer.status, answer.content) == (200, "front page of erp.custom.test\n")


def test_a_site_is_reached_under_a_wildcard_by_its_own_name(sites):
    assert sites.get("tenant.saas.test").content == "front page of tenant.saas.test\n"


def test_host_names_are_matched_whatever_their_case_port_and_trailing_dot(sites):
    for host in ("SITE.test", "site.test:443", "site.test.", "Site.Test.:8443"):
        assert sites.get(host).content == "front page of site.test\n", host


def test_an_unknown_tenant_of_a_wildcard_is_an_unknown_host(sites):
    assert sites.get("nobody.saas.test").status == 307


@pytest.mark.parametrize("host", ["old.custom.test", "both.custom.test", "canonical.test"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_redirected_host_keeps_method_and_target(sites, host, method):
    answer = sites.get(host, "/app/x%20y?a=1&b=//c", method)
    assert answer.status == 308
    assert answer.text("location") == "https://erp.custom.test/app/x%20y?a=1&b=//c"
    assert answer.text("x-hybridge-reason") == "host_redirect"
    assert answer.get("x-proxy-upstream") is None and answer.get("access-control-allow-origin") is None
    assert answer.text("strict-transport-security").startswith("max-age=31536000")


@pytest.mark.parametrize(
    "host, status, reason",
    [
        ("poor.test", 402, "suspended"),
        ("erp.poor.test", 402, "suspended"),
        ("saas-poor.test", 402, "suspended_saas"),
        ("asleep.test", 503, "deactivated"),
    ],
)
@pytest.mark.parametrize("target", ["/", "/assets/x.js", "/socket.io/?EIO=4", "/api/method/ping"])
def test_a_site_that_does_not_serve_answers_every_path_with_its_page(sites, host, status, reason, target):
    page = sites.get(host, target, headers=HTML)
    assert (page.status, page.text("x-hybridge-reason")) == (status, reason)
    assert page.text("content-type").startswith("text/html") and b"<html" in page.body
    assert page.text("x-proxy-upstream") == f"http://{reason}"
    problem = sites.get(host, target, headers={"Accept": "application/json"})
    assert problem.status == status and problem.text("content-type") == "application/problem+json"


def test_the_page_of_a_suspended_site_has_no_body_for_head(sites):
    answer = sites.get("poor.test", method="HEAD", headers=HTML)
    assert answer.status == 402 and answer.body == b"" and int(answer.text("content-length")) > 0


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("target", ["/", "/app?x=1", "/assets/a.css"])
def test_an_unknown_host_is_sent_to_the_dashboard(sites, method, target):
    answer = sites.get("nobody.test", target, method)
    assert answer.status == 307
    assert answer.text("location") == "https://edge.test/dashboard/#/sites/new?domain=nobody.test"
    assert answer.text("x-proxy-upstream") == "http://site_not_found"
    assert answer.text("x-hybridge-reason") == "unknown_host"


def test_a_host_whose_site_is_gone_is_an_unknown_host(sites):
    assert sites.get("dangling.test").status == 307


def test_an_unknown_host_gets_a_404_page_where_no_domain_is_configured(make_edge):
    bare = make_edge({"domain": ""})
    page = bare.get("nobody.test", headers=HTML)
    assert page.status == 404 and page.text("content-type").startswith("text/html")
    problem = bare.get("nobody.test")
    assert problem.status == 404 and problem.text("content-type") == "application/problem+json"


def test_the_own_vhost_answers_its_front_page(sites):
    assert sites.get("n1.edge.test").status == 200


def test_port_80_redirects_every_host_and_keeps_method_and_target(sites):
    for host in ("site.test", "nobody.test", "poor.test", "old.custom.test"):
        with sites.plain_client() as client:
            answer = client.get(f"{host}:80", "/a/../b?c=%2f", "POST")
        assert answer.status == 308, host
        assert answer.text("location") == f"https://{host}/a/../b?c=%2f"
        assert answer.get("strict-transport-security") is None and answer.get("x-frame-options") is None


def test_port_80_sends_acme_challenges_to_the_domain(sites):
    with sites.plain_client() as client:
        answer = client.get("erp.custom.test", "/.well-known/acme-challenge/tok?x=1")
    assert answer.status == 301
    assert answer.text("location") == "http://ssl.edge.test/.well-known/acme-challenge/tok?x=1"


def test_acme_challenges_over_tls_go_to_the_site(sites):
    assert sites.get("site.test", "/.well-known/acme-challenge/tok").status == 404  # nginx of the customer says so


def test_port_80_keeps_its_connection_between_redirects(sites):
    with sites.plain_client() as client:
        assert [client.get("site.test", f"/{number}").status for number in range(3)] == [308] * 3


def test_targets_reach_the_upstream_byte_for_byte(edge, route):
    routed = route(edge)
    targets = ["//a//b", "/a/../b/./c", "/%61ssets/%2e%2e/x%2Fy", "/x?a=1&b=%20&c=?/", "/socket.iox"]
    with routed.tls_client() as client:
        for target in targets:
            assert client.get(routed.host, target).status == 200
    assert [request.target.decode() for request in routed.origin.requests] == targets


def test_the_host_rules_and_not_the_server_name_of_tls(edge, route, sites):
    """As the incumbent: the certificate is chosen by SNI, the site by Host."""
    with edge.tls_client("site.test") as client:
        assert client.get("tenant.saas.test").content == "front page of tenant.saas.test\n"


def test_a_change_of_routes_is_in_force_when_it_is_answered_and_cuts_nobody(edge, route):
    first = route(edge, answering(ok(b"first")))
    second = route(edge, answering(ok(b"second")))
    with first.tls_client() as client:
        assert client.get(first.host).body == b"first"
        server = edge.routes["sites"][second.host]["server"]
        edge.routes["sites"][first.host] = {"server": server, "status": "active"}
        edge.put_routes()
        assert client.get(first.host).body == b"second"
        del edge.routes["sites"][first.host]
        edge.put_routes()
        assert client.get(first.host).status == 307


def test_weights_spread_requests(edge, make_origin):
    origins = [make_origin(answering(ok(b"a"))), make_origin(answering(ok(b"b")))]
    edge.routes["servers"]["weighted"] = {
        "endpoints": [
            {"address": made.endpoint[0], "port": made.endpoint[1], "weight": weight}
            for made, weight in zip(origins, (3, 1))
        ]
    }
    edge.routes["sites"]["w.scripted.test"] = {"server": "weighted", "status": "active"}
    edge.put_routes()
    with edge.tls_client("w.scripted.test") as client:
        for _ in range(80):
            assert client.get("w.scripted.test").status == 200
    counts = [len(made.requests) for made in origins]
    assert abs(counts[0] - 60) <= 2 and abs(counts[1] - 20) <= 2, counts


def test_pages_of_ones_own_replace_the_built_in_ones(make_edge, tmp_path):
    (tmp_path / "not_found.html").write_text("<html>our own page</html>")
    own = make_edge({"domain": "", "pages_dir": str(tmp_path)})
    assert own.get("nobody.test", headers=HTML).content == "<html>our own page</html>"


def test_ipv6_listeners_serve_too(make_edge, make_origin):
    port = free_port("127.0.0.1")
    six = make_edge({"redirect_to_https": False, "listen": {"http": [f"[::1]:{port}"]}})
    origin = make_origin()
    six.add_site("six.test", origin)
    with RawClient(("::1", port)) as client:
        assert client.get("six.test").status == 200
    assert origin.only_request().text("x-forwarded-for") == "::1"


def test_a_machine_without_ipv6_serves_by_ipv4(make_edge, make_origin):
    """All addresses of IPv6 are none there; one of them that was asked for is missed."""
    port = free_port("127.0.0.1")
    without = make_edge({"redirect_to_https": False, "listen": {"http": [f"127.0.0.1:{port}", f"[::]:{port}"]}}, start=False)
    without.launch(*map(str, WITHOUT_IPV6))
    without.wait_until_ready()
    without.add_site("four.test", make_origin())
    with RawClient(("127.0.0.1", port)) as client:
        assert client.get("four.test").status == 200
    assert "IPv6" in without.process.stderr()


def test_an_ipv6_address_that_the_machine_cannot_have_is_named(make_edge):
    missed = make_edge({"listen": {"http": ["[::1]:8080"]}}, start=False)
    missed.write_config()
    words = [*WITHOUT_IPV6, BINARY, "run", "-c", missed.config_path]
    outcome = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    assert outcome.returncode == 1
    assert "[::1]:8080" in outcome.stderr and "IPv6" in outcome.stderr, outcome.stderr
