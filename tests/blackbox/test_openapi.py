"""The description that the admin API gives of itself: well-formed, and true."""

import json
import subprocess

import jsonschema
import pytest

from harness.hybridge import Hybridge, merged
from harness.openapi import Description

ROUTES = {
    "servers": {"f1.test": {"endpoints": [{"address": "127.0.0.1", "port": 9, "weight": 1}]}},
    "sites": {"a.test": {"server": "f1.test", "status": "active"}},
    "hosts": {"b.test": {"site": "a.test"}, "c.test": {"redirect": "b.test"}, "*.d.test": {}},
    "rules": [
        {"id": "r1", "match": {"path": "^/x"}, "deny": {"status": 404}},
        {"id": "r2", "match": {"header": {"x-a": "b"}}, "class": "odd"},
        {"id": "r3", "match": {"method": "^POST$"}, "limit": {"requests": 5, "per": "minute"}},
    ],
}


@pytest.fixture(scope="module")
def admin(authority):
    hybridge = Hybridge(authority).start()
    yield hybridge
    hybridge.close()


@pytest.fixture(scope="module")
def description(admin) -> Description:
    return Description(admin.admin("GET", "/v1/openapi.json").json)


def test_it_is_openapi_3_1(description, node_folder, tmp_path):
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(description.document))
    judged = subprocess.run(["node", node_folder / "openapi.mjs", path], capture_output=True, text=True, timeout=60)
    assert json.loads(judged.stdout) == {"valid": True, "errors": [], "version": "3.1"}, judged


def test_a_document_that_is_not_openapi_is_found_out(description, node_folder, tmp_path):
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(merged(description.document, {"paths": {"/v1/status": {"get": {"responses": 7}}}})))
    judged = subprocess.run(["node", node_folder / "openapi.mjs", path], capture_output=True, text=True, timeout=60)
    assert json.loads(judged.stdout)["valid"] is False


def test_its_schemas_are_schemas(description):
    for name, schema in description.document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema), name


def test_each_of_its_schemas_is_used(description):
    said = json.dumps(description.document)
    for name in description.document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in said, name


def test_answers_are_as_they_are_described(admin, description, authority):
    calls = [
        ("PUT", "/v1/snapshot", ROUTES, 200),
        ("GET", "/v1/snapshot", None, 200),
        ("PATCH", "/v1/snapshot", [{"op": "delete", "kind": "host", "name": "c.test"}], 200),
        ("PATCH", "/v1/snapshot", [{"op": "put", "kind": "host", "name": "_", "value": {}}], 422),
        ("PUT", "/v1/servers/f3.test", {"endpoints": [{"address": "127.0.0.1"}], "health": {"path": "ping"}}, 422),
        ("PUT", "/v1/servers/f2.test", {"endpoints": [{"address": "127.0.0.1"}], "tls": {"mode": "verify"}, "health": {"path": "/ping"}}, 200),
        ("GET", "/v1/servers/f2.test", None, 200),
        ("PUT", "/v1/sites/b.test", {"server": "none.test"}, 200),
        ("GET", "/v1/sites/b.test", None, 200),
        ("GET", "/v1/sites/b.test/stats", None, 200),
        ("GET", "/v1/hosts/*.d.test", None, 200),
        ("DELETE", "/v1/hosts/*.d.test?dry_run=true", None, 200),
        ("GET", "/v1/rules/r1", None, 200),
        ("PUT", "/v1/rules/r4", {"match": {"path": "("}, "deny": {}}, 422),
        ("DELETE", "/v1/rules/r9", None, 404),
        ("PUT", "/v1/certificates/a.test", authority.issue("a.test").as_pair(), 200),
        ("GET", "/v1/certificates/a.test", None, 200),
        ("GET", "/v1/certificates", None, 200),
        ("GET", "/v1/explain?url=a.test", None, 200),
        ("GET", "/v1/explain", None, 400),
        ("GET", "/v1/audit?limit=2", None, 200),
        ("POST", "/v1/holds", {"id": "w1", "scope": {"site": "a.test"}, "reason": "moving", "lease": "5m"}, 200),
        ("POST", "/v1/holds", {"scope": {"sight": "a.test"}}, 422),
        ("GET", "/v1/holds", None, 200),
        ("GET", "/v1/holds/w1", None, 200),
        ("POST", "/v1/holds/w1/preview", None, 200),
        ("POST", "/v1/holds/w1/release", {}, 200),
        ("GET", "/v1/holds/none", None, 404),
        ("GET", "/v1/status", None, 200),
        ("GET", "/v1/requests/0", None, 404),
        ("GET", "/v1/openapi.json", None, 200),
    ]
    for method, target, body, status in calls:
        answer = admin.admin(method, target, body)
        assert answer.status == status, (method, target, answer)
        description.check_answer(method, target, status, answer.json)
        operation = description.operation(method, target)
        if body is not None and status < 300:
            description.check(operation["requestBody"]["content"]["application/json"]["schema"], body)


def test_a_request_is_described(admin, description, make_origin):
    admin.add_site("described.test", make_origin())
    answer = admin.get("described.test", "/missing?a=1")
    target = f"/v1/requests/{answer.text('x-request-id')}"
    told = admin.admin("GET", target)
    assert told.status == 200, told
    description.check_answer("GET", target, 200, told.json)
    assert told.json["request"]["path"] == "/missing?a=1" and told.json["request"]["status"] == answer.status
