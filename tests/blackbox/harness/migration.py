"""A site's way from one bench to another and on to another server, as its agent takes it, under a crowd of users."""

import time

from harness.crowd import LEFT, Act, Crowd
from harness.customer.server import BENCHES, CustomerServer
from harness.hybridge import Hybridge
from harness.neighbour import Neighbour, p99
from harness.waiting import SLOWNESS, wait_until

SITE = "erp.customer.test"
NEIGHBOUR = "site.test"
BEFORE = 400  # answers before anything happens
ARRIVALS = 12  # newcomers in each state of the site
AFTER = 400  # answers after it


class Migration:
    """The site lives on `first`; `run()` takes it to `second`. `begin`, `wait_until_held` and `end` are the trigger's."""

    def __init__(self, edge: Hybridge, first: CustomerServer, second: CustomerServer, crowd: Crowd, neighbour: Neighbour):
        self.edge, self.first, self.second = edge, first, second
        self.crowd, self.neighbour = crowd, neighbour
        self.began = self.held = self.released = self.over = 0.0

    # The story -------------------------------------------------------------------------------------------------------

    def run(self, trigger) -> None:
        self.crowd.start()
        self.neighbour.start()
        try:
            self.crowd.wait_for("the crowd to be served", BEFORE, lambda act: act.outcome == 200)
            self.began = time.monotonic()
            trigger.begin()
            self.first.set_maintenance(SITE, True)
            trigger.wait_until_held()
            self.held = time.monotonic()
            self._requests_come("while it is stopped", 503)
            self.first.move_to_bench(SITE, BENCHES[1])
            self._requests_come("while it is elsewhere", 404)
            self.first.reload_nginx()
            self.first.stop_nginx()
            self._requests_come("while nginx is away", 502)
            self.first.start_nginx()
            self.first.move_to_server(SITE, self.second)
            self._requests_come("while its server does not know it", 404)
            self.edge.routes["sites"][SITE]["server"] = self.second.name
            self.edge.put_routes()
            self._requests_come("on its new server", 503)
            self.released = time.monotonic()
            self.second.set_maintenance(SITE, False)
            trigger.end()
            self.over = time.monotonic()
            self.crowd.wait_for("the crowd to be served again", AFTER, lambda act: act.outcome == 200 and act.ended > self.over)
        finally:
            self.crowd.stop()
            self.neighbour.stop()

    def _requests_come(self, when: str, unaided: int) -> None:
        """A dozen newcomers, as the others may all be waiting by now; where nobody holds them, until one has met with it."""
        since = time.monotonic()
        self.crowd.visit(ARRIVALS)
        self.crowd.wait_for(f"requests {when}", ARRIVALS, lambda act: act.kind != "message" and act.began > since)
        if not self.is_held:
            self.crowd.wait_for(f"a {unaided} {when}", 1, lambda act: act.outcome == unaided and act.began > since)

    is_held = True  # False: nobody does, and the users must see it

    # What it shows ---------------------------------------------------------------------------------------------------

    def executed(self) -> list[tuple[str, str]]:
        return self.second.ledger(SITE)

    def lost(self) -> list[Act]:
        done = set(self.executed())
        return [act for act in self.crowd.acts if act.writes and act.outcome == 200 and (act.id, act.digest) not in done]

    def repeated(self) -> list[str]:
        ids = [identity for identity, _ in self.executed()]
        return sorted({identity for identity in ids if ids.count(identity) > 1})

    def out_of_order(self) -> list[str]:
        """Clients whose requests were executed in another order than they were sent. Who leaves a request and sends the
        next by another connection has been promised no order between the two."""
        left = {act.id for act in self.crowd.acts if act.outcome == LEFT}
        numbers: dict[str, list[int]] = {}
        for identity, _ in self.executed():
            if identity in left:
                continue
            client, number = identity.rsplit("-", 1)
            numbers.setdefault(client, []).append(int(number))
        return [f"{client}: {of}" for client, of in numbers.items() if of != sorted(of)]

    def ghosts(self) -> list[Act]:
        """What was executed although whoever asked for it had come, and left, while the site was held.

        But for large uploads: the end of one cannot be seen behind a body that fills its window.
        """
        done = {identity for identity, _ in self.executed()}
        return [
            act
            for act in self.crowd.acts
            if act.writes and act.kind != "large_upload" and act.outcome == LEFT
            and act.began > self.held and act.ended < self.released and act.id in done
        ]

    def waited(self) -> list[Act]:
        """Requests that came while the site was held, and were answered after it."""
        return [
            act
            for act in self.crowd.acts
            if act.kind != "message" and self.held < act.began < self.released and act.outcome == 200
        ]

    def neighbour_verdict(self) -> str:
        """"" when the neighbour noticed nothing. Judged against its own quiet time and against what the machine did to
        requests that went by the edge's side in the same moments."""

        def within(samples, begin: float, end: float):
            return [sample for sample in samples if begin <= sample.at < end]

        quiet = p99(within(self.neighbour.through, 0, self.began))
        during = within(self.neighbour.through, self.began, self.over)
        machine = p99(within(self.neighbour.direct, self.began, self.over))
        limit = 3 * max(quiet, machine) + 0.05 * SLOWNESS
        if len(during) < 20:
            return f"only {len(during)} requests of the neighbour were measured"
        if p99(during) > limit:
            return f"p99 {p99(during):.4f} s, quiet {quiet:.4f} s, directly {machine:.4f} s, at most {limit:.4f} s"
        return ""


__all__ = ["Migration", "NEIGHBOUR", "SITE"]
