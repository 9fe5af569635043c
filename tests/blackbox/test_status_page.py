"""The status page: who sees it, what its forms do and refuse, and how it looks in a real browser."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from urllib.parse import urlencode

import pytest

from harness.hybridge import Hybridge, run_command
from harness.scripted_origin import ScriptedOrigin, answering, ok
from harness.waiting import SLOWNESS, wait_until

SITE = "acme.test"


class Browser:
    """What a browser sends: Basic with a token as the password, forms urlencoded."""

    def __init__(self, edge, token: str | None):
        self.edge = edge
        self.headers = {}
        if token:
            self.headers["Authorization"] = "Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()

    def get(self, path: str, **headers):
        return self.edge.admin("GET", path, token=None, headers={**self.headers, **headers})

    def post(self, path: str, fields: dict, **headers):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.edge.admin("POST", path, urlencode(fields), token=None, headers={**self.headers, **form, **headers})

    def form(self, path: str) -> dict:
        """The hidden fields of the confirmation at `path`."""
        page = self.get(path)
        assert page.status == 200, page
        fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
        return {html.unescape(name): html.unescape(value) for name, value in fields}

    def hold_form(self, name: str = SITE, reason: str = "update") -> dict:
        return self.form("/hold?" + urlencode({"scope": "site", "name": name, "reason": reason, "lease": "5m"}))


@pytest.fixture(scope="module")
def page_edge(authority):
    edge = Hybridge(authority, {"redirect_to_https": False}).start()
    origin = ScriptedOrigin(answering(ok(b"served")))
    edge.add_site(SITE, origin)
    edge.tokens = {role: edge.make_token(f"page-{role}", role) for role in ("read", "route", "hold", "admin")}
    yield edge
    edge.close()
    origin.close()


@pytest.fixture
def browser(page_edge):
    yield Browser(page_edge, page_edge.tokens["hold"])
    for window in windows(page_edge):  # each test finds nothing held
        page_edge.admin("POST", f"/v1/holds/{window['id']}/abort", {})


def windows(edge) -> list[dict]:
    return edge.admin("GET", "/v1/holds").json["holds"]


def test_it_asks_for_a_token(page_edge):
    refused = Browser(page_edge, None).get("/")
    assert refused.status == 401 and refused.headers["www-authenticate"].startswith("Basic ")
    assert "Holds" not in refused.text
    assert Browser(page_edge, "wrong").get("/").status == 401
    assert page_edge.admin("GET", "/").status == 200, "a bearer token does, too"


def test_a_password_opens_pages_only(page_edge):
    boss = Browser(page_edge, page_edge.tokens["admin"])
    assert boss.get("/").status == 200
    assert boss.get("/v1/status").status == 401
    assert boss.post("/v1/holds", {}).status == 401


@pytest.mark.parametrize("role,may", [("read", False), ("route", False), ("hold", True), ("admin", True)])
def test_roles(page_edge, role, may):
    own = Browser(page_edge, page_edge.tokens[role])
    fields = Browser(page_edge, page_edge.tokens["hold" if role == "admin" else "admin"]).hold_form()
    page = own.get("/")
    assert page.status == 200 and ('action="/hold"' in page.text) == may
    assert own.get("/hold?scope=site&name=" + SITE).status == (200 if may else 403)
    assert own.post("/hold", fields).status == 403, "the form of another login"
    assert own.post("/release", {"id": "w1", "token": fields["token"]}).status == 403
    assert windows(page_edge) == []


def test_its_answer_lets_nothing_else_run(browser):
    page = browser.get("/")
    policy = page.headers["content-security-policy"]
    for kind in ("script", "style"):
        [own] = re.findall(rf"<{kind}>(.*?)</{kind}>", page.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert page.headers["x-frame-options"] == "DENY" and page.headers["cache-control"] == "no-store"
    assert not re.search(r"\son\w+=|\sstyle=|https?://(?!www\.w3)", page.text), "no handlers, no styles, nothing from elsewhere"


def test_forms_hold_and_release(page_edge, browser):
    fields = browser.hold_form(reason="update <now>")
    assert windows(page_edge) == [], "asking does nothing"
    done = browser.post("/hold", fields)
    assert done.status == 303 and done.headers["location"].startswith("/?window="), done
    [window] = windows(page_edge)
    assert window["scope"] == {"site": SITE} and window["reason"] == "update <now>" and window["who"] == "page-hold"
    client = page_edge.plain_client()
    client.request(SITE, "/app", "GET", {"Accept": "application/json"})
    wait_until(lambda: windows(page_edge)[0]["held"] == 1, "a request to wait")
    page = browser.get(done.headers["location"])
    assert f"site {SITE}" in page.text and "update &lt;now&gt;" in page.text and "1 requests wait." in page.text
    fields = browser.form(f"/release?id={window['id']}")
    assert windows(page_edge)[0]["state"] in ("draining", "holding"), "asking does nothing"
    released = browser.post("/release", fields)
    assert released.status == 303, released
    assert client.response().body == b"served"
    wait_until(lambda: windows(page_edge) == [], "the window to end")
    assert "ended, released" in browser.get(released.headers["location"]).text
    audit = page_edge.admin("GET", "/v1/audit?limit=10").json["audit"]
    told = {(each["who"], each["action"]) for each in audit}
    assert ("page-hold", f"begin hold {window['id']}") in told and ("page-hold", f"release hold {window['id']}") in told


def test_forms_that_were_not_made_here_are_refused(page_edge, browser):
    good = browser.hold_form()
    for forged in (
        {key: value for key, value in good.items() if key != "token"},
        {**good, "token": ""},
        {**good, "token": "0" * 64},
        {**good, "name": "other.test"},
        {**good, "lease": "4h"},
        {**good, "scope": "server"},
    ):
        refused = browser.post("/hold", forged)
        assert refused.status == 403 and "Nothing was changed" in refused.text, forged
    assert windows(page_edge) == []
    browser.post("/hold", good)
    [window] = windows(page_edge)
    other = Browser(page_edge, page_edge.tokens["admin"])
    assert other.post("/release", browser.form(f"/release?id={window['id']}")).status == 403, "of another login"
    assert browser.post("/release", {"id": window["id"], "token": good["token"]}).status == 403, "of another deed"
    assert windows(page_edge)[0]["state"] in ("draining", "holding")
    assert browser.get("/hold").status == 422 and browser.post("/hold", {"x": "%zz"}).status == 403


def test_names_that_others_point_at_us_are_refused(page_edge, browser):
    fields = browser.hold_form()
    port = page_edge.admin_endpoint[1]
    for host in ("evil.test", f"evil.test:{port}", "127.0.0.1.evil.test", "localhost.evil.test", "192.0.2.1"):
        assert browser.get("/", Host=host).status == 421, host
        assert browser.post("/hold", fields, Host=host).status == 421, host
    assert windows(page_edge) == []
    for host in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}", "n1.edge.test"):
        assert browser.get("/", Host=host).status == 200, host


def test_the_socket_needs_no_token_but_a_name_of_ours(page_edge):
    def status(host: str) -> str:
        asked = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", page_edge.directory / "admin.sock"]
        return subprocess.run([*asked, f"http://{host}/"], capture_output=True, text=True, timeout=60).stdout

    assert status("localhost") == "200" and status("evil.test") == "421"


def test_what_cannot_be_held_says_why(browser):
    answer = browser.get("/hold?scope=site&name=%3Cnowhere%3E.test")
    assert answer.status == 422 and "<nowhere>" not in answer.text
    answer = browser.get("/hold?scope=site&name=nowhere.test")
    assert answer.status == 404 and "there is no site &quot;nowhere.test&quot;" in answer.text
    assert browser.get("/release?id=none").status == 404


def test_it_tells_what_failed_last_and_escapes_it(page_edge, browser, make_origin):
    def breaks(connection):
        connection.read_request()
        connection.send(b"nonsense <i>\r\n\r\n")

    page_edge.add_site("broken.test", make_origin(breaks))
    client = page_edge.plain_client()
    client.request("broken.test", "/<b>bold</b>/?password=secret", "GET", {})
    assert client.response().status == 502
    page = wait_until(lambda: (text := browser.get("/").text) and "upstream_malformed" in text and text, "the failure")
    assert "broken.test</strong>/&lt;b&gt;bold" in page and "<b>bold" not in page and "secret" not in page
    assert "server-of-broken.test" in page


def test_it_shows_traffic_servers_and_certificates(page_edge, browser, authority):
    for number in range(20):
        client = page_edge.plain_client()
        client.request(SITE, f"/{number}", "GET", {})
        assert client.response().status == 200

    def counted() -> int:
        return int(re.search(r"(\d+) requests, \d+ errors in a minute", browser.get("/").text)[1])

    wait_until(lambda: counted() >= 20, "the requests in the history")
    page = browser.get("/").text
    row = re.search(rf"server-of-{SITE}</th>(.*)</tr>", page)[1]
    assert ">up<" in row and "answers" in row
    assert "None of 0." in page
    page_edge.put_certificate("soon.test", authority.issue("soon.test", days=19.5))
    assert 'soon.test</th><td class="warn">19 d' in browser.get("/").text


def test_it_explains_a_host_as_the_command_does(page_edge, browser):
    page = browser.get(f"/?host={SITE}").text
    said = run_command("explain", f"https://{SITE}/", config=page_edge.config_path).stdout
    answer = said.strip().splitlines()[-1].split(":", 1)[1].strip()
    assert html.escape(answer).replace("&#x27;", "&#39;") in page, said
    assert "<x>" not in browser.get("/?host=%3Cx%3E").text


def test_in_a_real_browser(page_edge, browser, node_folder, tmp_path):
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is not installed (tools/install-packages test)"
    address, port = page_edge.admin_endpoint
    words = [chromium, f"http://{address}:{port}/", page_edge.tokens["hold"], SITE, tmp_path]
    ran = subprocess.run(["node", node_folder / "page.mjs", *words], capture_output=True, text=True, timeout=150 * SLOWNESS)
    assert ran.returncode == 0, ran.stderr[-3000:]
    seen = json.loads(ran.stdout)
    assert seen["complaints"] == [], "nothing that the policy refused, no fault in the script"
    assert f"site {SITE}" in seen["held"] and "a <b>reason</b>" in seen["held"]
    assert seen["typed"] == "half a na" and f"{SITE}: a site's own name" in seen["explained"]
    assert seen["withoutScripts"]
    assert seen["dark"] != seen["narrow-light"]
    assert set(seen["tooWide"].values()) == {False}, seen["tooWide"]
    for name, lowest in seen["contrast"].items():
        assert lowest["ratio"] >= 4.5, (name, lowest)
    assert {path.name for path in tmp_path.glob("*.png")} >= {"held-light.png", "dark.png", "narrow-dark.png"}
