"""Programs under measurement: started on one processor, stopped by their own pid, their memory read from the kernel."""

import functools
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

PATIENCE = 60.0  # seconds for a program to get ready or to end


class Failure(Exception):
    """The run cannot go on, or its figures would mean nothing."""


@functools.cache  # as it was when the run began
def processors() -> tuple[set[int], set[int]]:
    """(the proxy's, everybody else's): the proxy has one for itself, where there are two."""
    allowed = sorted(os.sched_getaffinity(0))
    return {allowed[0]}, set(allowed[1:]) or {allowed[0]}


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def raise_descriptor_limit() -> int:
    """As root beyond the hard limit, so that ten thousand connections fit at both of their ends."""
    wanted = 120_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, soft), max(wanted, hard)))
    except (ValueError, PermissionError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def fill(template: pathlib.Path, target: pathlib.Path, **words) -> pathlib.Path:
    """Replaces the template's @WORDS@."""
    text = template.read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", str(value))
    target.write_text(text)
    return target


def wait_until(is_true, what: str, process: "Process | None" = None, pause: float = 0.01) -> None:
    give_up = time.monotonic() + PATIENCE
    while not is_true():
        if process is not None and process.is_dead():
            raise Failure(f"{what}: {process.name} ended by itself:\n{process.last_words()}")
        if time.monotonic() > give_up:
            raise Failure(f"{what}: not within {PATIENCE:.0f} s" + (f"\n{process.last_words()}" if process else ""))
        time.sleep(pause)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Process:
    """A program and its children. What it says goes to a file."""

    def __init__(self, name: str, argv: list, directory: pathlib.Path, cores: set[int]):
        self.name = name
        self._said = directory / "said.log"
        with open(self._said, "ab") as said:
            self._popen = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=directory,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
        self.pid = self._popen.pid

    def is_dead(self) -> bool:
        return self._popen.poll() is not None

    def last_words(self) -> str:
        return "\n".join(self._said.read_text(errors="replace").splitlines()[-15:])

    def pids(self) -> list[int]:
        """The process and all below it."""
        found = [self.pid]
        for pid in found:
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                found.extend(int(child) for child in (task / "children").read_text().split())
        return found

    def pss_kib(self) -> int:
        """Proportional set size: what is shared by several processes counts once."""
        total = 0
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.is_dead():
            return
        self._popen.send_signal(number)
        try:
            self._popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


class Precedence:
    """While it is entered, this session's programs come before others on the machine, where the kernel allows that.

    The kernel shares processors among sessions (autogroups) first, so that a nice value alone would change nothing.
    """

    GROUP = pathlib.Path("/proc/self/autogroup")
    NICE = -15

    def __enter__(self) -> bool:
        self._before: str | None = None
        try:
            before = self.GROUP.read_text().split()[-1]
            self.GROUP.write_text(str(self.NICE))
            self._before = before
        except OSError:
            pass
        return self._before is not None

    def __exit__(self, *failure) -> None:
        if self._before is not None:
            self.GROUP.write_text(self._before)
