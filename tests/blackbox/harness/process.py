"""A child process whose output goes to files, ended by its process id."""

import os
import pathlib
import re
import signal
import subprocess

from harness.waiting import PATIENCE

# What sanitizers and the C++ runtime print when something is badly wrong.
_DISASTERS = re.compile(
    r"(AddressSanitizer|ThreadSanitizer|LeakSanitizer|MemorySanitizer|runtime error:|terminate called|"
    r"Assertion .* failed|stack smashing|double free)"
)


class Process:
    def __init__(self, name: str, argv: list[str], directory: pathlib.Path, env: dict | None = None):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.stdout_path = directory / f"{name}.stdout"
        self.stderr_path = directory / f"{name}.stderr"
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self._child = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **(env or {})}
            )
        self.pid = self._child.pid

    def is_alive(self) -> bool:
        return self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._child.poll()

    def send_signal(self, number: int) -> None:
        self._child.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        return self._child.wait(seconds)

    def stop(self, number: int = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        """Asks it to end; kills it (and says so) when it does not."""
        if self.is_alive():
            self.send_signal(number)
            try:
                return self.wait(seconds)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
                raise AssertionError(f"{self.name} did not end within {seconds:.0f} s of signal {number}") from None
        return self._child.returncode

    def kill(self) -> None:
        if self.is_alive():
            self._child.kill()
        self._child.wait()

    def stdout(self) -> str:
        return self.stdout_path.read_text(errors="replace")

    def stderr(self) -> str:
        return self.stderr_path.read_text(errors="replace")

    def disasters(self) -> list[str]:
        lines = (self.stderr() + self.stdout()).splitlines()
        return [line for line in lines if _DISASTERS.search(line)]

    def status_kib(self, field: str) -> int:
        """A memory line of /proc/PID/status, e.g. VmRSS or VmHWM (the peak), in KiB."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise KeyError(field)

    def reset_peak_memory(self) -> None:
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu_seconds(self) -> float:
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))
