"""Calls to servers' agents and exporters through the proxy's own name; Debian's nginx plays the agent."""

import json
import pathlib

import pytest

from harness.addresses import own_address
from harness.certificates import Authority
from harness.hybridge import Hybridge
from harness.nginx import Nginx

_AGENT = """\
  access_log {directory}/access.log;
  client_max_body_size 0;
  server {{
    listen {address}:443 ssl; listen {address}:8443 ssl;
    ssl_certificate {chain}; ssl_certificate_key {key};
    default_type application/json;
    location /agent/upload/ {{ dav_methods PUT; create_full_put_path on; alias {directory}/uploads/; }}
    location = /agent/slow {{ limit_rate 20k; alias {directory}/slow; }}
    location = /agent/refused {{ return 401 '{{"message":"Unauthenticated"}}'; }}
    location / {{
      return 200 '{{"uri":"$request_uri","port":"$server_port","host":"$http_host","auth":"$http_authorization","real_ip":"$http_x_real_ip","method":"$request_method"}}';
    }}
  }}
"""


class AgentServer(Nginx):
    def __init__(self, directory: pathlib.Path, certificate):
        self.address = own_address()
        directory.mkdir(parents=True)
        (directory / "uploads").mkdir()
        (directory / "slow").write_bytes(b"s" * 60_000)
        chain, key = certificate.write(directory, "agent")
        http = _AGENT.format(directory=directory, address=self.address, chain=chain, key=key)
        super().__init__(directory, http, "agent")
        self.wait_until_listening((self.address, 443))

    def requests(self) -> int:
        return len((self.directory / "access.log").read_text().splitlines())


@pytest.fixture(scope="module")
def agent(authority, tmp_path_factory) -> AgentServer:
    nginx = AgentServer(tmp_path_factory.mktemp("agents") / "agent", authority.issue("f1.test", "f3.test"))
    yield nginx
    nginx.close()


def record(agent: AgentServer, ca: str) -> dict:
    return {"endpoints": [{"address": agent.address, "port": 80}], "tls": {"mode": "off", "ca": ca}}


@pytest.fixture(scope="module")
def calling(authority, agent) -> Hybridge:
    """f1.test is the agent's server; f2.test is there too, but its certificate is not for that name; f3.test's
    authority is another one; f4.test is dead."""
    edge = Hybridge(authority, {"limits": {"body_bytes": "1M"}}).start()
    dead = {"endpoints": [{"address": own_address()}], "tls": {"mode": "off", "ca": authority.pem}}
    edge.put_routes(
        {
            "servers": {
                "f1.test": record(agent, authority.pem),
                "f2.test": record(agent, authority.pem),
                "f3.test": record(agent, Authority("Somebody").pem),
                "f4.test": dead,
                "f5.test": {**record(agent, authority.pem), "agent": {"port": 8443}},
            },
            "sites": {"site.test": {"server": "f1.test"}},
        }
    )
    yield edge
    edge.close()


def call(edge: Hybridge, target: str, method: str = "GET", headers: dict | None = None, body=b""):
    return edge.get("n1.edge.test", target, method, headers, body)


@pytest.mark.parametrize("port", ["", ":443", ":8443"])
@pytest.mark.parametrize(
    "rest",
    [
        "/agent/ping",
        "/agent//server/reload",
        "/agent/jobs/1,2,3?a=%20&b=%2f%2F&c=a+b&&=",
        "/agent/a%2Fb%C3%BC/../c;x",
        "/metrics/node?collect[]=cpu",
        "/status?format=json",
        "/agent",
    ],
)
def test_the_target_is_kept_byte_for_byte(calling, port, rest):
    answer = call(calling, f"/f1.test{port}{rest}")
    assert answer.status == 200
    said = json.loads(answer.content)
    assert said["uri"] == rest and said["port"] == (port[1:] or "443")
    assert said["host"] == "f1.test"


def test_the_server_record_says_where_its_agent_listens(calling, agent):
    calling.routes["servers"]["f1.test"]["agent"] = {"port": 8443}
    calling.put_routes()
    assert json.loads(call(calling, "/f1.test/agent/ping").content)["port"] == "8443"
    del calling.routes["servers"]["f1.test"]["agent"]
    calling.put_routes()
    assert json.loads(call(calling, "/f1.test/agent/ping").content)["port"] == "443"


def test_the_callers_credentials_are_for_the_server_to_check(calling):
    answer = call(calling, "/F1.test/agent/ping", headers={"Authorization": "bearer s3cret"})
    assert json.loads(answer.content)["auth"] == "bearer s3cret"
    refused = call(calling, "/f1.test/agent/refused")
    assert refused.status == 401 and refused.content == '{"message":"Unauthenticated"}'


@pytest.mark.parametrize(
    "target",
    [
        "/nobody.test/agent/ping",
        "/127.0.0.1/agent/ping",
        "/f1.test:22/agent/ping",
        "/f1.test:80/agent/ping",
        "/f1.test:/agent/ping",
        "/f1.test/agent-jobs",
        "/f1.test/metricsx",
        "/f1.test@nobody.test/agent/ping",
        "/f1.test/other/agent/ping",
    ],
)
def test_it_is_no_relay_to_anywhere_else(calling, agent, target):
    before = agent.requests()
    answer = call(calling, target, headers={"Accept": "text/html"})
    assert answer.status == 404, answer.content
    assert agent.requests() == before


def test_an_unknown_server_is_told_of_in_json(calling):
    answer = call(calling, "/nobody.test/agent/ping", headers={"Accept": "text/html"})
    assert answer.text("content-type") == "application/problem+json"
    assert answer.text("x-hybridge-reason") == "unknown_server" and "nobody.test" in answer.content


@pytest.mark.parametrize("server", ["f2.test", "f3.test"], ids=["another name", "another authority"])
def test_a_certificate_that_is_not_the_servers_is_refused(calling, agent, server):
    before = agent.requests()
    answer = call(calling, f"/{server}/agent/ping", headers={"Accept": "text/html"})
    assert (answer.status, answer.text("x-hybridge-reason")) == (502, "upstream_tls")
    assert json.loads(answer.content)["code"] == "upstream_tls"
    assert agent.requests() == before


def test_a_dead_agent_is_a_502_in_json(calling):
    answer = call(calling, "/f4.test/agent/ping")
    assert (answer.status, json.loads(answer.content)["code"]) == (502, "upstream_connect_failed")


def test_bodies_of_any_size_are_streamed(calling, agent):
    body = bytes(range(256)) * 16 * 1024  # 4 MiB; limits.body_bytes is 1 MiB
    answer = call(calling, "/f1.test/agent/upload/big", "PUT", body=body)
    assert answer.status == 201
    assert (agent.directory / "uploads" / "big").read_bytes() == body
    chunk = b"10000\r\n" + b"c" * 0x10000 + b"\r\n"
    with calling.tls_client("n1.edge.test") as client:
        client.send(
            b"PUT /f1.test/agent/upload/chunked HTTP/1.1\r\nHost: n1.edge.test\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunk * 32
            + b"0\r\n\r\n"
        )
        assert client.response().status == 201
    assert (agent.directory / "uploads" / "chunked").stat().st_size == 2 << 20
    refused = calling.get("n1.edge.test", "/elsewhere", "POST", body=b"x" * (1 << 20) + b"x")
    assert refused.status == 413


def test_a_slow_answer_arrives_whole(calling):
    assert call(calling, "/f1.test/agent/slow").content == "s" * 60_000


def test_sites_are_not_forwarded_from(calling, agent, make_origin):
    origin = make_origin()
    calling.routes["servers"]["site-server.test"] = {"endpoints": [dict(zip(("address", "port"), origin.endpoint))]}
    calling.routes["sites"]["site.test"] = {"server": "site-server.test"}
    calling.put_routes()
    before = agent.requests()
    assert calling.get("site.test", "/f1.test/agent/ping").content == "scripted"
    assert agent.requests() == before and origin.only_request().target == b"/f1.test/agent/ping"


def test_calls_are_counted_and_logged_as_what_they_are(calling):
    before = calling.metric("requests_total", **{"class": "agent", "code": "200"})
    call(calling, "/f1.test/agent/ping?mark=logged")
    line = calling.logged(lambda line: line["path"].endswith("mark=logged"), "the call")
    assert line["class"] == "agent" and line["server"].startswith("f1.test") and line["reason"] == "ok"
    assert calling.metric("requests_total", **{"class": "agent", "code": "200"}) == before + 1


def test_callers_may_be_limited_to_networks(make_edge, authority, agent):
    edge = make_edge({"forward": {"allow": ["192.0.2.0/24"]}})
    edge.put_routes({"servers": {"f1.test": record(agent, authority.pem)}})
    before = agent.requests()
    answer = call(edge, "/f1.test/agent/ping")
    assert (answer.status, answer.text("x-hybridge-reason")) == (403, "forward_denied")
    assert agent.requests() == before
    open_edge = make_edge({"forward": {"allow": ["127.0.0.0/8"]}})
    open_edge.put_routes({"servers": {"f1.test": record(agent, authority.pem)}})
    assert call(open_edge, "/f1.test/agent/ping").status == 200


