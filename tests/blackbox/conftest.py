"""Fixtures of the black-box tests. The edges live for a session; what a test routes through them is its own."""

import itertools
import pathlib
import subprocess

import pytest

from harness.certificates import Authority
from harness.http2_client import Http2Client
from harness.hybridge import BINARY, Hybridge, is_built
from harness.nginx import NginxOrigin
from harness.scripted_origin import ScriptedOrigin
from harness.supervised import BOUND, Supervised

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def built():
    assert is_built(), f"{BINARY} is not built (tools/build release hybridge, or set HYBRIDGE_BINARY)"


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def origin(tmp_path_factory) -> NginxOrigin:
    """A customer's server: Debian's nginx with a small site."""
    nginx = NginxOrigin(pathlib.Path(tmp_path_factory.mktemp("origin")) / "nginx")
    yield nginx
    nginx.close()


@pytest.fixture(scope="session")
def edge(authority, origin) -> Hybridge:
    """TLS, redirects, a domain and a name of its own; site.test is on the nginx origin."""
    hybridge = Hybridge(authority).start()
    hybridge.put_certificate("site.test", authority.issue("site.test"))
    hybridge.put_certificate("*.scripted.test", authority.issue("*.scripted.test"))
    hybridge.add_site("site.test", origin)
    yield hybridge
    hybridge.close()


@pytest.fixture(scope="session")
def plain(authority, origin) -> Hybridge:
    """The http listener carries requests too, with short deadlines and small limits for bodies."""
    hybridge = Hybridge(
        authority,
        {
            "redirect_to_https": False,
            "timeouts": {
                "request_head": "1s",
                "body_idle": "2s",
                "keep_alive": "20s",
                "connect": "2s",
                "response_head": "2s",
                "response_idle": "2s",
                "tunnel_idle": "2s",
            },
        },
    ).start()
    hybridge.add_site("site.test", origin)
    yield hybridge
    hybridge.close()


@pytest.fixture(scope="session")
def node_folder() -> pathlib.Path:
    """Where what comes from npm is installed; without it tests fail, they are never skipped."""
    install = pathlib.Path(__file__).parent / "node" / "install"
    installed = subprocess.run([install], capture_output=True, text=True, timeout=300)
    assert installed.returncode == 0, installed.stderr
    return pathlib.Path(installed.stdout.strip())


@pytest.fixture
def make_edge(authority):
    """Makes edges of a test's own; each is ended and held to account."""
    made = []

    def make(config: dict | None = None, start: bool = True) -> Hybridge:
        hybridge = Hybridge(authority, config)
        made.append(hybridge)
        return hybridge.start() if start else hybridge

    yield make
    for hybridge in made:
        hybridge.close()


@pytest.fixture
def make_supervised(authority):
    """Edges as a service manager has them, which hand over to each other."""
    made = []

    def make(config: dict | None = None, binary: pathlib.Path | None = None) -> Supervised:
        settings = {"redirect_to_https": False, "shutdown_timeout": f"{int(BOUND * 1000)}ms", **(config or {})}
        edge = Supervised(authority, settings, binary)
        made.append(edge)
        edge.start()
        return edge

    yield make
    for edge in made:
        edge.close()


@pytest.fixture
def make_origin():
    made = []

    def make(script=None, tls=None) -> ScriptedOrigin:
        scripted = ScriptedOrigin(script, tls)
        made.append(scripted)
        return scripted

    yield make
    for scripted in made:
        scripted.close()


class Routed:
    """A scripted origin with a site of its own on an edge."""

    def __init__(self, edge: Hybridge, scripted: ScriptedOrigin):
        self.edge = edge
        self.origin = scripted
        self.host = f"s{next(_numbers)}.scripted.test"
        edge.add_site(self.host, scripted)

    def client(self, **options):
        """To the http listener, which the edge `plain` proxies on."""
        return self.edge.plain_client(**options)

    def tls_client(self, **options):
        return self.edge.tls_client(self.host, **options)


@pytest.fixture
def route(make_origin):
    """route(edge, script): a scripted origin, and the site that leads to it."""
    return lambda edge, script=None, tls=None: Routed(edge, make_origin(script, tls))


@pytest.fixture
def http2_client(edge, route):
    """http2_client(script): an HTTP/2 connection to a site of its own; the origin is at `.origin`."""
    made = []

    def make(script=None, **options):
        routed = route(edge, script)
        connection = Http2Client(edge, routed.host, **options)
        connection.origin = routed.origin
        made.append(connection)
        return connection

    yield make
    for connection in made:
        connection.close()
