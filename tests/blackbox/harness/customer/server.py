"""A customer's server and what its agent does to it: sites are stopped, moved, and nginx is told.

Every step waits until it is in force, so that a test knows what its clients may see from then on.
"""

import json
import os
import pathlib
import signal
import sys

from harness import addresses
from harness.certificates import Authority
from harness.nginx import Nginx
from harness.process import Process
from harness.probing import accepts
from harness.waiting import PATIENCE, wait_until

APPLICATION = pathlib.Path(__file__).with_name("application.py")
BENCHES = ("bench-1", "bench-2")

_SITE = """\
  server {{
    listen {listen};
    server_name {site};
    client_max_body_size 250m;
    location /socket.io {{
      proxy_pass http://{address}:{socketio};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $host;
    }}
    location / {{
      proxy_pass http://{address}:{port};
      proxy_set_header Host $host;
      proxy_set_header X-Frappe-Site-Name {site};
      proxy_read_timeout 120;
    }}
  }}
"""
_FRONT = """\
  access_log off;
  keepalive_timeout 10;
  server {{
    listen {listen} default_server backlog=1024;
    return 404;
  }}
  server {{
    listen {address}:{tls_port} ssl;
    ssl_certificate {chain}; ssl_certificate_key {key};
    location /agent/ {{ proxy_pass http://{address}:{agent}; }}
  }}
"""


class CustomerServer:
    """nginx before two benches. Sites are folders in `benches/BENCH/sites`; all of it is in `directory`."""

    def __init__(self, directory: pathlib.Path, name: str, authority: Authority):
        self.directory = directory
        self.name = name
        self.ca = authority.pem
        self.chain, self.key = authority.issue(name).write(directory, "agent")
        self.jobs = directory / "jobs"
        self.jobs.mkdir()
        self.endpoint = addresses.free_endpoint()
        self.address = self.endpoint[0]
        taken = {self.endpoint[1]}
        self.ports = {}
        for part in ("socketio", "agent", "tls", *BENCHES):
            port = addresses.free_port(self.address)
            while port in taken:
                port = addresses.free_port(self.address)
            taken.add(port)
            self.ports[part] = port
        for bench in BENCHES:
            self.sites_of(bench).mkdir(parents=True)
        self._starts = 0
        self._past: list[Nginx] = []  # told to end, and still there for the WebSockets that they carry
        self._application = self._start_application()
        self._nginx = self._start_nginx()

    def record(self) -> dict:
        """As the table has it: sites in clear text, the agent over TLS."""
        return {
            "endpoints": [{"address": self.address, "port": self.endpoint[1]}],
            "tls": {"mode": "off", "ca": self.ca},
            "agent": {"port": self.ports["tls"]},
        }

    # What the agent does ---------------------------------------------------------------------------------------------

    def sites_of(self, bench: str) -> pathlib.Path:
        return self.directory / "benches" / bench / "sites"

    def folder_of(self, site: str) -> pathlib.Path:
        return next(self.sites_of(bench) / site for bench in BENCHES if (self.sites_of(bench) / site).exists())

    def new_site(self, site: str) -> None:
        folder = self.sites_of(BENCHES[0]) / site
        folder.mkdir()
        (folder / "site_config.json").write_text("{}")
        (folder / "ledger").touch()
        self.reload_nginx()

    def set_maintenance(self, site: str, on: bool) -> None:
        path = self.folder_of(site) / "site_config.json"
        changed = path.with_suffix(".new")
        changed.write_text(json.dumps({"maintenance_mode": 1 if on else 0}))
        changed.rename(path)

    def move_to_bench(self, site: str, bench: str) -> None:
        """nginx still sends the site's requests to the old bench: they are 404s until it is reloaded."""
        self.folder_of(site).rename(self.sites_of(bench) / site)

    def move_to_server(self, site: str, other: "CustomerServer") -> None:
        self.folder_of(site).rename(other.sites_of(BENCHES[0]) / site)
        other.reload_nginx()

    def reload_nginx(self) -> None:
        old = self._nginx.workers()
        self._nginx.write(self._configuration())
        self._nginx.process.send_signal(signal.SIGHUP)
        # Old workers accept until they are told to end; then they stay for the WebSockets that they carry.
        wait_until(lambda: self._nginx.workers() - old, f"new workers of {self.name}'s nginx")
        wait_until(lambda: not self._nginx.workers() & old, f"the end of the old workers of {self.name}'s nginx")

    def stop_nginx(self) -> None:
        """Refuses connections from now on; those that are there (WebSockets) stay."""
        self._nginx.process.send_signal(signal.SIGQUIT)
        wait_until(lambda: not accepts(self.endpoint), f"nginx of {self.name} to refuse connections")
        self._past.append(self._nginx)

    def start_nginx(self) -> None:
        self._nginx = self._start_nginx()

    def set_job(self, number: int, status: str, **steps: str) -> None:
        """What the agent tells of a job, with the steps that a test names: `Enable_Maintenance_Mode="Success"`."""
        told = [{"name": name.replace("_", " "), "status": state} for name, state in steps.items()]
        changed = self.jobs / f"{number}.new"
        changed.write_text(json.dumps({"id": number, "status": status, "steps": told}))
        changed.rename(self.jobs / f"{number}.json")

    def ledger(self, site: str) -> list[tuple[str, str]]:
        """(id, digest) of what was executed, in order."""
        return [tuple(line.split(" ")) for line in (self.folder_of(site) / "ledger").read_text().splitlines()]

    def close(self) -> None:
        for nginx in (*self._past, self._nginx):
            if nginx.process.is_alive():
                nginx.process.send_signal(signal.SIGTERM)  # after QUIT it says at once what it otherwise waits for
            nginx.process.stop()
        self._application.kill()

    # How -------------------------------------------------------------------------------------------------------------

    def _start_application(self) -> Process:
        benches = [f"{self.sites_of(bench)}={self.ports[bench]}" for bench in BENCHES]
        process = Process(
            f"{self.name}-application",
            [
                sys.executable,
                APPLICATION,
                self.address,
                self.ports["socketio"],
                f"{self.jobs}={self.ports['agent']}",
                *benches,
            ],
            self.directory,
        )

        def ready() -> bool:
            assert process.is_alive(), process.stderr()
            return "ready" in process.stdout()

        wait_until(ready, f"the application of {self.name}", 2 * PATIENCE)
        return process

    def _start_nginx(self) -> Nginx:
        self._starts += 1
        nginx = Nginx(self.directory / f"nginx-{self._starts}", self._configuration(), f"{self.name}-nginx", has_master=True)
        nginx.wait_until_listening(self.endpoint)
        return nginx

    def _configuration(self) -> str:
        listen = addresses.text(self.endpoint)
        text = _FRONT.format(
            listen=listen,
            address=self.address,
            tls_port=self.ports["tls"],
            agent=self.ports["agent"],
            chain=self.chain,
            key=self.key,
        )
        for bench in BENCHES:
            for folder in sorted(self.sites_of(bench).iterdir()):
                text += _SITE.format(
                    listen=listen,
                    site=folder.name,
                    address=self.address,
                    socketio=self.ports["socketio"],
                    port=self.ports[bench],
                )
        return text


__all__ = ["BENCHES", "CustomerServer"]
