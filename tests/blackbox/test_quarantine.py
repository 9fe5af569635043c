"""A record of the store that cannot be right is left out and told; the rest serves."""

import sqlite3

from harness.hybridge import run_command
from harness.scripted_origin import answering, ok

PAGE = 4096  # of SQLite

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


LEAVES = (0x0A, 0x0D)  # the first byte of pages that lead to no others (SQLite's file format, 1.6)


def damage_pages(edge, is_damaged) -> None:
    """Other bytes on the pages of which it is true, by their number and kind."""
    path = edge.directory / "state" / "state.db"
    damage(edge, "PRAGMA wal_checkpoint(TRUNCATE)")  # what is in the log comes into the file
    pages = path.stat().st_size // PAGE
    with open(path, "r+b") as file:
        for page in range(pages):
            file.seek(page * PAGE)
            if is_damaged(page, file.read(1)[0]):
                file.seek(page * PAGE)
                file.write(b"\xee" * PAGE)


def test_destroyed_pages_take_nothing_but_their_records_along(make_edge, make_origin):
    edge = make_edge({"redirect_to_https": False})
    origin = make_origin(answering(ok(b"fine")))
    edge.add_site("good.test", origin)
    server = edge.routes["sites"]["good.test"]["server"]
    names = [f"s{number:04}.test" for number in range(1500)]
    edge.routes["sites"].update({name: {"server": server, "status": "active"} for name in names})
    revision = edge.put_routes().json["revision"]
    edge.process.kill()
    edge.expected_errors = ["state.db was damaged", "a stored record cannot be right"]
    damage_pages(edge, lambda page, kind: page > 20 and page % 7 == 0 and kind in LEAVES)  # beyond the roots
    checked = run_command("check", config=edge.config_path)
    assert checked.returncode == 1 and "is damaged" in checked.stderr and "hybridge backup" in checked.stderr

    edge.start()
    with edge.plain_client() as client:
        served = [name for name in [*names, "good.test"] if client.get(name).status == 200]
    assert len(names) * 0.7 < len(served) < len(names)
    status = edge.admin("GET", "/v1/status").json
    assert {fault["path"] for fault in status["quarantined"]} >= {"sites"} and status["revision"] > revision
    assert edge.metric("quarantined_records") == status["quarantined_count"] > 0
    assert "what can be read of it serves" in edge.process.stderr()

    # What is pushed anew is served, and stays; the lists stay until somebody has seen them.
    edge.put_routes()
    edge.kill_and_start_again()
    with edge.plain_client() as client:
        assert all(client.get(name).status == 200 for name in names[::10])
    assert edge.metric("quarantined_records") > 0
    for kept in (edge.directory / "state").glob("state.db.damaged-*"):
        kept.unlink()
    edge.kill_and_start_again()
    assert edge.metric("quarantined_records") == 0
    assert run_command("check", config=edge.config_path).returncode == 0


def test_a_state_of_which_nothing_can_be_read_is_refused(make_edge, make_origin):
    edge = make_edge()
    edge.add_site("good.test", make_origin(answering(ok(b"fine"))))
    assert edge.stop() == 0
    damage_pages(edge, lambda page, kind: page > 0)
    refused = run_command("run", config=edge.config_path)
    assert refused.returncode == 1 and "put a copy made by `hybridge backup` in its place" in refused.stderr
    assert not list((edge.directory / "state").glob("state.db.*salvage*"))
