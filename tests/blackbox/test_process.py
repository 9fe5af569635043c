"""Signals, draining, restarts, and the messages that an operator reads."""

import signal
import socket
import threading

import pytest

from harness.addresses import text
from harness.hybridge import run_command
from harness.messages import Truncated
from harness.probing import accepts
from harness.scripted_origin import answering, ok
from harness.waiting import wait_until


def waiting_script(release: threading.Event, body: bytes = b"finished"):
    def script(connection):
        while connection.read_request() is not None:
            release.wait(20)
            connection.send(ok(body))

    return script


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_graceful_stop_finishes_what_is_in_flight(make_edge, make_origin, number):
    edge = make_edge({"redirect_to_https": False})
    release = threading.Event()
    origin = make_origin(waiting_script(release))
    edge.add_site("drain.test", origin)
    client, idle = edge.plain_client(), edge.plain_client()
    assert idle.get("nobody.test").status == 307  # an idle keep-alive connection
    client.request("drain.test")
    origin.wait_for_requests(1)
    edge.ask_to_end(number)
    assert idle.is_closed()
    wait_until(lambda: not accepts(edge.http), "the listeners to close")
    assert edge.process.is_alive()
    release.set()
    answer = client.response()
    assert answer.content == "finished" and answer.text("connection") == "close"
    assert edge.wait_for_end(10) == 0
    client.close()


def test_a_graceful_stop_is_bounded(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False, "shutdown_timeout": "500ms"})
    release = threading.Event()
    origin = make_origin(waiting_script(release))
    edge.add_site("stuck.test", origin)
    client = edge.plain_client()
    client.request("stuck.test")
    origin.wait_for_requests(1)
    edge.ask_to_end(signal.SIGTERM)
    edge.wait_for_end(10)
    release.set()
    with pytest.raises(Truncated):
        assert client.response().status == 503
        raise Truncated(None, b"")
    client.close()


def test_readiness_ends_when_draining_begins_and_liveness_does_not(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False})
    release = threading.Event()
    origin = make_origin(waiting_script(release))
    edge.add_site("drain.test", origin)
    assert edge.admin("GET", "/livez", token=None).status == 200
    client = edge.plain_client()
    client.request("drain.test")
    origin.wait_for_requests(1)
    edge.ask_to_end(signal.SIGTERM)
    wait_until(lambda: not accepts(edge.http), "the listeners to close")

    def not_ready() -> bool:
        try:
            return edge.admin("GET", "/readyz", token=None).status == 503
        except OSError:
            return True  # the admin listener may go, too

    wait_until(not_ready, "/readyz to say 503")
    release.set()
    assert client.response().status == 200
    edge.wait_for_end(10)
    client.close()


def test_no_request_is_lost_by_a_stop_under_load(make_edge, make_origin):
    """Each request that was accepted is answered; a connection may end between two."""
    edge = make_edge({"redirect_to_https": False})
    edge.add_site("load.test", make_origin(answering(ok(b"x"))))
    broken, answered, stop = [], [0], threading.Event()

    def load():
        while not stop.is_set():
            try:
                with edge.plain_client() as client:
                    while True:
                        answer = client.get("load.test")
                        answered[0] += 1
                        if answer.status != 200:
                            broken.append(answer.status)
                        if answer.text("connection") == "close":
                            break
            except Truncated as truncated:
                if truncated.partial is not None or truncated.raw not in (b"", b"(reset)"):
                    broken.append(truncated)
            except OSError:
                return

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: answered[0] > 200, "load")
    edge.ask_to_end(signal.SIGTERM)
    assert edge.wait_for_end(20) == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert broken == []


def test_the_pushed_state_survives_a_kill(make_edge, make_origin, authority):
    edge = make_edge()
    edge.put_certificate("kept.test", authority.issue("kept.test"))
    edge.add_site("kept.test", make_origin(answering(ok(b"kept"))))
    revision = edge.admin("GET", "/v1/snapshot").headers["etag"]
    edge.kill_and_start_again()
    with edge.tls_client("kept.test") as client:  # verifies the pushed certificate
        assert client.get("kept.test").content == "kept"
    answer = edge.admin("GET", "/v1/snapshot")
    assert answer.headers["etag"] == revision and answer.json["sites"] == edge.routes["sites"]


def test_every_acknowledged_push_survives_a_kill(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False})
    origin = make_origin()
    for round_number in range(5):
        edge.add_site(f"push{round_number}.test", origin)
        edge.kill_and_start_again()
        with edge.plain_client() as client:
            assert client.get(f"push{round_number}.test").status == 200


def test_the_store_is_readable_by_nobody_else(edge):
    state = edge.directory / "state"
    assert state.stat().st_mode & 0o077 == 0 or all(path.stat().st_mode & 0o077 == 0 for path in state.iterdir())


def test_keys_are_encrypted_in_the_store_by_a_key_from_outside(make_edge, authority):
    edge = make_edge(start=False)
    edge.start()
    edge.put_certificate("before.test", authority.issue("before.test"))
    assert edge.stop() == 0
    (edge.directory / "state-key").write_text("0123456789abcdef" * 4 + "\n")
    edge.config["state_key"] = str(edge.directory / "state-key")
    edge.is_asked_to_end = False
    edge.start()
    edge.put_certificate("after.test", authority.issue("after.test"))
    for name in ("before.test", "after.test"):
        with edge.tls_client(name) as client:
            assert client.socket.getpeercert()["subjectAltName"] == (("DNS", name),)
    assert edge.stop() == 0
    for path in (edge.directory / "state").iterdir():
        if path.suffix != ".pem":
            assert b"PRIVATE KEY" not in path.read_bytes(), path
    edge.config["state_key"] = ""
    edge.write_config()
    refused = run_command("run", config=edge.config_path)
    assert refused.returncode == 1 and "state_key must name the key" in refused.stderr


def test_the_key_of_the_store_is_changed_while_it_serves(make_edge, authority):
    edge = make_edge(start=False)
    old, new = (edge.directory / name for name in ("state-key", "new-state-key"))
    old.write_text("0123456789abcdef" * 4)
    new.write_text("fedcba9876543210" * 4)
    edge.config["state_key"] = str(old)
    edge.start()
    edge.put_certificate("a.test", authority.issue("a.test"))
    rotated = run_command("rotate-state-key", str(new), config=edge.config_path)
    assert rotated.returncode == 0 and "name it by state_key" in rotated.stdout, rotated.stderr
    edge.kill_and_start_again()  # before anybody has told it
    edge.config["state_key"] = str(new)
    edge.kill_and_start_again()
    with edge.tls_client("a.test") as client:
        assert client.socket.getpeercert()["subjectAltName"] == (("DNS", "a.test"),)
    assert edge.stop() == 0
    edge.config["state_key"] = str(old)
    edge.write_config()
    refused = run_command("run", config=edge.config_path)
    assert refused.returncode == 1 and "is not the key" in refused.stderr


# Configuration --------------------------------------------------------------------------------------------------------


@pytest.fixture
def configured(make_edge):
    edge = make_edge(start=False)
    edge.write_config()
    (edge.directory / "state").mkdir()
    return edge


def check(edge, content: str | None = None):
    if content is not None:
        edge.config_path.write_text(content)
    return run_command("check", config=edge.config_path)


def test_check_accepts_a_good_configuration(configured):
    outcome = check(configured)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_check_accepts_an_empty_configuration_and_the_shipped_one(configured):
    from harness.hybridge import ROOT

    assert check(configured, f"state_dir: {configured.directory}/state\n").returncode == 0
    shipped = (ROOT / "conf" / "hybridge.yaml").read_text()
    outcome = check(configured, shipped)
    faults = [line for line in (outcome.stdout + outcome.stderr).splitlines() if "hybridge.yaml:" in line]
    assert not any("unknown" in fault.lower() for fault in faults), faults


@pytest.mark.parametrize(
    "content, place, word",
    [
        ("workers: 2\nworkerz: 3\n", ":2:1:", "workerz"),
        ("limits:\n  headers: 50\n  header_byte: 1k\n", ":3:3:", "header_byte"),
        ("limits:\n  headers: many\n", ":2:12:", "many"),
        ("timeouts: { connect: 5 parsecs }\n", ":1:", "connect"),
        ("listen: { https: [\"0.0.0.0:99999\"] }\n", ":1:", "99999"),
        ("domain: \"not a name\"\n", ":1:9:", "not a name"),
        ("trusted_proxies: [10.0.0.0/33]\n", ":1:", "10.0.0.0/33"),
        ("workers: [\n", ":", "YAML"),
    ],
)
def test_check_names_file_line_and_column(configured, content, place, word):
    outcome = check(configured, content)
    said = outcome.stdout + outcome.stderr
    assert outcome.returncode == 1
    assert f"{configured.config_path}{place}" in said and word in said, said


def test_check_lists_all_faults_at_once(configured):
    outcome = check(configured, "a: 1\nb: 2\nlimits: { c: 3 }\n")
    said = outcome.stdout + outcome.stderr
    assert all(f"{configured.config_path}:{line}:" in said for line in (1, 2, 3)), said


def test_run_refuses_what_check_refuses(configured):
    configured.config_path.write_text("workerz: 3\n")
    outcome = run_command("run", config=configured.config_path)
    assert outcome.returncode != 0 and f"{configured.config_path}:1:1:" in outcome.stderr


def test_a_missing_configuration_is_named(configured):
    outcome = run_command("run", config=configured.directory / "nowhere.yaml")
    assert outcome.returncode != 0 and "nowhere.yaml" in outcome.stderr


def test_a_missing_certificate_is_named(configured):
    configured.config["default_certificate"] = {"chain": "/nowhere/chain.pem", "key": "/nowhere/key.pem"}
    configured.write_config()
    for outcome in (check(configured), run_command("run", config=configured.config_path)):
        assert outcome.returncode != 0 and "/nowhere/chain.pem" in outcome.stdout + outcome.stderr


def test_a_certificate_and_key_that_do_not_match_are_named(configured, authority):
    chain, _ = authority.issue("a.test").write(configured.directory, "one")
    _, key = authority.issue("a.test").write(configured.directory, "two")
    configured.config["default_certificate"] = {"chain": chain, "key": key}
    configured.write_config()
    outcome = check(configured)
    assert outcome.returncode == 1 and "does not belong to the certificate" in outcome.stdout + outcome.stderr


@pytest.mark.parametrize("listener", ["https", "http", "admin"])
def test_a_port_in_use_is_named(configured, listener):
    endpoint = {"https": configured.https, "http": configured.http, "admin": configured.admin_endpoint}[listener]
    with socket.create_server(endpoint):
        outcome = run_command("run", config=configured.config_path)
    assert outcome.returncode != 0
    assert text(endpoint) in outcome.stderr and "in use" in outcome.stderr.lower(), outcome.stderr


def test_version_names_the_program(configured):
    outcome = run_command("version")
    assert outcome.returncode == 0 and outcome.stdout.startswith("hybridge ") and any(c.isdigit() for c in outcome.stdout)


def test_an_unknown_command_is_refused():
    assert run_command("frobnicate").returncode != 0


# Explain --------------------------------------------------------------------------------------------------------------


def explained(edge, url: str) -> str:
    outcome = run_command("explain", url, config=edge.config_path)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def test_explain_tells_what_would_happen(edge, origin, authority):
    edge.put_certificate("told.test", authority.issue("told.test"))
    edge.add_site("told.test", origin)
    edge.routes["hosts"]["was.told.test"] = {"redirect": "told.test"}
    edge.routes["sites"]["late.told.test"] = {"server": "server-of-told.test", "status": "suspended"}
    edge.put_routes()
    said = explained(edge, "https://told.test/app?x=1")
    assert "told.test" in said and "server-of-told.test" in said and text(origin.endpoint) in said
    assert "308" in explained(edge, "https://was.told.test/x") and "suspended" in explained(edge, "https://late.told.test/")
    assert "307" in explained(edge, "https://nobody-told.test/")
    assert "308" in explained(edge, "http://told.test/")


# Signals at work ------------------------------------------------------------------------------------------------------


def test_hup_takes_a_new_default_certificate_and_keeps_connections(make_edge, make_origin, authority):
    edge = make_edge()
    edge.add_site("hup.test", make_origin())
    from harness.tls_client import client_context

    anyone = client_context(authority, check=False)
    client = edge.tls_client("x.edge.test", anyone)
    before = client.socket.getpeercert(binary_form=True)
    assert client.get("hup.test").status == 200
    renewed = authority.issue("*.edge.test")
    renewed.write(edge.directory, "default")
    edge.process.send_signal(signal.SIGHUP)

    def serves_the_new_one() -> bool:
        with edge.tls_client("x.edge.test", client_context(authority, check=False)) as other:
            return other.socket.getpeercert(binary_form=True) == renewed.der

    wait_until(serves_the_new_one, "the new certificate")
    assert before != renewed.der and client.get("hup.test").status == 200
    client.close()


def test_hup_with_a_broken_configuration_changes_nothing(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False})
    edge.expected_errors = [r"hybridge\.yaml", r"(?i)config"]
    edge.add_site("hup.test", make_origin())
    edge.config_path.write_text("workerz: 1\n")
    edge.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "workerz" in edge.process.stderr() + edge.process.stdout(), "the fault to be said")
    with edge.plain_client() as client:
        assert client.get("hup.test").status == 200


def test_usr1_reopens_the_access_log(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False})
    edge.add_site("log.test", make_origin())
    path = edge.directory / "access.log"
    with edge.plain_client() as client:
        client.get("log.test", "/before")
        edge.logged(lambda line: line["path"] == "/before", "the first")
        path.rename(edge.directory / "access.log.1")
        edge.process.send_signal(signal.SIGUSR1)
        wait_until(path.exists, "the new log")
        client.get("log.test", "/after")
        edge.logged(lambda line: line["path"] == "/after", "the second")
    assert "/after" not in (edge.directory / "access.log.1").read_text()


def test_too_few_descriptors_are_said(make_edge):
    edge = make_edge(start=False)
    edge.launch("prlimit", "--nofile=256:256")
    edge.wait_until_ready()
    wait_until(lambda: "256 file descriptors" in edge.process.stderr(), "the warning")


def test_descriptors_come_back(plain, route):
    routed = route(plain)
    with routed.client() as client:
        client.get(routed.host)
    before = plain.process.descriptors()
    clients = [routed.client() for _ in range(100)]
    for client in clients:
        assert client.get(routed.host).status == 200
    for client in clients:
        client.close()
    wait_until(lambda: plain.process.descriptors() <= before + 40, "descriptors to come back")  # the pool may keep some
