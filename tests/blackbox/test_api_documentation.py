"""The examples of docs/API.md: each is run, in their order, and answered as it says there; `…` stands for anything."""

import json
import os
import re
import subprocess

from harness.addresses import text as address_text
from harness.hybridge import ROOT

EXAMPLE = re.compile(r"^```sh\n(curl .*?)^```\n^```(json|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def fits(pattern: str, answer: str) -> bool:
    """Is the answer what the example says, white space aside?"""
    pieces = [re.escape(re.sub(r"\s+", "", piece)) for piece in pattern.split("…")]
    return re.fullmatch(".*".join(pieces), re.sub(r"\s+", "", answer)) is not None


def test_what_fits_an_example():
    assert fits('{"a": "…", "b": 1}', '{"a":"x","b":1}') and not fits('{"a": 1}', '{"a":2}')


def test_every_example_is_answered_as_it_says(make_edge):
    edge = make_edge()
    examples = EXAMPLE.findall((ROOT / "docs/API.md").read_text())
    assert len(examples) >= 10
    for command, kind, expected in examples:
        command = command.replace("127.0.0.1:9180", address_text(edge.admin_endpoint))
        done = subprocess.run(
            ["bash", "-c", command],
            env={**os.environ, "TOKEN": edge.token},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, (command, done.stderr)
        said = done.stdout
        if kind == "json" and is_json(expected):
            said, expected = sorted_json(said), sorted_json(expected)
        assert fits(expected, said), f"{command}\nanswered {done.stdout}\nwhere the documentation says {expected}"


def is_json(said: str) -> bool:
    """An example that leaves members out is none."""
    try:
        json.loads(said)
        return True
    except ValueError:
        return False


def sorted_json(said: str) -> str:
    return json.dumps(json.loads(said), sort_keys=True, ensure_ascii=False)


def test_every_call_and_every_code_is_told(make_edge):
    text = (ROOT / "docs/API.md").read_text()
    calls = make_edge().admin("GET", "/v1/openapi.json").json["paths"]
    untold = [path for path in calls if path not in text and f"`…/{path.rsplit('/', 1)[1]}`" not in text]
    assert len(calls) > 20 and untold == []
    codes = set()
    for source in (ROOT / "admin").glob("*.cc"):
        codes |= set(re.findall(r'problem\(\d{3}, "([a-z_]+)"', source.read_text()))
    assert len(codes) > 15 and [code for code in sorted(codes) if f"`{code}`" not in text] == []
