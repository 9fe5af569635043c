"""The service manager hears of a process only while all of its workers turn."""

import contextlib
import ctypes
import os
import pathlib
import time

import pytest
from harness.supervised import Supervised
from harness.waiting import wait_until

_ATTACH, _DETACH = 16, 17
_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_WALL = 0x40000000  # threads too


def threads_of(pid: int, name: str) -> list[int]:
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sorted(int(task.name) for task in tasks if (task / "comm").read_text().startswith(name))


@contextlib.contextmanager
def stopped(thread: int):
    """One thread stands still, wherever it is, and no other does: as a debugger stops it."""
    assert _ptrace(_ATTACH, thread, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(thread, _WALL)
    try:
        yield
    finally:
        _ptrace(_DETACH, thread, None, None)


@pytest.fixture
def watched(authority):
    edge = Supervised(authority)
    edge.watchdog_seconds = 6
    edge.start()
    yield edge
    edge.close()


def pings(edge: Supervised) -> int:
    return edge.notifications().count("WATCHDOG=1")


def test_a_worker_that_stands_still_ends_the_pings_until_it_turns_again(watched):
    wait_until(lambda: pings(watched) >= 2, "the watchdog to be told")
    worker = threads_of(watched.process.pid, "worker")[-1]
    with stopped(worker):
        wait_until(lambda: "has not turned for a second" in watched.process.stderr(), "the stall to be noticed")

        def is_silent():
            """No ping within twice the time between two."""
            said, end = pings(watched), time.monotonic() + 2.5
            while time.monotonic() < end:
                if pings(watched) != said:
                    return False
                time.sleep(0.1)
            return True

        wait_until(is_silent, "the pings to end")
        assert watched.process.is_alive()
        # The control side is well: it is not its silence.
        assert watched.admin("GET", "/livez", token=None).status == 200
    said = pings(watched)
    wait_until(lambda: pings(watched) > said, "the watchdog to be told again")
