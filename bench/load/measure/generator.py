"""The load generator, as a program to be called."""

import json
import os
import pathlib
import subprocess

from measure.processes import PATIENCE, Failure, processors


class Generator:
    def __init__(self, binary: pathlib.Path):
        self.binary = binary

    def _argv(self, port: int, host: str, options: dict) -> list[str]:
        argv = [str(self.binary), "load", "--target", f"127.0.0.1:{port}", "--host", host]
        for name, value in options.items():
            if value is True:
                argv.append(f"--{name}")
            elif value is not None and value is not False:
                argv += [f"--{name}", str(value)]
        return argv

    def begin(self, port: int, host: str, **options) -> subprocess.Popen:
        """Options are the command line's, with _ for -. Its input stays open until somebody closes it."""
        argv = self._argv(port, host, {name.replace("_", "-"): value for name, value in options.items()})
        return subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, processors()[1]),
        )

    @staticmethod
    def result(running: subprocess.Popen, seconds: float, what: str) -> dict:
        """Waits for its end. A wrong answer, or none, is the end of the run."""
        try:
            out, err = running.communicate(timeout=seconds + PATIENCE)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            raise Failure(f"{what}: the load generator did not end") from None
        if running.returncode != 0:
            raise Failure(f"{what}: {err.strip()}")
        return json.loads(out) if out else {}

    def run(self, what: str, port: int, host: str, **options) -> dict:
        seconds = options.get("seconds", 0) + options.get("warm_up", 0)
        return self.result(self.begin(port, host, **options), seconds, what)
