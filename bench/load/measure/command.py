"""The command line of bench/load/run."""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from measure import change, holds, loads, machine, network, report, scale
from measure.generator import Generator
from measure.peers import Hybridge
from measure.processes import Failure, Precedence, processors, raise_descriptor_limit
from measure.world import World

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / "build" / "release"
SCENARIOS = (*loads.SCENARIOS, *change.SCENARIOS, *scale.SCENARIOS, *holds.SCENARIOS)


def options_of(argv: list[str] | None) -> argparse.Namespace:
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="bench/load/run", description="Hybridge beside nginx and HAProxy")
    parser.add_argument("scenario", nargs="*", help="which; none: all (--list)")
    parser.add_argument("--rounds", type=int, default=5, help="times that every peer has its turn (5)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measured time (1.5)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="keep everything, each round included")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="the tables of bench/README.md")
    parser.add_argument("--quick", action="store_true", help="one short round: to see that all of it works")
    parser.add_argument("--idle", type=int, default=10_000, help="connections of `idle` (10,000)")
    parser.add_argument("--held", type=int, default=20_000, help="requests of `holds` over HTTP/2; over HTTP/1.1 a quarter (20,000)")
    parser.add_argument("--hosts", type=int, default=100_000, help="of `hosts`, for Hybridge (100,000)")
    parser.add_argument("--peer-hosts", type=int, default=2_000, help="of `hosts`, for nginx and HAProxy (2,000)")
    parser.add_argument("--changes", type=int, default=10, help="of `change`, at each number of hosts (10; nginx half of it)")
    parser.add_argument(
        "--change-hosts", type=int, nargs="+", default=[1, 10_000, 100_000], help="Hybridge's (1 10,000 100,000)"
    )
    parser.add_argument("--change-peer-hosts", type=int, nargs="+", default=[1, 1_000], help="nginx's (1 1,000)")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--no-build", action="store_true", help="take build/release as it is")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.scenario) - set(names))
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there are: {', '.join(names)}")
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds are above 0")
    if options.quick:
        options.rounds, options.seconds = 1, 0.5
        options.idle, options.hosts, options.peer_hosts, options.changes = 500, 1_000, 200, 2
        options.held = 400
        options.change_hosts, options.change_peer_hosts = [1, 1_000], [1, 100]
    return options


def build() -> None:
    subprocess.run([ROOT / "tools/install-packages", "run", "bench"], check=True)
    configured = os.environ | {"CONFIGURE": f"{os.environ.get('CONFIGURE', '')} -DHYBRIDGE_BENCH=ON"}
    subprocess.run([ROOT / "tools/build", "release", "hybridge", "hybridge_load_generator"], check=True, env=configured)


def measure(options: argparse.Namespace, facts: dict) -> dict:
    results = {}
    with World(Generator(BUILD / "bench/load/generator")) as world:
        for scenario in SCENARIOS:
            if options.scenario and scenario.name not in options.scenario:
                continue
            print(f"\n{scenario.name}: {scenario.title}", flush=True)
            began = time.monotonic()
            result = scenario.run(world, options, lambda text: print(f"  {text}", flush=True))
            result |= {"title": scenario.title, "took_s": time.monotonic() - began, "load_average": machine.load_average()}
            print(report.text_of(result), flush=True)
            results[scenario.name] = result
            keep(options, facts | {"scenarios": results})
    return results


def keep(options: argparse.Namespace, everything: dict) -> None:
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(report.markdown(everything))


def main(argv: list[str] | None = None) -> int:
    options = options_of(argv)
    if options.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:14} {scenario.title}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if not options.no_build:
            build()
        Hybridge.binary = BUILD / "hybridge"
        facts = machine.describe(Hybridge.binary, ROOT)
        facts["run"] = {"rounds": options.rounds, "seconds": options.seconds, "descriptors": raise_descriptor_limit()}
        facts["run"]["load_average_before"] = machine.load_average()
        facts["network"] = network.enter()
        print(report.heading(facts))
        proxy, others = processors()
        os.sched_setaffinity(0, others)
        print(
            f"each proxy on processor {proxy}, load and backend on {others}; {options.rounds} rounds of {options.seconds} s;"
            f" load average before: {machine.load_average():.1f}"
        )
        with Precedence() as comes_first:
            facts["run"]["comes_first"] = comes_first
            results = measure(options, facts)
    except (Failure, subprocess.CalledProcessError) as failure:
        print(f"bench/load/run: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    keep(options, facts | {"scenarios": results})
    return 0
