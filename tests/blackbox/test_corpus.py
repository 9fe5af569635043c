"""Every case of the corpus, whole, one byte at a time, and with another request behind it."""

import pytest

from corpus import all_cases
from harness.corpus_edge import CorpusEdge
from harness.corpus_run import CorpusOrigin, CorpusRun, judge
from harness.waiting import PATIENCE

PAIRS = [pytest.param(case, mode, id=f"{case.category}: {case.name}, {mode}") for case in all_cases() for mode in case.modes]


class Bench:
    """The edge and the origin of the corpus; an edge that died is started anew, after its death was reported."""

    def __init__(self, authority):
        self.authority = authority
        self.origin = CorpusOrigin()
        self.edge = CorpusEdge(authority, self.origin)

    def revive(self) -> None:
        if not self.edge.process.is_alive():
            self.edge = CorpusEdge(self.authority, self.origin)


@pytest.fixture(scope="module")
def bench(authority):
    made = Bench(authority)
    yield made
    made.edge.close()
    made.origin.close()


@pytest.mark.parametrize("case, mode", PAIRS)
def test_corpus(bench, case, mode):
    bench.revive()
    outcome = CorpusRun(bench.edge.endpoint, bench.origin, PATIENCE).run(case, mode)
    assert bench.edge.process.is_alive(), f"hybridge died: {bench.edge.process.stderr()[-3000:]}"
    faults = judge(case, mode, outcome)
    assert not faults, "\n".join([f"sent {case.send[:300]!r}", *faults, f"the client saw {outcome.client_bytes[:400]!r}"])


def test_the_corpus_is_large_enough():
    assert len(all_cases()) >= 150
