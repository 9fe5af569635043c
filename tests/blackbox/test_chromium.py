"""What only a browser does with HTTP/2: Debian's Chromium, headless, through the edge."""

import asyncio
import itertools
import json
import pathlib
import shutil
import subprocess
import urllib.request

import pytest
import websockets

from harness.addresses import free_endpoint
from harness.process import Process
from harness.scripted_origin import ok
from harness.waiting import SLOWNESS, wait_until

HOST = "page.scripted.test"
CHAT = "chat.scripted.test"
ASSETS = 200
NODE = pathlib.Path(__file__).parent / "node"

# Loads its assets in the ways that pages do, and writes what became of them into data-result.
PAGE = b"""<!doctype html><title>page</title><body><script>
const assets = [...Array(%d).keys()];
const load = number => {
  if (number %% 4 == 0) return new Promise((done, failed) => {
    const image = new Image(); image.onload = done; image.onerror = failed; image.src = `/asset/${number}.svg`; });
  if (number %% 4 == 1) return new Promise((done, failed) => {
    const script = document.createElement('script'); script.onload = done; script.onerror = failed;
    script.src = `/asset/${number}.js`; document.body.append(script); });
  return fetch(`/asset/${number}.txt`, number %% 4 == 2 ? {} : {method: 'POST', body: 'x'.repeat(5000)})
    .then(answer => answer.text()).then(text => { if (!text.startsWith('asset')) throw text; });
};
Promise.allSettled(assets.map(load)).then(all => {
  const loaded = all.filter(each => each.status == 'fulfilled').length;
  const protocols = performance.getEntriesByType('resource').map(entry => entry.nextHopProtocol);
  const page = performance.getEntriesByType('navigation')[0].nextHopProtocol;
  document.body.setAttribute('data-result', JSON.stringify({loaded, page, protocols: [...new Set(protocols)]}));
});
performance.setResourceTimingBufferSize(1000);
</script>""" % ASSETS

@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium")
    assert found, "Chromium is not installed (tools/install-packages test)"
    return found


def browse(chromium: str, edge, host: str, path: str, profile: pathlib.Path) -> dict:
    """What the page at `path` writes into data-result; asked for by the DevTools protocol."""
    address, port = edge.https
    words = [
        chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
        "--ignore-certificate-errors", f"--user-data-dir={profile}", f"--host-resolver-rules=MAP *.test {address}",
        "--remote-debugging-port=0", f"https://{host}:{port}{path}",
    ]
    process = Process("chromium", words, profile)
    try:
        told = profile / "DevToolsActivePort"
        wait_until(lambda: told.exists() and told.read_text().count("\n"), "Chromium to listen", 60 * SLOWNESS)
        return asyncio.run(asyncio.wait_for(result_of(int(told.read_text().split()[0])), 90 * SLOWNESS))
    finally:
        process.kill()


async def result_of(port: int) -> dict:
    def targets() -> list[dict]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            return [target for target in json.load(answer) if target["type"] == "page"]

    page = wait_until(targets, "the page")[0]
    asked = {"expression": "document.body && document.body.getAttribute('data-result')", "returnByValue": True}
    async with websockets.connect(page["webSocketDebuggerUrl"], max_size=None) as tools:
        for number in itertools.count(1):
            await tools.send(json.dumps({"id": number, "method": "Runtime.evaluate", "params": asked}))
            answer = json.loads(await tools.recv())
            if value := answer.get("result", {}).get("result", {}).get("value"):
                return json.loads(value)
            await asyncio.sleep(0.1)


def serve_page(connection) -> None:
    while (request := connection.read_request()) is not None:
        if request.target == b"/":
            connection.send(ok(PAGE, b"Content-Type: text/html\r\n"))
        elif request.target.endswith(b".svg"):
            connection.send(ok(b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>', b"Content-Type: image/svg+xml\r\n"))
        elif request.target.endswith(b".js"):
            connection.send(ok(b"/* " + b"j" * 20_000 + b" */", b"Content-Type: text/javascript\r\n"))
        else:
            connection.send(ok(b"asset" + b"t" * 50_000, b"Content-Type: text/plain\r\n"))


def test_a_page_of_two_hundred_assets(chromium, edge, make_origin, tmp_path):
    origin = make_origin(serve_page)
    edge.add_site(HOST, origin)
    before = edge.metric("connections_total", side="downstream")
    result = browse(chromium, edge, HOST, "/", tmp_path)
    assert result == {"loaded": ASSETS, "page": "h2", "protocols": ["h2"]}
    targets = [request.target for request in origin.requests if b"/asset/" in request.target]
    assert len(targets) == len(set(targets)) == ASSETS, "each asset is fetched once"
    posts = [request for request in origin.requests if request.method == b"POST"]
    assert len(posts) == ASSETS // 4 and all(request.body == b"x" * 5000 for request in posts)
    assert edge.metric("connections_total", side="downstream") - before <= 4


@pytest.fixture(scope="module")
def chat(edge, tmp_path_factory):
    installed = subprocess.run([NODE / "install"], capture_output=True, text=True, timeout=300)
    assert installed.returncode == 0, installed.stderr
    endpoint = free_endpoint()
    folder = pathlib.Path(installed.stdout.strip())
    process = Process("socketio", ["node", folder / "server.mjs", *endpoint], tmp_path_factory.mktemp("chat"))
    wait_until(lambda: "ready" in process.stdout() or not process.is_alive(), "socket.io to listen", 20)
    edge.add_site(CHAT, endpoint)
    yield endpoint
    process.kill()


@pytest.mark.parametrize("transports", ["polling", "websocket"])
def test_a_socket_io_page(chromium, edge, chat, transports, tmp_path):
    result = browse(chromium, edge, CHAT, f"/page/{transports}", tmp_path)
    assert result.get("answers") == [f"message {number}" for number in range(10)], result
    assert result["about"]["transport"] == transports
    assert result["protocols"] == ["h2"]
    if transports == "websocket":
        line = edge.logged(lambda line: line["host"] == CHAT and line["status"] == 101, "the WebSocket")
        assert line["protocol"] == "HTTP/2.0", "Chromium opens it on the connection that is there"
