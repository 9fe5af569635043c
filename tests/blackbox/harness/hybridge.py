"""Hybridge as a process: its configuration, its admin API, its logs, and what must be true when it ends."""

import copy
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from harness import addresses
from harness.certificates import Authority
from harness.process import Process
from harness.raw_client import RawClient
from harness.tls_client import client_context
from harness.waiting import PATIENCE, SLOWNESS, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = pathlib.Path(os.environ.get("HYBRIDGE_BINARY", ROOT / "build/release/hybridge"))

EMPTY_ROUTES = {"servers": {}, "sites": {}, "hosts": {}, "rules": []}


def merged(base: dict, changes: dict) -> dict:
    result = copy.deepcopy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def run_command(
    *words, config: pathlib.Path | None = None, seconds: float = 30, env: dict | None = None, given: str = ""
) -> subprocess.CompletedProcess:
    """`given` is what it reads on standard input."""
    argv = [str(BINARY), *words] + (["-c", str(config)] if config else [])
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=seconds * SLOWNESS,
        input=given,
        env={**os.environ, **(env or {})},
    )


class AdminAnswer:
    def __init__(self, response: http.client.HTTPResponse):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"


class Hybridge:
    """Not started yet when made: tests may change `config` or the state before start()."""

    def __init__(self, authority: Authority, config: dict | None = None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="hybridge-test-"))
        self.authority = authority
        self.routes = copy.deepcopy(EMPTY_ROUTES)
        address = addresses.own_address()
        self.https = (address, addresses.free_port(address))
        self.http = (address, addresses.free_port(address))
        self.admin_endpoint = (address, addresses.free_port(address))
        while len({self.https[1], self.http[1], self.admin_endpoint[1]}) < 3:
            self.http = (address, addresses.free_port(address))
            self.admin_endpoint = (address, addresses.free_port(address))
        chain, key = authority.issue("*.edge.test", "edge.test").write(self.directory, "default")
        self.config = merged(
            {
                "workers": 2,
                "io": os.environ.get("HYBRIDGE_TEST_IO", "auto"),
                "state_dir": str(self.directory / "state"),
                "domain": "edge.test",
                "server_name": "n1.edge.test",
                "listen": {"https": [addresses.text(self.https)], "http": [addresses.text(self.http)]},
                "admin": {
                    "listen": [addresses.text(self.admin_endpoint)],
                    "socket": str(self.directory / "admin.sock"),
                },
                "default_certificate": {"chain": chain, "key": key},
                "access_log": {"path": str(self.directory / "access.log")},
                # Origins of tests count who connects and asks; test_health.py and test_warm.py switch these on.
                "upstream": {"health": {"check": {"interval": "0s"}}, "warm": 0},
            },
            config or {},
        )
        self.config_path = self.directory / "hybridge.yaml"
        self.token = ""
        self.process: Process | None = None
        self.is_asked_to_end = False  # by the test, so that its end is no death
        self.expected_errors: list[str] = []  # patterns of error lines that a test provokes

    # Life -----------------------------------------------------------------------------------------------------------

    def write_config(self) -> None:
        self.config_path.write_text(json.dumps(self.config, indent=1))  # JSON is YAML too

    def make_token(self, name: str = "tests", role: str = "admin") -> str:
        made = run_command("token", "add", name, "--role", role, config=self.config_path)
        assert made.returncode == 0, made.stderr
        return made.stdout.split()[-1]

    def launch(self, *prefix: str) -> None:
        """Starts the process without waiting for anything; `prefix` is a command to start it by."""
        self.write_config()
        (self.directory / "state").mkdir(exist_ok=True)
        if not self.token:
            self.token = self.make_token()
        self.process = Process("hybridge", [*prefix, str(BINARY), "run", "-c", str(self.config_path)], self.directory)

    def start(self) -> "Hybridge":
        self.launch()
        self.wait_until_ready()
        return self

    def is_ready(self) -> bool:
        assert self.process.is_alive(), f"exit {self.process.exit_code}: {self.process.stderr()}"
        try:
            return self.admin("GET", "/readyz", token=None).status == 200
        except OSError:
            return False

    def wait_until_ready(self) -> None:
        wait_until(self.is_ready, "/readyz to say 200")

    def stop(self, number: int = signal.SIGTERM, seconds: float = 40 * SLOWNESS) -> int:
        self.is_asked_to_end = True
        return self.process.stop(number, seconds)

    def ask_to_end(self, number: int = signal.SIGTERM) -> None:
        """Sends the signal; wait_for_end() tells how it ended."""
        self.is_asked_to_end = True
        self.process.send_signal(number)

    def wait_for_end(self, seconds: float = PATIENCE) -> int:
        return self.process.wait(seconds)

    def kill_and_start_again(self) -> None:
        self.process.kill()
        self.start()

    def unexpected_errors(self) -> list[str]:
        lines = [line for line in self.process.stderr().splitlines() if re.match(r"\S+Z error ", line)]
        return [line for line in lines if not any(re.search(pattern, line) for pattern in self.expected_errors)]

    def close(self) -> None:
        """Ends it and holds it to account."""
        try:
            if self.process is not None:
                died = None if self.process.is_alive() or self.is_asked_to_end else self.process.exit_code
                code = self.stop()
                assert not self.process.disasters(), "\n".join(self.process.disasters()[:20])
                assert died is None, f"hybridge died with {died}: {self.process.stderr()[-2000:]}"
                assert code == 0, f"hybridge ended with {code}: {self.process.stderr()[-2000:]}"
                assert not self.unexpected_errors(), "\n".join(self.unexpected_errors()[:20])
        finally:
            if self.process is not None:
                self.process.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    # Admin ----------------------------------------------------------------------------------------------------------

    def admin(self, method: str, path: str, document=None, token: str | None = "", headers=None) -> AdminAnswer:
        """`token`: "" is ours, None none at all."""
        fields = dict(headers or {})
        if token is not None:
            fields["Authorization"] = f"Bearer {token or self.token}"
        body = None
        if document is not None:
            body = document if isinstance(document, str) else json.dumps(document)
            fields.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(*self.admin_endpoint, timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=fields)
            return AdminAnswer(connection.getresponse())
        finally:
            connection.close()

    def put_routes(self, routes: dict | None = None) -> AdminAnswer:
        if routes is not None:
            self.routes = merged(EMPTY_ROUTES, routes)
        answer = self.admin("PUT", "/v1/snapshot", self.routes)
        assert answer.status == 200, answer
        return answer

    def put_certificate(self, host: str, *certificates) -> AdminAnswer:
        pairs = [certificate.as_pair() for certificate in certificates]
        answer = self.admin("PUT", f"/v1/certificates/{host}", pairs[0] if len(pairs) == 1 else {"pairs": pairs})
        assert answer.status in (200, 201), answer
        return answer

    def add_site(self, name: str, *origins, tls: dict | None = None, status: str = "active", server: str = "") -> str:
        """A site on a server of its own with these endpoints; pushed at once."""
        endpoints = []
        for origin in origins:
            address, port = origin if isinstance(origin, tuple) else origin.endpoint
            endpoints.append({"address": address, "port": port})
        server = server or f"server-of-{name}"
        self.routes["servers"][server] = {"endpoints": endpoints, **({"tls": tls} if tls else {})}
        self.routes["sites"][name] = {"server": server, "status": status}
        self.put_routes()
        return name

    def metrics(self) -> str:
        answer = self.admin("GET", "/metrics")
        assert answer.status == 200, answer
        return answer.text

    def metric(self, name: str, **labels) -> float:
        """The sum of the series of `hybridge_<name>` that have these labels."""
        total = 0.0
        for line in self.metrics().splitlines():
            found = re.match(r"hybridge_(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name:
                has = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                if all(has.get(key) == value for key, value in labels.items()):
                    total += float(found[3])
        return total

    # Traffic --------------------------------------------------------------------------------------------------------

    def plain_client(self, **options) -> RawClient:
        return RawClient(self.http, **options)

    def tls_client(self, server_name: str | None, context=None, **options) -> RawClient:
        context = context or client_context(self.authority)
        return RawClient(self.https, tls=context, server_name=server_name, **options)

    def get(self, host: str, target: str = "/", method: str = "GET", headers: dict | None = None, body=b""):
        """One request over TLS with Connection: close."""
        with self.tls_client(host, client_context(self.authority, check=False)) as client:
            return client.get(host, target, method, {"Connection": "close", **(headers or {})}, body)

    def access_log(self) -> list[dict]:
        path = pathlib.Path(self.config["access_log"]["path"])
        return [json.loads(line) for line in path.read_text().split("\n") if line] if path.exists() else []

    def logged(self, condition, what: str) -> dict:
        """Waits for the access log line of which `condition` is true."""

        def find():
            return next((line for line in self.access_log() if condition(line)), None)

        return wait_until(find, f"the log line of {what}")


def is_built() -> bool:
    return BINARY.exists()


__all__ = ["BINARY", "EMPTY_ROUTES", "Hybridge", "ROOT", "is_built", "merged", "run_command"]
