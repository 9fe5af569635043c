#!/usr/bin/python3
"""Runs the corpus against Hybridge (when it is built), Debian's nginx and HAProxy, and prints a table.

    tests/blackbox/compare_corpus.py [--markdown] [--all] [--only WORD]

A cell is the verdict towards the client and, behind a bar, what the upstream saw (requests; +part: a part of one).
`*` marks a verdict that the corpus does not expect. Without --all, only cases with such a mark are listed.
"""

import argparse
import collections
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from corpus import all_cases  # noqa: E402
from harness.certificates import Authority  # noqa: E402
from harness.corpus_edge import CorpusEdge  # noqa: E402
from harness.corpus_run import CorpusOrigin, CorpusRun, judge  # noqa: E402
from harness.hybridge import is_built  # noqa: E402
from harness.peers import HaproxyProxy, NginxProxy  # noqa: E402

PATIENCE = 6.0  # nginx lingers for 5 s


def proxies(directory: pathlib.Path) -> list:
    """Each with an origin of its own."""
    made = []
    for kind in (NginxProxy, HaproxyProxy):
        origin = CorpusOrigin()
        made.append((kind.name, kind(directory / kind.name, origin.endpoint), origin))
    if is_built():
        origin = CorpusOrigin()
        made.insert(0, ("Hybridge", CorpusEdge(Authority(), origin), origin))
    return made


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--markdown", action="store_true", help="print a table in Markdown")
    arguments.add_argument("--all", action="store_true", help="list cases in which all are as expected too")
    arguments.add_argument("--only", default="", help="only cases whose category or name has this word")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="hybridge-corpus-") as directory:
        made = proxies(pathlib.Path(directory))
        try:
            compare(made, [case for case in all_cases() if options.only in case.category + " " + case.name], options)
        finally:
            for _, proxy, origin in made:
                proxy.close()
                origin.close()
    return 0


def compare(made: list, cases: list, options) -> None:
    names = [name for name, _, _ in made]
    unexpected = collections.Counter()
    per_category = collections.defaultdict(collections.Counter)
    print(("| category | case | expected | " + " | ".join(names) + " |\n" + "|---" * (3 + len(names)) + "|") if options.markdown else "\t".join(["category", "case", "expected", *names]))
    for case in cases:
        per_category[case.category]["cases"] += 1
        cells, is_notable = [], options.all
        for name, proxy, origin in made:
            outcome = CorpusRun(proxy.endpoint, origin, PATIENCE).run(case, "whole")
            wrong = bool(judge(case, "whole", outcome))
            unexpected[name] += wrong
            per_category[case.category][name] += wrong
            is_notable |= wrong
            cells.append(f"{outcome.verdict()}, {outcome.upstream_verdict()}{' *' if wrong else ''}")
        expected = f"{'/'.join(map(str, case.status))} {case.connection}, {case.upstream}"
        if is_notable:
            row = [case.category, case.name, expected, *cells]
            print("| " + " | ".join(row) + " |" if options.markdown else "\t".join(row), flush=True)
    print()
    print("| category | cases | " + " | ".join(names) + " |\n" + "|---" * (2 + len(names)) + "|")
    for category, counts in per_category.items():
        print(f"| {category} | {counts['cases']} | " + " | ".join(str(counts[name]) for name in names) + " |")
    print(f"| **all** | {len(cases)} | " + " | ".join(str(unexpected[name]) for name in names) + " |")


if __name__ == "__main__":
    sys.exit(main())
