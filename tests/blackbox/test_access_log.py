"""One line a request, whatever became of it, in both formats; a full disk costs lines and nothing else."""

import json
import re
import shutil
import subprocess
import threading

import pytest

from harness.hybridge import Hybridge
from harness.scripted_origin import answering, ok
from harness.waiting import wait_until

KEYS = {
    "ts", "request_id", "site", "host", "client", "method", "path", "status", "reason", "protocol", "tls", "server",
    "endpoint", "bytes_in", "bytes_out", "ms", "retries", "hold_id", "revision", "user_agent", "referer",
}  # fmt: skip
FRAPPE = re.compile(
    r'(?P<client>\S+) - (?P<user>\S+) \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] '
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<bytes>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" '
    r'"(?P<xff>[^"]*)" "(?P<host>[^"]*)" (?P<seconds>\d+\.\d{3})\Z'
)


@pytest.fixture(scope="module")
def logging(authority, origin):
    edge = Hybridge(authority, {"redirect_to_https": False, "timeouts": {"request_head": "500ms", "body_idle": "500ms"}}).start()
    edge.add_site("site.test", origin)
    yield edge
    edge.close()


@pytest.fixture(scope="module")
def frappe(authority, origin):
    edge = Hybridge(authority, {"redirect_to_https": False, "access_log": {"format": "frappe"}}).start()
    edge.add_site("site.test", origin)
    yield edge
    edge.close()


def test_a_line_tells_everything(logging, route):
    routed = route(logging, answering(ok(b"12345")))
    with routed.client() as client:
        address = client.socket.getsockname()[0]
        client.send(f"POST /app?x=1 HTTP/1.1\r\nHost: {routed.host}\r\nUser-Agent: agent/1\r\nReferer: https://from.test/\r\nContent-Length: 3\r\n\r\nabc".encode())
        client.response()
    line = logging.logged(lambda line: line["host"] == routed.host, "the request")
    assert KEYS <= set(line)
    wanted = {
        "site": routed.host, "client": address, "method": "POST", "status": 200, "reason": "ok",
        "protocol": "HTTP/1.1", "bytes_in": 3, "bytes_out": 5, "retries": 0, "user_agent": "agent/1",
        "referer": "https://from.test/",
    }  # fmt: skip
    assert {key: line[key] for key in wanted} == wanted
    assert line["path"].startswith("/app") and line["server"] == f"server-of-{routed.host}"
    assert line["endpoint"].endswith(f":{routed.origin.endpoint[1]}")
    assert {"head", "hold", "queue", "connect", "first_byte", "total"} <= set(line["ms"])
    assert 0 <= line["ms"]["first_byte"] <= line["ms"]["total"]


def test_tls_is_told(edge):
    edge.get("site.test", "/tls-logged")
    line = edge.logged(lambda line: line["path"] == "/tls-logged", "the request")
    assert line["tls"]["version"] == "TLSv1.3" and line["tls"]["resumed"] in (False, True)


REFUSALS = {
    "bad_host": b"GET /refused HTTP/1.1\r\nHost: a b\r\n\r\n",
    "bad_request_line": b"GET  /refused HTTP/1.1\r\nHost: site.test\r\n\r\n",
    "bad_header": b"GET /refused HTTP/1.1\r\nHost: site.test\r\nX : a\r\n\r\n",
    "bad_framing": b"GET /refused HTTP/1.1\r\nHost: site.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "target_too_long": b"GET /refused" + b"a" * 20000 + b" HTTP/1.1\r\nHost: site.test\r\n\r\n",
    "header_too_large": b"GET /refused HTTP/1.1\r\nHost: site.test\r\nX: " + b"a" * 40000 + b"\r\n\r\n",
    "too_many_headers": b"GET /refused HTTP/1.1\r\nHost: site.test\r\n" + b"X: a\r\n" * 200 + b"\r\n",
    "body_too_large": b"POST /refused HTTP/1.1\r\nHost: site.test\r\nContent-Length: 99999999999\r\n\r\n",
    "method_not_allowed": b"TRACE /refused HTTP/1.1\r\nHost: site.test\r\n\r\n",
    "head_timeout": b"GET /refused HTTP/1.1\r\nHost: site.test\r\n",
    "unknown_host": b"GET /refused HTTP/1.1\r\nHost: nobody.test\r\n\r\n",
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refused_request_has_one_line_with_its_reason(logging, reason):
    before = len([line for line in logging.access_log() if line["reason"] == reason])
    with logging.plain_client() as client:
        client.send(REFUSALS[reason])
        answer = client.response()
        assert answer.text("x-hybridge-reason") == reason

    def lines():
        return [line for line in logging.access_log() if line["reason"] == reason][before:]

    wait_until(lines, f"the line of {reason}")
    with logging.plain_client() as client:
        marker = client.get("site.test", "/marker-" + reason)
        assert marker.status == 404
    logging.logged(lambda line: line["path"] == "/marker-" + reason, "the marker")
    assert len(lines()) == 1 and lines()[0]["status"] == answer.status


def test_as_many_lines_as_requests(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False})
    edge.add_site("count.test", make_origin())

    def load():
        with edge.plain_client() as client:
            for number in range(100):
                assert client.get("count.test", f"/{number}").status == 200

    threads = [threading.Thread(target=load) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(edge.access_log()) >= 500, "500 lines")
    assert edge.stop() == 0
    lines = edge.access_log()
    assert len(lines) == 500 and len({line["request_id"] for line in lines}) == 500


def test_whatever_a_client_sends_stays_one_json_line(logging):
    with logging.plain_client() as client:
        client.send(b'GET /"\\\xff%0a HTTP/1.1\r\nHost: site.test\r\nUser-Agent: "\\\xff\xc3\xa9\t{}\r\nReferer: \xe2\x80\xa8\r\n\r\n')
        client.response()
    with logging.plain_client() as client:
        client.get("site.test", "/behind")
    logging.logged(lambda line: line["path"] == "/behind", "the request behind")  # all lines before it parse


def test_the_frappe_line_is_the_incumbents(frappe):
    with frappe.plain_client() as client:
        address = client.socket.getsockname()[0]
        client.get("site.test", "/frappe?x=1", headers={"User-Agent": "a b", "Referer": "r", "X-Forwarded-For": "6.6.6.6", "Authorization": "Basic dXNlcjpwYXNz"})
    path = frappe.directory / "access.log"

    def line():
        return next((line for line in path.read_text().splitlines() if "/frappe" in line), None) if path.exists() else None

    found = FRAPPE.match(wait_until(line, "the line"))
    assert found, line()
    wanted = {"client": address, "user": "user", "request": "GET /frappe?x=1 HTTP/1.1", "status": "404", "referer": "r", "agent": "a b", "xff": "6.6.6.6", "host": "site.test"}
    assert {key: found[key] for key in wanted} == wanted


def test_frappe_lines_escape_as_nginx_does_and_have_refusals_too(frappe):
    with frappe.plain_client() as client:
        client.send(b'GET /esc HTTP/1.1\r\nHost: site.test\r\nUser-Agent: a"b\\c\xff\r\n\r\n')
        client.response()
    with frappe.plain_client() as client:
        client.send(b"GET /esc-refused HTTP/1.1\r\nHost: a b\r\n\r\n")
        assert client.response().status == 400
    path = frappe.directory / "access.log"
    wait_until(lambda: "/esc-refused" in path.read_text(), "the refused request's line")
    lines = path.read_text().splitlines()
    assert all(FRAPPE.match(line) for line in lines), [line for line in lines if not FRAPPE.match(line)]
    assert r"a\x22b\x5Cc\xFF" in next(line for line in lines if "/esc HTTP" in line)


def test_a_log_that_takes_nothing_drops_lines_counts_them_and_stops_nobody(make_edge, make_origin):
    """/dev/full: every write fails as on a full disk."""
    edge = make_edge({"redirect_to_https": False, "access_log": {"path": "/dev/full"}})
    edge.expected_errors = ["/dev/full", "No space", "access log"]
    edge.add_site("full.test", make_origin())
    with edge.plain_client() as client:
        for _ in range(500):
            assert client.get("full.test").status == 200
    wait_until(lambda: edge.metric("access_log_dropped_total") >= 500, "the dropped lines to be counted")
    said = [line for line in edge.process.stderr().splitlines() if "/dev/full" in line]
    assert len(said) <= 5, "a full disk must not fill the process log"


def test_a_disk_that_is_full_and_then_has_room_again_gets_whole_lines(make_edge, make_origin, tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount], capture_output=True).returncode != 0:
        pytest.fail("these tests run as root and mount a small tmpfs")
    try:
        edge = make_edge({"redirect_to_https": False, "access_log": {"path": str(mount / "access.log")}})
        edge.expected_errors = ["access.log", "No space", "access log"]
        edge.add_site("full.test", make_origin())
        with edge.plain_client() as client:
            for _ in range(1000):
                assert client.get("full.test").status == 200
            wait_until(lambda: edge.metric("access_log_dropped_total") > 0, "dropped lines")
            shutil.copy(mount / "access.log", tmp_path / "kept.log")

            def writes_again():
                # Lines that still waited may fill the disk once more: room is made until ours is there.
                with (mount / "access.log").open("r+") as log:
                    log.truncate(0)
                client.get("full.test", "/again")
                lines = (mount / "access.log").read_text().strip("\0").splitlines()
                return any("/again" in line for line in lines)

            wait_until(writes_again, "lines in the emptied log")
        lines = (mount / "access.log").read_text().strip("\0").splitlines()
        for line in lines:
            if line:
                json.loads(line)
        edge.stop()
    finally:
        subprocess.run(["umount", "-l", mount], check=True)
