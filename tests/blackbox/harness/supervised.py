"""Hybridge as a service manager sees it: which process is the main one, also after one has taken over from another.

A process whose parent has ended comes to this one (PR_SET_CHILD_SUBREAPER), so that it can be waited for.
"""

import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import time

from harness.hybridge import BINARY, Hybridge, run_command
from harness.process import Process
from harness.waiting import PATIENCE, SLOWNESS, wait_until

_PR_SET_CHILD_SUBREAPER = 36
BOUND = 2.0 * SLOWNESS  # shutdown_timeout of edges that hand over, in seconds


class Heir(Process):
    """A process that took over from one of ours: known by its number, its output goes where the first one's went."""

    def __init__(self, forebear: Process, pid: int):
        self.name = forebear.name
        self.argv = forebear.argv
        self.stdout_path = forebear.stdout_path
        self.stderr_path = forebear.stderr_path
        self.pid = pid
        self._code: int | None = None

    def _reap(self) -> None:
        if self._code is not None:
            return
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == self.pid:
                self._code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            # Not ours yet: its parent lives. It is over when it is gone, or waits to be told of.
            state = pathlib.Path(f"/proc/{self.pid}/stat")
            try:
                if state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                    self._code = 0
            except FileNotFoundError:
                self._code = 0

    def is_alive(self) -> bool:
        self._reap()
        return self._code is None

    @property
    def exit_code(self) -> int | None:
        self._reap()
        return self._code

    def send_signal(self, number: int) -> None:
        if self.is_alive():
            os.kill(self.pid, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.argv, seconds)
            time.sleep(0.005)
        return self._code

    def stop(self, number: int = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        self.send_signal(number)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {seconds:.0f} s of signal {number}") from None

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self.wait()


class Supervised(Hybridge):
    """Reads the notifications that systemd would, and follows MAINPID."""

    def __init__(self, authority, config: dict | None = None, binary: pathlib.Path | None = None):
        super().__init__(authority, config)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.notify_path = self.directory / "notify"
        self._notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notifications.bind(str(self.notify_path))
        self._notifications.setblocking(False)
        self.notified: list[str] = []
        self.binary = binary or BINARY
        self.watchdog_seconds = 30
        self.retired: list[Process] = []  # processes that another one has taken over from

    def launch(self, *prefix: str) -> None:
        self.write_config()
        (self.directory / "state").mkdir(exist_ok=True)
        if not self.token:
            self.token = self.make_token()
        self.notifications()
        self.notified = []  # a service manager forgets what an earlier main process said
        environment = {"NOTIFY_SOCKET": str(self.notify_path), "WATCHDOG_USEC": str(self.watchdog_seconds * 1_000_000)}
        argv = [*prefix, str(self.binary), "run", "-c", str(self.config_path)]
        self.process = Process("hybridge", argv, self.directory, environment)

    def start(self) -> "Supervised":
        super().start()
        wait_until(lambda: "READY=1" in self.notifications(), "the service manager to be told")
        return self

    def notifications(self) -> list[str]:
        while True:
            try:
                self.notified += self._notifications.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.notified

    def main_pid(self) -> int:
        named = [line for line in self.notifications() if line.startswith("MAINPID=")]
        return int(named[-1].partition("=")[2]) if named else self.process.pid

    def adopt(self, pid: int) -> None:
        """From now on the process of that number is the one that these tests speak of."""
        self.retired.append(self.process)
        self.process = Heir(self.process, pid)

    def upgrade(self, seconds: float = PATIENCE) -> Process:
        """USR2; returns the process that was taken over from."""
        before = self.process
        said = self.notifications().count("READY=1")
        before.send_signal(signal.SIGUSR2)
        wait_until(lambda: self.notifications().count("READY=1") > said, "somebody to be ready", seconds)
        assert self.main_pid() != before.pid, before.stderr()[-2000:]
        self.adopt(self.main_pid())
        return before

    def command(self, *words: str):
        return run_command(*words, config=self.config_path)

    def close(self) -> None:
        try:
            super().close()
        finally:
            for process in self.retired:
                process.kill()
            self._notifications.close()
