#!/usr/bin/env python3
"""How many instructions a request costs: counted by callgrind, compared with what is committed.

    guard.py PROGRAM SEQUENCE COMPILER      one sequence, as ctest runs it
    guard.py PROGRAM --write COMPILER       all sequences; writes expected.json for that compiler

Only instructions of the program itself count (Hybridge's code, with what is inlined into it), not those of shared
libraries: OpenSSL and libc choose their code by the processor. Only the worker's thread is counted. A sequence fails
when it costs over 4 % more than expected; a handshake's fails over 15 % more, because in how many turns of the loop its
pieces come is the scheduler's affair (28,000 to 33,700 were seen). Exit 77 (skipped): there is no figure for this compiler.
"""
from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import tempfile

TOLERANCE = 0.04
TOLERANCES = {"handshake": 0.15}
SKIPPED = 77
EXPECTED = pathlib.Path(__file__).with_name("expected.json")
NAME = re.compile(r"^(c?ob)=\((\d+)\)(?: (.*))?$")


def instructions(profile: pathlib.Path, program: str) -> tuple[int, int]:
    """Self cost in the program, and in everything, of one callgrind profile."""
    names: dict[str, str] = {}
    current = ""
    own = total = 0
    is_call = False
    for line in profile.read_text().splitlines():
        if match := NAME.match(line):
            if match[3]:
                names[match[2]] = match[3]
            if match[1] == "ob":
                current = names[match[2]]
        elif line.startswith("calls="):
            is_call = True
        elif line and line[0] in "0123456789+-*":
            if not is_call:  # the line after calls= is the callee's cost
                cost = int(line.split()[1])
                total += cost
                own += cost if current == program else 0
            is_call = False
    return own, total


def count(program: str, sequence: str) -> tuple[int, int]:
    with tempfile.TemporaryDirectory() as directory:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={directory}/profile",
             program, sequence],
            env={"PATH": "/usr/bin:/bin", "HYBRIDGE_TEST_IO": "epoll"},
            capture_output=True, text=True, timeout=280, check=False)
        if run.returncode != 0:
            sys.exit(f"guard: the sequence failed:\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
        requests = int(run.stdout.split()[0])
        asked_for = [file for file in sorted(pathlib.Path(directory).glob("profile.*"))
                     if "Trigger: Client Request" in file.read_text()]
        if len(asked_for) != 1:
            sys.exit(f"guard: callgrind left {len(asked_for)} profiles of the worker where one was expected")
        own, total = instructions(asked_for[0], program)
    return own // requests, total // requests


def sequences(program: str) -> list[str]:
    usage = subprocess.run([program], capture_output=True, text=True, check=False).stderr
    return usage.split("of:")[1].split()


def write(program: str, compiler: str) -> None:
    expected = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    expected[compiler] = {}
    for sequence in sequences(program):
        own, total = count(program, sequence)
        expected[compiler][sequence] = own
        print(f"{sequence}: {own} instructions of ours a request, {total} with libraries")
    EXPECTED.write_text(json.dumps(expected, indent=2) + "\n")


def guard(program: str, sequence: str, compiler: str) -> int:
    expected = json.loads(EXPECTED.read_text()).get(compiler, {}).get(sequence)
    if expected is None:
        print(f"there is no figure for {sequence} by {compiler}: guard.py PROGRAM --write {compiler} makes it")
        return SKIPPED
    own, total = count(program, sequence)
    change = own / expected - 1
    print(f"{sequence}: {own} instructions of ours a request ({total} with libraries), expected {expected}: {change:+.1%}")
    tolerance = TOLERANCES.get(sequence, TOLERANCE)
    if change > tolerance:
        print("a request costs more than it did: find out why, or say in the commit why it is worth it")
        return 1
    if change < -tolerance:
        print("a request costs less than it did: commit the new figure (--write), so that it stays so")
    return 0


def main() -> int:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    program = str(pathlib.Path(sys.argv[1]).resolve())
    if sys.argv[2] == "--write":
        write(program, sys.argv[3])
        return 0
    return guard(program, sys.argv[2], sys.argv[3])


if __name__ == "__main__":
    sys.exit(main())
