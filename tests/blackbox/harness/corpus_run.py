"""Carries a case of the corpus through a proxy and tells what came of it; judging is apart, so that proxies which are
only compared can be watched by the same eyes.
"""

import socket
from dataclasses import dataclass, field

from corpus.case import ANY, EITHER, INCOMPLETE, NOTHING, ONE, RETRIED, Case
from harness.messages import Malformed, Message, Truncated
from harness.raw_client import RawClient
from harness.scripted_origin import OriginConnection, ScriptedOrigin, ok

NEXT = b"GET /next HTTP/1.1\r\nHost: case.test\r\n\r\n"
BARRIER = b"GET /barrier HTTP/1.1\r\nHost: case.test\r\nConnection: close\r\n\r\n"
OF_OURS = (b"/next", b"/barrier")


@dataclass
class Outcome:
    answers: list[Message] = field(default_factory=list)  # final ones, to what the case sent
    interim: list[int] = field(default_factory=list)
    connection: str = ""  # kept, closed, hung
    truncated: bool = False
    malformed: str = ""  # what the client was sent against the rules
    behind: str = ""  # a wrong answer to the request behind
    client_bytes: bytes = b""
    requests: list[Message] = field(default_factory=list)  # complete, at the upstream
    is_partial: bool = False  # the upstream saw the beginning of one more
    upstream_bytes: bytes = b""
    upstream_faults: list[str] = field(default_factory=list)
    next_requests: int = 0

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]

    def verdict(self) -> str:
        """For a table: `400 closed`, `200 kept`."""
        statuses = self.statuses
        shown = f"{statuses[0]}×{len(statuses)}" if len(statuses) > 2 else "+".join(map(str, statuses))
        words = [shown or "–", self.connection]
        if self.truncated:
            words.append("cut")
        if self.malformed or self.behind or self.upstream_faults:
            words.append("!")
        return " ".join(words)

    def upstream_verdict(self) -> str:
        return (str(len(self.requests)) if self.requests else "–") + ("+part" if self.is_partial else "")


class CorpusOrigin(ScriptedOrigin):
    """Answers as the running case says; /next and /barrier with their own name."""

    def __init__(self):
        self.case: Case | None = None
        self._marks: dict[OriginConnection, int] = {}
        super().__init__(self._answer)

    def _answer(self, connection: OriginConnection) -> None:
        while (request := connection.read_request()) is not None:
            if request.target in OF_OURS:
                connection.send(ok(request.target))
                continue
            case = self.case
            connection.send(case.answer)
            if case.then == "reset":
                return connection.reset()
            if case.then == "close":
                return None
        return None

    def begin(self, case: Case) -> None:
        with self.changed:
            self.case = case
            self.requests.clear()
            self.connections = [connection for connection in self.connections if not connection.ended.is_set()]
            self._marks = {connection: len(connection.received) for connection in self.connections}

    def report(self, outcome: Outcome) -> None:
        with self.changed:
            outcome.requests = [request for request in self.requests if request.target not in OF_OURS]
            outcome.next_requests = sum(request.target == b"/next" for request in self.requests)
            for connection in self.connections:
                seen = connection.received[self._marks.get(connection, 0) :]
                outcome.upstream_bytes += bytes(seen)
                if seen and len(connection.received) > connection.settled:
                    outcome.is_partial = True
                if connection.fault:
                    outcome.upstream_faults.append(connection.fault)


class CorpusRun:
    def __init__(self, proxy: tuple[str, int], origin: CorpusOrigin, patience: float):
        self.proxy = proxy
        self.origin = origin
        self.patience = patience

    def run(self, case: Case, mode: str) -> Outcome:
        outcome = Outcome()
        self.origin.begin(case)
        has_follower = mode == "with another behind" and case.complete
        with RawClient(self.proxy, patience=self.patience, record=True) as client:
            if mode == "one byte at a time":
                client.send_one_by_one(case.send)
            else:
                client.send(case.send + (NEXT if has_follower else b""))
            try:
                self._read_answers(client, case, outcome)
                if not outcome.connection:
                    self._ask_again(client, outcome, has_follower)
            except Truncated as truncated:
                outcome.truncated = truncated.partial is not None
                outcome.connection = "closed"
                if truncated.partial is not None:
                    outcome.answers.append(truncated.partial)
            except Malformed as fault:
                outcome.malformed = str(fault)
                outcome.connection = "closed"
            except (TimeoutError, socket.timeout):
                outcome.connection = "hung"
            outcome.client_bytes = bytes(client.received)
        self._pass_barrier(outcome)
        self.origin.report(outcome)
        return outcome

    def _read_answers(self, client: RawClient, case: Case, outcome: Outcome) -> None:
        for number in range(1 + len(case.more)):
            method = case.asked if number == 0 else b"GET"
            while True:
                answer = client.reader.response(method)
                if answer is None:
                    outcome.connection = "closed"
                    return
                if answer.status >= 200 or answer.status == 101:
                    break
                outcome.interim.append(answer.status)
            outcome.answers.append(answer)

    def _ask_again(self, client: RawClient, outcome: Outcome, is_sent: bool) -> None:
        """Does the connection still serve? And is the answer the one to what was asked?"""
        if not is_sent:
            client.send(NEXT)
        while True:
            answer = client.reader.response()
            if answer is None:
                outcome.connection = "closed"
                return
            if answer.status >= 200:
                break
        outcome.connection = "kept"
        if answer.status != 200 or answer.body != b"/next":
            outcome.behind = f"{answer.start_line!r} {answer.body[:60]!r}"

    def _pass_barrier(self, outcome: Outcome) -> None:
        """What the proxy still had to do for the case it has done once a later request is answered (one worker)."""
        try:
            with RawClient(self.proxy, patience=self.patience) as client:
                client.send(BARRIER)
                answer = client.response()
                if answer.status != 200 or answer.body != b"/barrier":
                    outcome.behind += f" at the barrier: {answer.start_line!r} {answer.body[:60]!r}"
        except (Truncated, Malformed, TimeoutError, socket.timeout, OSError) as fault:
            outcome.behind += f" at the barrier: {fault!r}"


def _upstream_faults(case: Case, outcome: Outcome) -> list[str]:
    count, faults = len(outcome.requests), []
    allowed = {
        NOTHING: (0,),
        INCOMPLETE: (0,),
        ONE: (1,),
        EITHER: (0, 1),
        ANY: (0, 1),
        RETRIED: (1, 2),
    }.get(case.upstream) or (int(case.upstream),)
    if count not in allowed:
        faults.append(f"the upstream saw {count} requests, expected {case.upstream}")
    if outcome.is_partial and case.upstream not in (INCOMPLETE, ANY):
        faults.append(f"the upstream saw part of a request: {outcome.upstream_bytes[-300:]!r}")
    faults += [f"the upstream saw bytes it must not see: {word!r}" for word in case.lacks_bytes if word in outcome.upstream_bytes]
    faults += [f"the upstream was sent what no request is: {fault}" for fault in outcome.upstream_faults]
    for request in outcome.requests:
        faults += [f"the upstream saw {name!r}: {request.all(name.decode())}" for name in case.lacks if request.all(name.decode())]
        for name, value in case.has:
            seen = request.all(name.decode())
            if not seen or (value is not None and value not in seen):
                faults.append(f"the upstream saw {name!r} as {seen}, expected {value!r}")
        for what in ("target", "method", "body", "framing"):
            expected, seen = getattr(case, what), getattr(request, what)
            if expected is not None and seen != expected:
                faults.append(f"the upstream saw the {what} {seen[:80]!r}, expected {expected[:80]!r}")
    return faults


def _client_faults(case: Case, outcome: Outcome) -> list[str]:
    faults = []
    first = outcome.statuses[0] if outcome.statuses else 0
    if first not in case.status:
        faults.append(f"answered {first}, expected {' or '.join(map(str, case.status))}")
    if outcome.statuses[1:] != list(case.more):
        faults.append(f"further answers {outcome.statuses[1:]}, expected {list(case.more)}")
    if case.connection not in ("any", outcome.connection) or outcome.connection == "hung":
        faults.append(f"the connection was {outcome.connection}, expected {case.connection}")
    if case.interim is not None and tuple(outcome.interim) != case.interim:
        faults.append(f"informational answers {outcome.interim}, expected {list(case.interim)}")
    if outcome.truncated != case.truncated and not (case.truncated and first == 502):
        faults.append("the answer was cut off" if outcome.truncated else "a broken answer was passed off as whole")
    answer = outcome.answers[0] if outcome.answers else None
    if answer is not None:
        if case.client_body is not None and answer.body != case.client_body:
            faults.append(f"the client got the body {answer.body[:80]!r}, expected {case.client_body[:80]!r}")
        for name, value in case.client_has:
            if value not in answer.all(name.decode()):
                faults.append(f"the client got {name!r} as {answer.all(name.decode())}, expected {value!r}")
        if case.names and case.names not in answer.body.lower() + answer.text("x-hybridge-reason").encode():
            faults.append(f"the answer does not name {case.names!r}: {answer.body[:200]!r}")
    faults += [f"the client saw {word!r}" for word in case.client_lacks if word in outcome.client_bytes]
    return faults


def judge(case: Case, mode: str, outcome: Outcome) -> list[str]:
    """All that is wrong; empty: the case is as it should be."""
    faults = _client_faults(case, outcome) + _upstream_faults(case, outcome)
    if outcome.malformed:
        faults.append(f"the client was sent what no answer is: {outcome.malformed}")
    if outcome.behind:
        faults.append(f"the request behind got {outcome.behind}")
    sent_next = mode != "with another behind" or case.complete
    expected_next = 1 if outcome.connection == "kept" and sent_next else 0
    if outcome.next_requests != expected_next:
        faults.append(f"the upstream saw the request behind {outcome.next_requests} times, expected {expected_next}")
    return faults
