"""A customer's nginx that lets in nobody but the edge, as docs/OPERATIONS.md tells customers to set it up."""

import re

import pytest

from harness.addresses import free_endpoint, text
from harness.certificates import Authority
from harness.hybridge import ROOT, Hybridge
from harness.nginx import Nginx

_FRAME = """\
  access_log {directory}/access.log;
  server {{
    listen {listen} ssl;
    ssl_certificate {chain}; ssl_certificate_key {key};
{snippet}
    location / {{ default_type text/plain; return 200 "verified=$ssl_client_verify client=$remote_addr\\n"; }}
  }}
"""


def documented_snippet(ca: str, edge: str) -> str:
    """The very lines that customers are told to copy, with their two values filled in."""
    found = re.search(r"```nginx\n(.*?)```", (ROOT / "docs/OPERATIONS.md").read_text(), re.DOTALL)
    snippet = found[1].replace("/etc/nginx/hybridge-ca.pem", ca)
    replaced = re.sub(r"set_real_ip_from\s+\S+;", f"set_real_ip_from {edge};", snippet)
    assert ca in replaced and edge in replaced
    return replaced


@pytest.fixture
def customer(authority, tmp_path) -> tuple[Nginx, tuple[str, int], Authority]:
    edges = Authority("Edges")
    directory = tmp_path / "customer"
    directory.mkdir()
    ca = edges.write(directory)
    chain, key = authority.issue("f1.test").write(directory, "server")
    endpoint = free_endpoint()
    snippet = documented_snippet(ca, "127.0.0.0/8")
    http = _FRAME.format(directory=directory, listen=text(endpoint), chain=chain, key=key, snippet=snippet)
    nginx = Nginx(directory, http, "customer")
    nginx.wait_until_listening(endpoint)
    yield nginx, endpoint, edges
    nginx.close()


def edge_with(make_edge, authority, tmp_path, certificate: tuple[str, str] | None) -> Hybridge:
    tls = {"ca": authority.write(tmp_path)}
    if certificate:
        tls["certificate"] = dict(zip(("chain", "key"), certificate))
    return make_edge({"redirect_to_https": False, "upstream": {"tls": tls}})


def test_the_edge_is_let_in_by_its_certificate_and_its_word_about_clients_is_believed(
    make_edge, authority, tmp_path, customer
):
    _, endpoint, edges = customer
    edge = edge_with(make_edge, authority, tmp_path, edges.issue("edge.test").write(tmp_path, "edge"))
    edge.config["trusted_proxies"] = ["127.0.0.0/8"]
    edge.stop()
    edge.is_asked_to_end = False
    edge.start()
    edge.add_site("closed.test", endpoint, tls={"mode": "verify", "name": "f1.test"})
    with edge.plain_client() as client:
        for _ in range(3):  # also by a session that is resumed, and by a connection that is used again
            answer = client.get("closed.test", headers={"X-Forwarded-For": "203.0.113.9"})
            assert answer.content == "verified=SUCCESS client=203.0.113.9\n"


@pytest.mark.parametrize("who", ["nobody", "somebody else"])
def test_who_has_no_certificate_of_the_edges_authority_is_not(make_edge, authority, tmp_path, customer, who):
    _, endpoint, _ = customer
    stranger = Authority("Strangers").issue("edge.test").write(tmp_path, "stranger") if who == "somebody else" else None
    edge = edge_with(make_edge, authority, tmp_path, stranger)
    edge.add_site("closed.test", endpoint, tls={"mode": "verify", "name": "f1.test"})
    with edge.plain_client() as client:
        assert client.get("closed.test").status in (400, 403, 502)


def test_a_certificate_that_cannot_be_used_is_named(make_edge, authority, tmp_path):
    from harness.hybridge import run_command

    edge = make_edge(start=False)
    chain, _ = authority.issue("a.test").write(tmp_path, "one")
    _, key = authority.issue("a.test").write(tmp_path, "two")
    edge.config["upstream"] = {"tls": {"certificate": {"chain": chain, "key": key}}}
    edge.write_config()
    (edge.directory / "state").mkdir()
    outcome = run_command("check", config=edge.config_path)
    assert outcome.returncode == 1 and "upstream.tls.certificate" in outcome.stderr, outcome.stderr
    assert "does not belong to the certificate" in outcome.stderr


