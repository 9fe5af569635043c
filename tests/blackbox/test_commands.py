"""The commands that ask the running process, copy its state, and take over from an agent and back."""

import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile

import pytest

from harness.hybridge import BINARY, Hybridge, merged, run_command

NOBODY = 65534

ROUTES = {
    "servers": {"203.0.113.7": {"endpoints": [{"address": "203.0.113.7", "port": 80, "weight": 1}]}},
    "sites": {"acme.test": {"server": "203.0.113.7"}, "late.test": {"server": "203.0.113.7", "status": "suspended"}},
    "hosts": {"erp.test": {"site": "acme.test"}, "www.test": {"redirect": "erp.test"}, "*.cs.test": {}},
    "rules": [],
}


@pytest.fixture(scope="module")
def running(authority):
    edge = Hybridge(authority).start()
    edge.put_certificate("erp.test", authority.issue("erp.test"))
    assert edge.admin("PUT", "/v1/snapshot", ROUTES).status == 200
    yield edge
    edge.close()


def ask(edge: Hybridge, *words: str) -> str:
    done = run_command(*words, config=edge.config_path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def routes_of(config: pathlib.Path) -> dict:
    """What would be served from the stored state, as `explain` sees it."""
    answers = {}
    for host in ("acme.test", "late.test", "erp.test", "www.test", "acme.cs.test"):
        done = run_command("explain", f"https://{host}/", config=config)
        assert done.returncode == 0, done.stderr
        answers[host] = done.stdout.splitlines()[-1]
    return answers


def other_config(edge: Hybridge, directory: pathlib.Path) -> pathlib.Path:
    """That of an edge which has its own, empty state."""
    (directory / "state").mkdir(parents=True, exist_ok=True)
    config = directory / "hybridge.yaml"
    config.write_text(json.dumps(merged(edge.config, {"state_dir": str(directory / "state")})))
    return config


def test_status_is_told_by_the_running_process(running):
    assert "live_revision" in ask(running, "status")
    assert json.loads(ask(running, "status", "--json"))["sites"] == 2


def test_routes_are_told_for_humans_and_for_programs(running):
    lines = ask(running, "routes").splitlines()
    assert any(line.split() == ["erp.test", "acme.test", "203.0.113.7", "active"] for line in lines)
    assert any(line.split() == ["www.test", "->", "https://erp.test"] for line in lines)
    assert any("late.test" in line and "suspended" in line for line in lines)
    assert json.loads(ask(running, "routes", "--json"))["sites"].keys() == ROUTES["sites"].keys()


def test_a_url_is_explained_by_the_running_process_and_without_it_by_its_state(running, tmp_path):
    told = json.loads(ask(running, "explain", "https://late.test/app?a=1&b=2", "--json"))
    assert {"name": "site", "value": "late.test"} in told["steps"]
    assert told["answer"] == ask(running, "explain", "https://late.test/app?a=1&b=2").splitlines()[-1].split(": ", 1)[1].strip()
    ask(running, "backup", str(tmp_path / "copy.db"))
    config = other_config(running, tmp_path)
    (tmp_path / "copy.db").rename(tmp_path / "state" / "state.db")
    settings = json.loads(config.read_text()) | {"admin": {"socket": str(tmp_path / "none.sock")}}
    config.write_text(json.dumps(settings))
    stored = run_command("explain", "https://late.test/app?a=1&b=2", "--json", config=config)
    assert json.loads(stored.stdout) == told
    refused = run_command("explain", "ftp://late.test/", config=running.config_path)
    assert refused.returncode == 1 and "http" in refused.stderr


def test_the_build_is_named_however_it_is_asked_for():
    told = [run_command(word) for word in ("version", "--version")]
    assert [done.returncode for done in told] == [0, 0]
    assert told[0].stdout == told[1].stdout and re.fullmatch(r"hybridge \d+\.\d+\.\d+ \(\w+\)\n", told[0].stdout)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_log_on_an_inherited_stream_needs_no_right_to_open_it():
    """As in a container, whose user need not own its standard output."""
    with tempfile.TemporaryDirectory(prefix="hybridge-stream-") as directory:
        os.chown(directory, NOBODY, NOBODY)
        program = shutil.copy(BINARY, directory)
        config = pathlib.Path(directory, "hybridge.yaml")
        config.write_text(json.dumps({"state_dir": directory, "access_log": {"path": "/dev/stdout"}}))
        checked = subprocess.run([program, "check", "-c", config], user=NOBODY, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


def test_tokens_are_told_as_json(running):
    made = json.loads(ask(running, "token", "add", "machine", "--role", "read", "--json"))
    assert running.admin("GET", "/v1/status", token=made["token"]).status == 200
    listed = {each["name"]: each for each in json.loads(ask(running, "token", "list", "--json"))}
    assert listed["machine"]["role"] == "read" and "token" not in listed["machine"]
    assert listed["machine"]["created"] == made["created"]
    ask(running, "token", "remove", "machine")
    assert running.admin("GET", "/v1/status", token=made["token"]).status == 401


def test_the_audit_names_who_changed_what(running):
    newest = ask(running, "audit", "--limit", "1")
    assert "tests" in newest and "PUT /v1/snapshot" in newest


def test_a_process_that_is_not_there_is_named(authority, tmp_path):
    config = tmp_path / "hybridge.yaml"
    config.write_text(json.dumps({"admin": {"socket": str(tmp_path / "none.sock")}}))
    done = run_command("status", config=config)
    assert done.returncode == 1 and "none.sock: no hybridge answers there" in done.stderr


def test_a_backup_is_a_whole_state(running, tmp_path):
    (tmp_path / "state").mkdir()
    copy = tmp_path / "state" / "state.db"
    ask(running, "backup", str(copy))
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sqlite3.connect(copy).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert routes_of(other_config(running, tmp_path)) == routes_of(running.config_path)
    again = run_command("backup", str(copy), config=running.config_path)
    assert again.returncode == 1 and "exists" in again.stderr


def test_an_agents_folder_goes_out_and_comes_back(running, tmp_path):
    folder = tmp_path / "agent"
    ask(running, "export-agent", str(folder))
    assert (folder / "nginx/upstreams/203.0.113.7/late.test").read_text() == "suspended"
    assert json.loads((folder / "nginx/hosts/erp.test/map.json").read_text()) == {"erp.test": "acme.test"}
    assert "PRIVATE KEY" in (folder / "nginx/hosts/erp.test/privkey.pem").read_text()

    config = other_config(running, tmp_path)
    done = run_command("import-agent", str(folder), config=config)
    assert done.returncode == 0, done.stderr
    assert "1 servers, 2 sites, 3 hosts, 1 certificates" in done.stdout
    assert routes_of(config) == routes_of(running.config_path)


def test_nothing_is_imported_under_a_running_process(running, tmp_path):
    (tmp_path / "nginx" / "upstreams").mkdir(parents=True)
    done = run_command("import-agent", str(tmp_path), config=running.config_path)
    assert done.returncode == 1 and "in use by another hybridge" in done.stderr
