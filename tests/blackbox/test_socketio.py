"""socket.io's own server and client, over long polling, over WebSocket, and from the one to the other."""

import json
import pathlib
import signal
import subprocess

import pytest

from harness.addresses import free_endpoint
from harness.process import Process
from harness.waiting import SLOWNESS, wait_until

HOST = "io.scripted.test"
TRANSPORTS = ["polling", "websocket", "polling,websocket"]


@pytest.fixture
def folder(node_folder) -> pathlib.Path:
    return node_folder


@pytest.fixture(scope="module")
def server(node_folder, tmp_path_factory):
    endpoint = free_endpoint()
    process = Process("socketio", ["node", node_folder / "server.mjs", endpoint[0], endpoint[1]], tmp_path_factory.mktemp("socketio"))

    def ready() -> bool:
        assert process.is_alive(), process.stderr()
        return "ready" in process.stdout()

    wait_until(ready, "socket.io to listen", 20)
    yield endpoint
    process.kill()


def client_words(edge, folder, transports: str, what: str) -> tuple[list, dict]:
    import os

    words = ["node", str(folder / "client.mjs"), f"https://{HOST}:{edge.https[1]}", HOST, edge.https[0], transports, what]
    return words, {**os.environ, "NODE_EXTRA_CA_CERTS": edge.authority.write(edge.directory)}


def talk(edge, folder, transports: str, what: str) -> dict:
    words, environment = client_words(edge, folder, transports, what)
    outcome = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=40 * SLOWNESS)
    assert outcome.returncode == 0 and outcome.stdout, outcome.stderr
    return json.loads(outcome.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def routed(edge, server):
    edge.add_site(HOST, server)
    return edge


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_messages_come_back_in_order(routed, folder, transports):
    result = talk(routed, folder, transports, "echo")
    assert result.get("answers") == [f"message {number}" for number in range(20)], result
    assert result["transport"] == transports.split(",")[-1] == result["about"]["transport"]
    assert result["about"]["host"] == HOST and result["about"]["address"].startswith("127.")


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_news_of_a_room_reaches_another_client(routed, folder, transports):
    assert talk(routed, folder, transports, "rooms") == {"news": {"host": HOST}}


@pytest.mark.parametrize("transports", ["polling", "websocket"])
def test_a_megabyte_comes_back_whole(routed, folder, transports):
    assert talk(routed, folder, transports, "binary") == {"same": True}


@pytest.mark.parametrize("transports", ["polling", "websocket"])
def test_the_client_learns_that_the_server_has_left(routed, folder, transports):
    assert talk(routed, folder, transports, "leave") == {"reason": "io server disconnect"}


@pytest.mark.parametrize("transports", ["polling", "websocket"])
def test_a_graceful_stop_ends_the_sessions(make_edge, authority, server, folder, transports):
    stopping = make_edge({"shutdown_timeout": "2s"})
    stopping.put_certificate(HOST, authority.issue(HOST))
    stopping.add_site(HOST, server)
    words, environment = client_words(stopping, folder, transports, "stay")
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as client:
        assert json.loads(client.stdout.readline()) == {"connected": True}
        stopping.ask_to_end(signal.SIGTERM)
        assert stopping.wait_for_end(20) == 0
        reason = json.loads(client.stdout.readline())["reason"]
    assert reason in ("transport close", "transport error", "io server disconnect")
