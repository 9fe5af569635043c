"""A record of the store that cannot be right is left out and told; the rest serves."""

import sqlite3

from harness.hybridge import run_command
from harness.scripted_origin import answering, ok


def damage(edge, *statements: str) -> None:
    database = sqlite3.connect(edge.directory / "state" / "state.db")
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def test_a_damaged_record_is_left_out_and_told(make_edge, make_origin, authority):
    edge = make_edge({"redirect_to_https": False})
    origin = make_origin(answering(ok(b"fine")))
    edge.add_site("good.test", origin)
    edge.add_site("bad.test", origin)
    edge.put_certificate("bad.test", authority.issue("bad.test"))
    edge.process.kill()
    other = authority.issue("bad.test")
    damage(
        edge,
        "UPDATE sites SET value = '{\"server\": 7}' WHERE name = 'bad.test'",
        f"UPDATE certificate_pairs SET key = '{other.key}' WHERE name = 'bad.test'",
    )
    edge.expected_errors = ["a stored record cannot be right", "the certificate of bad.test cannot be used"]
    checked = run_command("check", config=edge.config_path)
    assert checked.returncode == 1 and 'sites["bad.test"]' in checked.stderr
    edge.start()
    with edge.plain_client() as client:
        assert client.get("good.test").content == "fine"
        assert client.get("bad.test").status == 307
    assert "bad.test" not in edge.admin("GET", "/v1/snapshot").text.split('"sites"')[1]
    status = edge.admin("GET", "/v1/status").json
    assert [fault["path"] for fault in status["quarantined"]] == ['sites["bad.test"].server']
    assert edge.metric("quarantined_records") == 1 and status["ready"]
    assert 'sites["bad.test"].server' in edge.process.stderr()

    # A certificate is read when it is first asked for: the default one serves.
    edge.get("bad.test")
    assert edge.admin("GET", "/v1/status").json["quarantined_count"] == 2

    # What is written anew is well again.
    edge.put_routes()
    edge.put_certificate("bad.test", authority.issue("bad.test"))
    assert edge.metric("quarantined_records") == 0
    with edge.tls_client("bad.test") as client:
        assert client.get("bad.test").content == "fine"
