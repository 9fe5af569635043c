"""A control plane as Frappe's is one: JSON over verified TLS to the proxy's own name, jobs, and polls of them."""

import itertools
import json
import pathlib

import requests
import requests.adapters

from harness import addresses
from harness.hybridge import Hybridge, run_command
from harness.waiting import PATIENCE, wait_until

PASSWORD = "a password of the agent"
_names = itertools.count(1)


class _ToOneAddress(requests.adapters.HTTPAdapter):
    """Connects to an address, and believes only the certificate of the name."""

    def __init__(self, name: str, ca: pathlib.Path):
        self._name, self._ca = name, ca
        super().__init__(pool_connections=4, pool_maxsize=64)

    def init_poolmanager(self, *words, **options):
        super().init_poolmanager(
            *words, server_hostname=self._name, assert_hostname=self._name, ca_certs=str(self._ca), **options
        )


class Press:
    def __init__(self, edge: Hybridge, password: str = PASSWORD):
        self.edge = edge
        self.name = edge.config["server_name"]
        ca = pathlib.Path(edge.authority.write(edge.directory))
        self.base = f"https://{addresses.text(edge.https)}/agent/"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(ca)
        self.session.mount("https://", _ToOneAddress(self.name, ca))
        self.session.headers.update({"Host": self.name, "Authorization": f"bearer {password}"})

    @staticmethod
    def new_name() -> str:
        return f"{next(_names):x}".rjust(9, "0") + "x"

    def call(self, method: str, path: str, body=None, job: str | None = None, headers: dict | None = None):
        """As its client makes a call: the body sorted, an empty one as an empty object."""
        fields = dict(headers or {})
        if job is not None:
            fields["X-Agent-Job-Id"] = job
        data = json.loads(json.dumps(body or {}, sort_keys=True)) if method in ("POST", "DELETE") else None
        return self.session.request(method, self.base + path, json=data, headers=fields, timeout=(10, 30))

    def get(self, path: str):
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def deliver(self, method: str, path: str, body=None, job: str | None = None) -> int:
        answer = self.call(method, path, body, job or self.new_name())
        assert answer.status_code == 200, answer.text
        return answer.json()["job"]

    def poll(self, job: int) -> dict:
        """Until it is over."""

        def over():
            shown = self.get(f"jobs/{job}")
            return shown if shown["status"] not in ("Pending", "Running") else None

        return wait_until(over, f"job {job} to end", PATIENCE)

    def run(self, method: str, path: str, body=None) -> dict:
        return self.poll(self.deliver(method, path, body))

    def succeed(self, method: str, path: str, body=None) -> list[str]:
        """The names of its steps."""
        job = self.run(method, path, body)
        assert job["status"] == "Success", job
        assert all(step["status"] == "Success" for step in job["steps"]), job
        return [step["name"] for step in job["steps"]]

    def fail(self, method: str, path: str, body=None) -> str:
        """Why it failed."""
        job = self.run(method, path, body)
        assert job["status"] == "Failure", job
        assert job["steps"][-1]["status"] == "Failure" and job["steps"][-1]["data"] == job["data"], job
        return job["data"]["traceback"]

    def add_upstream(self, origin) -> str:
        """Its address, by which the control plane knows it. The port is told by the other API: tests have no port 80."""
        address, port = origin.endpoint
        assert self.succeed("POST", "proxy/upstreams", {"name": address}) == ["Add Upstream Directory", "Reload NGINX"]
        server = {"endpoints": [{"address": address, "port": port}]}
        assert self.edge.admin("PUT", f"/v1/servers/{address}", server).status == 200
        return address


def set_password(edge: Hybridge, password: str = PASSWORD) -> None:
    edge.write_config()
    done = run_command("agent-password", config=edge.config_path, given=password + "\n")
    assert done.returncode == 0, done.stderr


def files_of(certificate) -> dict:
    """A certificate as the control plane sends it."""
    leaf, _, rest = certificate.chain.partition("-----END CERTIFICATE-----\n")
    return {"privkey.pem": certificate.key, "fullchain.pem": certificate.chain, "chain.pem": rest, "cert.pem": leaf}
