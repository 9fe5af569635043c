"""The corpus: raw requests and answers with the verdict that is expected of a strict proxy."""

from corpus import (
    answers,
    answers_framing,
    chunked,
    framing,
    headers,
    host,
    http10,
    hop_by_hop,
    limits,
    pipelining,
    request_line,
    targets,
    upgrades,
)
from corpus.case import Case

CATEGORIES = (
    request_line,
    targets,
    host,
    headers,
    framing,
    chunked,
    pipelining,
    hop_by_hop,
    upgrades,
    http10,
    limits,
    answers,
    answers_framing,
)


def all_cases() -> list[Case]:
    cases = [case for category in CATEGORIES for case in category.CASES]
    names = [case.name for case in cases]
    assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
    return cases
