"""Another process takes over: nothing is lost on the way, and nothing is lost when it fails."""

import asyncio
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import threading
import time

import pytest
import websockets

from harness.addresses import free_endpoint, text
from harness.hybridge import BINARY, run_command
from harness.load import Load
from harness.probing import accepts
from harness.scripted_origin import answering, ok
from harness.supervised import BOUND, Heir, Supervised
from harness.tls_client import client_context
from harness.waiting import PATIENCE, SLOWNESS, wait_until
from harness.websocket_origin import WebSocketOrigin

@pytest.fixture
def own_binary(tmp_path) -> pathlib.Path:
    """A copy that a test may replace, as a package manager does: by renaming a new file over it."""
    path = tmp_path / "bin" / "hybridge"
    path.parent.mkdir()
    shutil.copy2(BINARY, path)
    return path


def replace(binary: pathlib.Path, content: str) -> None:
    fresh = binary.with_suffix(".new")
    fresh.write_text(content)
    fresh.chmod(0o755)
    fresh.rename(binary)


def pid_of(edge: Supervised) -> int:
    return edge.admin("GET", "/v1/status").json["pid"]


class Writer:
    """Puts one site after the other, each by a call of its own, and remembers what was acknowledged."""

    def __init__(self, edge: Supervised):
        self.edge, self.acknowledged, self.failures = edge, [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            name = f"written{number}.test"
            try:
                answer = self.edge.admin("PUT", f"/v1/sites/{name}", {"server": "server-of-load.test"})
                if answer.status == 200:
                    self.acknowledged.append(name)
                else:
                    self.failures.append(str(answer))
            except OSError as failure:
                self.failures.append(repr(failure))
            number += 1

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()


def assert_upgrades_lose_nothing(edge: Supervised, origin, times: int) -> None:
    edge.add_site("load.test", origin)
    edge.expected_errors = [r"access log: \d+ lines lost"]  # a slow disk costs lines, never requests
    plain = Load(edge.plain_client, lambda client: client.get("load.test"))
    posting = Load(edge.plain_client, lambda client: client.get("load.test", "/p", "POST", body=b"x" * 2000), threads=1)
    context = client_context(edge.authority, check=False)
    fresh = Load(
        lambda: edge.tls_client("load.test", context), lambda client: client.get("load.test"), keep_alive=False, threads=1
    )
    pids = {pid_of(edge)}
    with plain, posting, fresh, Writer(edge) as writer:
        for _ in range(times):
            edge.upgrade(seconds=6 * PATIENCE)
            pids.add(edge.process.pid)
            for load in (plain, posting, fresh):
                load.await_progress()
    assert plain.failures + posting.failures + fresh.failures == []
    assert writer.failures == [] and writer.acknowledged
    assert len(pids) == times + 1 and pid_of(edge) == edge.process.pid
    sites = edge.admin("GET", "/v1/snapshot").json["sites"]
    assert [name for name in writer.acknowledged if name not in sites] == []
    for process in edge.retired:
        assert process.wait(PATIENCE + BOUND) == 0


def test_upgrades_under_load_lose_nothing(make_supervised, make_origin):
    assert_upgrades_lose_nothing(make_supervised(), make_origin(answering(ok(b"x"))), 4)


@pytest.mark.slow
@pytest.mark.parametrize("io", ["epoll", "ring"])
def test_a_hundred_upgrades_in_a_row_lose_nothing(make_supervised, make_origin, io):
    assert_upgrades_lose_nothing(make_supervised({"io": io}), make_origin(answering(ok(b"x"))), 100)


def test_a_service_manager_is_told_whom_to_watch(make_supervised):
    edge = make_supervised()
    before = edge.upgrade()
    told = [line for line in edge.notifications() if line and not line.startswith(("WATCHDOG", "MONOTONIC"))]
    assert told == ["READY=1", "RELOADING=1", f"MAINPID={edge.process.pid}", "READY=1"]
    said = len(edge.notifications())
    wait_until(lambda: "WATCHDOG=1" in edge.notifications()[said:], "the new process to report to the watchdog")
    assert before.wait(PATIENCE + BOUND) == 0


def test_the_admin_api_is_answered_by_the_new_process(make_supervised):
    edge = make_supervised({"shutdown_timeout": "30s"})
    edge.upgrade()
    assert {pid_of(edge) for _ in range(20)} == {edge.process.pid}
    outcome = edge.command("status")  # over the Unix socket
    assert f"pid                      {edge.process.pid}" in outcome.stdout, outcome.stdout + outcome.stderr


def test_the_command_says_who_has_taken_over(make_supervised):
    edge = make_supervised()
    outcome = edge.command("upgrade")
    assert outcome.returncode == 0, outcome.stderr
    assert f"has taken over from process {edge.process.pid}" in outcome.stdout
    edge.adopt(pid_of(edge))


def test_only_admins_may_ask_for_it(make_supervised):
    edge = make_supervised()
    reader = edge.make_token("reader", "route")
    assert edge.admin("POST", "/v1/upgrade", token=reader).status == 403
    assert "upgrade" not in edge.admin("GET", "/v1/status").json


def test_what_is_under_way_ends_where_it_began(make_supervised, make_origin):
    edge = make_supervised({"shutdown_timeout": "30s"})
    release = threading.Event()

    def script(connection):
        while connection.read_request() is not None:
            release.wait(PATIENCE)
            connection.send(ok(b"finished"))

    origin = make_origin(script)
    edge.add_site("slow.test", origin)
    with edge.plain_client() as client:
        client.request("slow.test")
        origin.wait_for_requests(1)
        before = edge.upgrade()
        release.set()
        answer = client.response()
    assert answer.content == "finished" and answer.text("connection") == "close"
    assert before.wait() == 0  # nothing is left there: it does not wait for its time to be over


def test_an_idle_connection_brings_its_next_request_and_is_judged_by_the_newest_table(make_supervised, make_origin):
    edge = make_supervised({"shutdown_timeout": "30s"})
    edge.add_site("kept.test", make_origin(answering(ok(b"x"))))
    with edge.plain_client() as first, edge.plain_client() as second:
        assert first.get("kept.test").status == 200 and second.get("kept.test").status == 200
        before = edge.upgrade()
        answer = first.get("kept.test")
        assert answer.status == 200 and answer.text("connection") == "close" and first.is_closed()
        edge.routes["sites"]["kept.test"]["status"] = "suspended"
        edge.put_routes()  # live, also in the process that is ending
        assert before.is_alive()
        assert second.get("kept.test").status == 402


def test_sessions_resume_across_it(make_supervised, make_origin):
    edge = make_supervised()
    edge.add_site("tls.test", make_origin(answering(ok(b"x"))))
    edge.put_certificate("tls.test", edge.authority.issue("tls.test"))
    context = client_context(edge.authority)
    with edge.tls_client("tls.test", context) as client:
        assert client.get("tls.test").status == 200
        session = client.socket.session
    edge.upgrade()
    with edge.tls_client("tls.test", context, session=session) as client:
        assert client.get("tls.test").status == 200
        assert client.socket.session_reused


def test_websockets_are_kept_to_the_end_of_their_time(make_supervised):
    edge = make_supervised()
    origin = WebSocketOrigin()
    edge.add_site("ws.test", origin)

    async def story():
        async with websockets.connect("ws://ws.test/", host=edge.http[0], port=edge.http[1]) as old:
            await old.send("before")
            assert await old.recv() == "before"
            before = await asyncio.to_thread(edge.upgrade)
            began = time.monotonic()
            async with websockets.connect("ws://ws.test/", host=edge.http[0], port=edge.http[1]) as new:
                with contextlib.suppress(websockets.ConnectionClosed):
                    while True:
                        await old.send("still")
                        assert await old.recv() == "still"
                        await asyncio.sleep(0.01)
                kept = time.monotonic() - began
                await new.send("here")
                assert await new.recv() == "here"
        return before, kept

    before, kept = asyncio.run(story())
    assert kept > 0.9 * BOUND, kept
    assert before.wait() == 0
    origin.close()


def test_a_stopped_edge_starts_again_while_an_older_process_still_drains(make_supervised):
    edge = make_supervised({"shutdown_timeout": "30s"})
    origin = WebSocketOrigin()
    edge.add_site("ws.test", origin)

    async def story():
        async with websockets.connect("ws://ws.test/", host=edge.http[0], port=edge.http[1]) as socket:
            before = await asyncio.to_thread(edge.upgrade)
            assert await asyncio.to_thread(edge.process.stop) == 0
            assert not accepts(edge.http)  # nobody is left waiting in a queue that nobody takes from
            await asyncio.to_thread(edge.start)
            await socket.send("alive")
            assert await socket.recv() == "alive" and before.is_alive()

    asyncio.run(story())
    origin.close()


# Another configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_another_number_of_workers_comes_with_it(make_supervised, make_origin, workers):
    edge = make_supervised()
    edge.add_site("load.test", make_origin(answering(ok(b"x"))))
    edge.config["workers"] = workers
    edge.write_config()
    fresh = Load(edge.plain_client, lambda client: client.get("load.test"), keep_alive=False)
    with fresh:
        before = edge.upgrade()
        assert before.wait(PATIENCE + BOUND) == 0
        fresh.await_progress(100)
    assert fresh.failures == [] and edge.admin("GET", "/v1/status").json["workers"] == workers


def test_other_addresses_come_with_it(make_supervised, make_origin):
    edge = make_supervised()
    edge.add_site("moved.test", make_origin(answering(ok(b"x"))))
    left, edge.http = edge.http, free_endpoint()
    edge.config["listen"]["http"] = [text(edge.http)]
    edge.write_config()
    before = edge.upgrade()
    with edge.plain_client() as client:
        assert client.get("moved.test").status == 200
    assert before.wait(PATIENCE + BOUND) == 0
    assert not accepts(left)


# Refusals -------------------------------------------------------------------------------------------------------------


def assert_goes_on(edge: Supervised, why: str) -> None:
    """The upgrade was refused for that reason, and all is as it was: traffic, reads, writes, and who is watched."""
    edge.expected_errors = [r"no upgrade", r".*"]
    outcome = edge.command("upgrade")
    assert outcome.returncode == 1 and why in outcome.stderr, outcome.stdout + outcome.stderr
    assert why in edge.admin("GET", "/v1/status").json["upgrade"]
    wait_until(lambda: why in edge.process.stderr(), "the log to say why")
    assert pid_of(edge) == edge.process.pid == edge.main_pid()
    assert edge.notifications()[-1] in ("READY=1", "WATCHDOG=1")
    edge.put_routes()
    with edge.plain_client() as client:
        assert client.get("here.test").status == 200


@pytest.fixture
def replaceable(make_supervised, make_origin, own_binary) -> Supervised:
    edge = make_supervised(binary=own_binary)
    edge.add_site("here.test", make_origin(answering(ok(b"x"))))
    return edge


@pytest.mark.parametrize(
    "content, why",
    [
        ("#!/bin/sh\nexit 3\n", "the new process ended with status 3 before it was ready"),
        ("#!/bin/sh\nkill -SEGV $$\n", "the new process was ended by signal 11 before it was ready"),
        ("not a program", "cannot be started"),
    ],
    ids=["exits", "crashes", "is no program"],
)
def test_a_binary_that_does_not_come_up_changes_nothing(replaceable, own_binary, content, why):
    replace(own_binary, content)
    assert_goes_on(replaceable, why)
    shutil.copy2(BINARY, own_binary.with_suffix(".good"))
    own_binary.with_suffix(".good").rename(own_binary)
    replaceable.upgrade()  # the next one may be better


def test_a_binary_that_hangs_changes_nothing(make_supervised, make_origin, own_binary):
    edge = make_supervised({"upgrade_timeout": "1s"}, own_binary)
    edge.add_site("here.test", make_origin(answering(ok(b"x"))))
    replace(own_binary, "#!/bin/sh\nexec sleep 1000\n")
    assert_goes_on(edge, "did not answer in time")
    assert children_of(edge.process.pid) == []  # it has been ended


def test_a_binary_that_is_missing_changes_nothing(replaceable, own_binary):
    own_binary.unlink()
    assert_goes_on(replaceable, "cannot be started")


@pytest.mark.parametrize(
    "change, why",
    [
        (lambda edge: edge.config.update(workerz=3), "workerz"),
        (lambda edge: edge.config.update(state_dir=str(edge.directory / "elsewhere")), "that takes a restart"),
        (lambda edge: edge.config.update(default_certificate={"chain": "/nowhere", "key": "/nowhere"}), "/nowhere"),
    ],
    ids=["unknown key", "another state", "no certificate"],
)
def test_a_configuration_with_faults_changes_nothing(replaceable, change, why):
    good = dict(replaceable.config)
    (replaceable.directory / "elsewhere").mkdir()
    change(replaceable)
    replaceable.config_path.write_text(json.dumps(replaceable.config))
    if why == "workerz":  # the command reads the same file
        replaceable.expected_errors = [r".*"]
        assert replaceable.admin("POST", "/v1/upgrade").status == 202
        wait_until(lambda: why in replaceable.admin("GET", "/v1/status").json["upgrade"], "the refusal")
        replaceable.config = good
        replaceable.write_config()
        return
    assert_goes_on(replaceable, why)


def test_an_address_that_somebody_else_has_changes_nothing(replaceable):
    import socket

    with socket.create_server(free_endpoint()) as taken:
        replaceable.config["listen"]["http"].append(text(taken.getsockname()))
        replaceable.write_config()
        assert_goes_on(replaceable, "another process has this port")


def test_a_handover_to_nobody_is_refused(tmp_path):
    edge_config = tmp_path / "hybridge.yaml"
    edge_config.write_text("")
    outcome = run_command("run", config=edge_config, env={"HYBRIDGE_HANDOVER": "77"})
    assert outcome.returncode == 1 and "HYBRIDGE_HANDOVER=77 names no socket" in outcome.stderr


# Deaths ---------------------------------------------------------------------------------------------------------------


def children_of(pid: int) -> list[int]:
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(pid):
                found.append(int(entry.name))
    return found


def settle(edge: Supervised, old, new: int | None) -> None:
    """Finds who serves now, as a service manager would: the main process, or else a fresh start."""
    main = edge.main_pid()
    if main == new:
        edge.adopt(new)
    if not edge.process.is_alive() and new is not None and main != new and pathlib.Path(f"/proc/{new}").exists():
        edge.adopt(new)  # it takes the place of the one that died while it handed over
    if not edge.process.is_alive():
        old.kill()
        edge.is_asked_to_end = False
        edge.start()
    edge.wait_until_ready()


@pytest.mark.parametrize("victim", ["old", "new"])
def test_a_kill_at_any_instant_leaves_an_edge_that_serves(make_supervised, make_origin, victim):
    edge = make_supervised()
    edge.add_site("here.test", make_origin(answering(ok(b"x"))))
    edge.expected_errors = [r"no upgrade"]
    chance = random.Random(os.environ.get("HYBRIDGE_TEST_SEED", "7") + victim)
    for round_number in range(12):
        old = edge.process
        said = edge.notifications().count("READY=1")
        old.send_signal(signal.SIGUSR2)
        new = wait_until(lambda: children_of(old.pid), "the new process")[0]
        time.sleep(chance.uniform(0, 0.12) * SLOWNESS)  # the instant is what is drawn here, not waited for
        os.kill(old.pid if victim == "old" else new, signal.SIGKILL)
        if victim == "old":
            old.wait()
            heir = Heir(old, new)  # it serves, or has found nobody to take over from
            wait_until(lambda: edge.notifications().count("READY=1") > said or not heir.is_alive(), "an outcome")
        else:
            wait_until(lambda: edge.notifications().count("READY=1") > said or not old.is_alive(), "an outcome")
            wait_until(lambda: not Heir(old, new).is_alive(), "the death of the new process")
        settle(edge, old, new)
        edge.routes["sites"][f"round{round_number}.test"] = {"server": "server-of-here.test"}
        edge.put_routes()
        with edge.plain_client() as client:
            assert client.get("here.test").status == 200
    sites = edge.admin("GET", "/v1/snapshot").json["sites"]
    assert all(f"round{number}.test" in sites for number in range(12))
