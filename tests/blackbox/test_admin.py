"""The part of the admin API that this edge needs: the routing document, certificates, tokens, probes."""

import json
import socket

import pytest

from harness.hybridge import EMPTY_ROUTES, Hybridge, merged, run_command

ROUTES = {
    "servers": {"f1.test": {"endpoints": [{"address": "127.0.0.1", "port": 9, "weight": 1}]}},
    "sites": {"a.test": {"server": "f1.test", "status": "active"}},
    "hosts": {"b.test": {"site": "a.test"}, "c.test": {"redirect": "b.test"}, "*.d.test": {}},
    "rules": [],
}


@pytest.fixture(scope="module")
def admin(authority):
    edge = Hybridge(authority).start()
    yield edge
    edge.close()


def test_what_was_put_is_what_is_got(admin):
    put = admin.admin("PUT", "/v1/snapshot", ROUTES)
    assert put.status == 200 and isinstance(put.json["revision"], int)
    got = admin.admin("GET", "/v1/snapshot")
    assert got.json["sites"]["a.test"]["server"] == "f1.test"
    assert set(got.json["hosts"]) == set(ROUTES["hosts"]) and got.json["hosts"]["c.test"] == {"redirect": "b.test"}
    assert got.headers["etag"].strip('"') == str(put.json["revision"])


def test_a_put_replaces_all_of_it(admin):
    admin.admin("PUT", "/v1/snapshot", ROUTES)
    admin.admin("PUT", "/v1/snapshot", EMPTY_ROUTES)
    got = admin.admin("GET", "/v1/snapshot").json
    assert got["servers"] == {} and got["sites"] == {} and got["hosts"] == {}


def test_revisions_grow_and_if_match_guards(admin):
    first = admin.admin("PUT", "/v1/snapshot", ROUTES).json["revision"]
    second = admin.admin("PUT", "/v1/snapshot", EMPTY_ROUTES).json["revision"]
    assert second > first
    stale = admin.admin("PUT", "/v1/snapshot", ROUTES, headers={"If-Match": f'"{first}"'})
    assert stale.status == 412 and stale.headers["content-type"] == "application/problem+json"
    fresh = admin.admin("PUT", "/v1/snapshot", ROUTES, headers={"If-Match": f'"{second}"'})
    assert fresh.status == 200


def test_a_dry_run_changes_nothing(admin):
    before = admin.admin("PUT", "/v1/snapshot", EMPTY_ROUTES).json["revision"]
    assert admin.admin("PUT", "/v1/snapshot?dry_run=true", ROUTES).status == 200
    got = admin.admin("GET", "/v1/snapshot")
    assert got.json["sites"] == {} and got.headers["etag"].strip('"') == str(before)


def test_every_fault_is_told_with_its_path_and_nothing_is_changed(admin):
    before = admin.admin("PUT", "/v1/snapshot", EMPTY_ROUTES).json["revision"]
    bad = merged(ROUTES, {})
    bad["sites"]["A_b.example"] = {"server": "f1.test"}
    bad["sites"]["a.test"]["status"] = "sleepy"
    bad["servers"]["f1.test"]["endpoints"][0]["port"] = 99999
    answer = admin.admin("PUT", "/v1/snapshot", bad)
    assert answer.status in (400, 422) and answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"]
    for word in ("A_b.example", "sleepy", "port"):
        assert word in answer.text, (word, answer.text)
    assert admin.admin("GET", "/v1/snapshot").headers["etag"].strip('"') == str(before)


def test_dangling_names_are_warnings(admin):
    routes = merged(EMPTY_ROUTES, {"hosts": {"b.test": {"site": "gone.test"}}})
    answer = admin.admin("PUT", "/v1/snapshot", routes)
    assert answer.status == 200 and "gone.test" in json.dumps(answer.json["warnings"])
    assert admin.get("b.test").status == 307


@pytest.mark.parametrize("ring", [{"a.test": "a.test"}, {"a.test": "b.test", "b.test": "a.test"}])
def test_redirect_rings_are_refused(admin, ring):
    hosts = {host: {"redirect": target} for host, target in ring.items()}
    answer = admin.admin("PUT", "/v1/snapshot", merged(EMPTY_ROUTES, {"hosts": hosts}))
    assert answer.status in (400, 409, 422) and "a.test" in answer.text


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "{} {}", '{"sites": []}', '{"sights": {}}', "\xff", "[" * 10000])
def test_what_is_no_routing_document_is_refused(admin, body):
    answer = admin.admin("PUT", "/v1/snapshot", body)
    assert answer.status in (400, 413, 422), answer
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/v1/snapshot", "/v1/status", "/v1/certificates/a.test"])
@pytest.mark.parametrize("token", [None, "wrong", "hb_" + "0" * 40])
def test_without_a_good_token_nothing_is_told(admin, path, token):
    answer = admin.admin("GET", path, token=token)
    refused = (401, 429) if token else (401,)  # too many wrong tokens make an address wait
    assert answer.status in refused and "sites" not in answer.text
    assert admin.admin("PUT", "/v1/snapshot", EMPTY_ROUTES, token=token).status in refused


def test_probes_need_no_token(admin):
    assert admin.admin("GET", "/livez", token=None).status == 200
    assert admin.admin("GET", "/readyz", token=None).status == 200


def test_roles_are_kept(admin):
    reader = admin.make_token("reader", "read")
    assert admin.admin("GET", "/v1/snapshot", token=reader).status == 200
    assert admin.admin("PUT", "/v1/snapshot", EMPTY_ROUTES, token=reader).status == 403
    router = admin.make_token("router", "route")
    assert admin.admin("PUT", "/v1/snapshot", EMPTY_ROUTES, token=router).status == 200
    assert admin.admin("DELETE", "/v1/certificates/a.test", token=router).status == 403


def test_tokens_are_listed_and_removed(admin):
    token = admin.make_token("short-lived", "admin")
    assert admin.admin("GET", "/v1/status", token=token).status == 200
    listed = run_command("token", "list", config=admin.config_path)
    assert "short-lived" in listed.stdout and token not in listed.stdout
    assert run_command("token", "remove", "short-lived", config=admin.config_path).returncode == 0
    assert admin.admin("GET", "/v1/status", token=token).status in (401, 429)


def test_tokens_are_not_stored_in_the_clear(admin):
    token = admin.make_token("hidden", "admin").encode()
    for path in (admin.directory / "state").iterdir():
        assert token not in path.read_bytes(), path


def test_a_certificate_is_described_without_its_key(admin, authority):
    certificate = authority.issue("cert.test", "www.cert.test")
    assert admin.put_certificate("cert.test", certificate).json["revision"]
    answer = admin.admin("GET", "/v1/certificates/cert.test")
    assert answer.status == 200
    assert "www.cert.test" in answer.text and certificate.fingerprint in answer.text.lower().replace(":", "")
    assert "PRIVATE" not in answer.text
    assert "PRIVATE" not in admin.admin("GET", "/v1/snapshot").text
    assert admin.admin("DELETE", "/v1/certificates/cert.test").status in (200, 204)
    assert admin.admin("GET", "/v1/certificates/cert.test").status == 404


def test_certificates_that_cannot_serve_are_refused_with_a_reason(admin, authority):
    good, other = authority.issue("x.test"), authority.issue("x.test")
    pairs = {
        "another key": {"chain": good.chain, "key": other.key},
        "no PEM": {"chain": "nonsense", "key": good.key},
        "no key": {"chain": good.chain, "key": ""},
        "missing key": {"chain": good.chain},
        "cut off": {"chain": good.chain[:200], "key": good.key},
    }
    for what, pair in pairs.items():
        answer = admin.admin("PUT", "/v1/certificates/x.test", pair)
        assert answer.status in (400, 422) and answer.json["code"], (what, answer)
        assert good.key.splitlines()[1] not in answer.text
    assert admin.admin("GET", "/v1/certificates/x.test").status == 404


def test_a_put_of_routes_leaves_certificates_alone(admin, authority):
    certificate = authority.issue("stays.test")
    admin.put_certificate("stays.test", certificate)
    admin.admin("PUT", "/v1/snapshot", EMPTY_ROUTES)
    with admin.tls_client("stays.test") as client:
        assert client.socket.getpeercert(binary_form=True) == certificate.der


def test_unknown_paths_and_methods_are_problems(admin):
    assert admin.admin("GET", "/v1/nonsense").status == 404
    wrong = admin.admin("POST", "/v1/snapshot", {})
    assert wrong.status == 405 and wrong.headers["content-type"] == "application/problem+json"


def test_the_admin_api_is_not_on_the_public_listeners(admin):
    answer = admin.get("n1.edge.test", "/v1/snapshot", headers={"Authorization": f"Bearer {admin.token}"})
    assert "sites" not in answer.content
    assert admin.get("127.0.0.1", "/metrics").status == 307


def test_the_socket_needs_no_token_of_its_own_user(admin):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(admin.directory / "admin.sock"))
        client.sendall(b"GET /v1/status HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_large_document_is_live_at_once(admin, origin):
    sites = {f"site{number}.many.test": {"server": "f1.test"} for number in range(5000)}
    endpoints = [{"address": origin.endpoint[0], "port": origin.endpoint[1]}]
    routes = merged(EMPTY_ROUTES, {"servers": {"f1.test": {"endpoints": endpoints}}, "sites": sites})
    assert admin.admin("PUT", "/v1/snapshot", routes).status == 200
    assert admin.get("site4999.many.test").content == "front page of site4999.many.test\n"
