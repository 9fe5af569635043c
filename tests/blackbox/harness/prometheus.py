"""Debian's Prometheus, scraping what a test names."""

import json
import pathlib
import urllib.parse
import urllib.request

import yaml

from harness import addresses
from harness.hybridge import ROOT
from harness.process import Process

ALERTS = ROOT / "conf/alerts.yml"


class Prometheus:
    """Debian's, scraping every second, with our alert rules."""

    def __init__(self, directory: pathlib.Path, scrapes: list[dict]):
        address = addresses.own_address()
        self.base = f"http://{address}:{addresses.free_port(address)}"
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": scrapes,
        }
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.process = Process(
            "prometheus",
            [
                "prometheus",
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address={self.base.removeprefix('http://')}",
            ],
            directory,
        )

    def ask(self, path: str, **query):
        assert self.process.is_alive(), self.process.stderr()[-2000:]
        try:
            with urllib.request.urlopen(f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=5) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def value(self, expression: str) -> float | None:
        found = self.ask("query", query=expression)
        return float(found["result"][0]["value"][1]) if found and found["result"] else None
