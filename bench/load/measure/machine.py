"""What was measured, and on what: never a host's name."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

from measure.peers import program


def first_line(*argv) -> str:
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().split("\n")[0]


def version_in(text: str) -> str:
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found.group() if found else text


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def system() -> str:
    for line in pathlib.Path("/etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return platform.system()


def describe(hybridge: pathlib.Path, root: pathlib.Path) -> dict:
    changed = first_line("git", "-C", root, "status", "--porcelain", "--untracked-files=no")
    return {
        "date": datetime.date.today().isoformat(),
        "machine": {
            "cpu": processor(),
            "processors": len(os.sched_getaffinity(0)),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)),
            "kernel": platform.release().split("-")[0],
            "system": system(),
        },
        "versions": {
            "hybridge": first_line(hybridge, "version").removeprefix("hybridge ") + (", with changes" if changed else ""),
            "nginx": version_in(first_line(program("nginx"), "-v")),
            "haproxy": version_in(first_line(program("haproxy"), "-v")),
            "openssl": version_in(first_line("openssl", "version")),
        },
    }


def load_average() -> float:
    """Of the last minute: what else goes on here."""
    return os.getloadavg()[0]
