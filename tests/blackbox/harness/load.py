"""Clients that ask without pause and forgive nothing: each answer but the expected one is remembered."""

import threading

from harness.messages import Truncated
from harness.raw_client import RawClient
from harness.waiting import wait_until


class Load:
    """`connect` makes a client, `ask(client)` makes one request and returns its answer."""

    def __init__(self, connect, ask, keep_alive: bool = True, threads: int = 2):
        self._connect, self._ask, self._keep_alive = connect, ask, keep_alive
        self._stop = threading.Event()
        self.answered = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._connect() as client:
                    self._use(client)
            except (OSError, Truncated, AssertionError) as failure:
                self.failures.append(repr(failure))

    def _use(self, client: RawClient) -> None:
        while not self._stop.is_set():
            answer = self._ask(client)
            self.answered += 1
            if answer.status != 200:
                self.failures.append(f"status {answer.status}: {answer.content[:200]}")
            if not self._keep_alive or answer.text("connection") == "close":
                return

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.answered > 0 or self.failures, "the load to begin")
        return self

    def await_progress(self, count: int = 20) -> None:
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal or self.failures, "the load to go on")

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()



