"""kill -9 under writes by both APIs, again and again: what was acknowledged is there, and nothing is there that nobody wrote."""

import http.client
import json
import random
import threading

import pytest

from harness.press import Press, set_password
from harness.waiting import PATIENCE, wait_until


class Writer(threading.Thread):
    """Writes hosts of its own, one after the other, until the process is gone; remembers which were acknowledged."""

    def __init__(self, edge, name: str):
        super().__init__(daemon=True)
        self.edge = edge
        self.name = name
        self.begun = 0  # so many were sent
        self.acknowledged = 0  # the first so many
        self.refused: str | None = None

    def run(self) -> None:
        connection = http.client.HTTPConnection(*self.edge.admin_endpoint, timeout=PATIENCE)
        try:
            while True:
                self.begun += 1
                self.write(connection, self.begun)
                self.acknowledged = self.begun
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    def write(self, connection, number: int) -> None:
        headers = {"Authorization": f"Bearer {self.edge.token}", "Idempotency-Key": f"{self.name}-{number}"}
        connection.request("PUT", f"/v1/hosts/{self.host(number)}", json.dumps(self.value(number)), headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            self.refused = f"{answer.status} {said}"
            raise OSError(self.refused)

    def host(self, number: int) -> str:
        return f"n{number % 40}.{self.name}.crash.test"  # few names, so that values are overwritten too

    def value(self, number: int) -> dict:
        return {"redirect": f"v{number}.test"}


class PressWriter(Writer):
    """The same as a control plane: acknowledged is what its job says is done."""

    def run(self) -> None:
        self.press = Press(self.edge)
        super().run()

    def write(self, connection, number: int) -> None:
        body = {"name": self.host(number), "target": self.value(number)["site"], "certificate": {}}
        job = self.press.run("POST", "proxy/hosts", body)
        if job["status"] != "Success":
            self.refused = str(job)
            raise OSError(self.refused)

    def value(self, number: int) -> dict:
        return {"site": f"v{number}.test"}


def check(edge, writers: list[Writer]) -> None:
    hosts = edge.admin("GET", "/v1/snapshot").json["hosts"]
    for writer in writers:
        assert writer.refused is None, writer.refused
        latest = {writer.host(number): number for number in range(1, writer.acknowledged + 1)}
        for host, number in latest.items():
            # The one that was under way may have been committed without being acknowledged.
            may_be = [writer.value(number)] + [writer.value(writer.begun)] * (writer.host(writer.begun) == host)
            assert hosts.get(host) in may_be, (host, number, writer.acknowledged, hosts.get(host))
        extra = {host for host in hosts if host.endswith(f"{writer.name}.crash.test")} - set(latest)
        assert extra <= {writer.host(writer.begun)}, extra


def crash_again_and_again(edge, rounds: int) -> None:
    dice = random.Random(rounds)
    total = 0
    for number in range(rounds):
        writers = [Writer(edge, f"w{number}-{which}") for which in range(2)] + [PressWriter(edge, f"p{number}")]
        for writer in writers:
            writer.start()
        wanted = dice.randint(1, 25)
        wait_until(lambda: sum(writer.acknowledged for writer in writers) >= wanted, "writes")
        edge.process.kill()
        for writer in writers:
            writer.join()
        edge.start()
        check(edge, writers)
        total += sum(writer.acknowledged for writer in writers)
        edge.admin("PUT", "/v1/snapshot", {"servers": {}, "sites": {}, "hosts": {}, "rules": []})
    assert total >= rounds


def with_password(make_edge):
    edge = make_edge(start=False)
    set_password(edge)
    return edge.start()


def test_nothing_acknowledged_is_lost_by_a_kill(make_edge):
    crash_again_and_again(with_password(make_edge), 12)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_by_two_hundred_kills(make_edge):
    crash_again_and_again(with_password(make_edge), 200)


def test_a_call_repeated_after_a_kill_is_carried_out_once(make_edge):
    """Whether or not the answer arrived: under its key the call is one call."""
    edge = make_edge()
    for number in range(5):
        writer = Writer(edge, f"k{number}")
        writer.start()
        wait_until(lambda: writer.acknowledged >= 3, "writes")
        edge.process.kill()
        writer.join()
        edge.start()
        last = writer.begun
        target, value = f"/v1/hosts/{writer.host(last)}", writer.value(last)
        key = {"Idempotency-Key": f"{writer.name}-{last}"}
        first = edge.admin("PUT", target, value, headers=key)
        assert first.status == 200, first
        edge.admin("DELETE", target)
        again = edge.admin("PUT", target, value, headers=key)
        assert again.text == first.text and again.headers["idempotency-replayed"] == "true"
        assert edge.admin("GET", target).status == 404
