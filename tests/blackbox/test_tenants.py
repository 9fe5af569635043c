"""Two tenants, and what one can do to the other: nothing."""

import random
import threading

from harness.scripted_origin import answering, ok


def named(name: bytes):
    """Answers with its own name and what it was asked."""

    def script(connection):
        while (request := connection.read_request()) is not None:
            connection.send(ok(name + b" " + request.target + b" " + request.get("host", b"")))

    return script


def test_answers_never_cross(plain, make_origin):
    names = [f"tenant{number}" for number in range(4)]
    for name in names:
        plain.add_site(f"{name}.cross.test", make_origin(named(name.encode())))
    wrong = []

    def load(seed: int):
        dice = random.Random(seed)
        with plain.plain_client() as client:
            for number in range(200):
                name = dice.choice(names)
                answer = client.get(f"{name}.cross.test", f"/{seed}/{number}")
                if answer.content != f"{name} /{seed}/{number} {name}.cross.test":
                    wrong.append(answer.content)

    threads = [threading.Thread(target=load, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_two_sites_of_one_server_share_connections_but_not_answers(make_edge, make_origin):
    edge = make_edge({"workers": 1, "redirect_to_https": False})
    origin = make_origin(named(b"shared"))
    edge.add_site("one.shared.test", origin, server="shared")
    edge.add_site("two.shared.test", origin, server="shared")
    with edge.plain_client() as client:
        for number in range(50):
            host = ("one", "two")[number % 2] + ".shared.test"
            assert client.get(host, f"/{number}").content == f"shared /{number} {host}"


def test_a_tenant_that_answers_with_poison_harms_only_itself(plain, make_origin):
    """Extra answers, bytes behind the body, answers nobody asked for."""
    poison = ok(b"fine") + ok(b"poison") * 20 + b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\npoison"
    plain.add_site("evil.tenant.test", make_origin(answering(poison)))
    plain.add_site("good.tenant.test", make_origin(named(b"good")))
    for number in range(50):
        with plain.plain_client() as client:
            assert b"poison" not in client.get("evil.tenant.test", f"/{number}").body
            assert client.get("good.tenant.test", f"/{number}").content == f"good /{number} good.tenant.test"


def test_a_tenant_cannot_send_a_client_elsewhere_inside(plain, make_origin):
    """X-Accel-Redirect and X-Accel-Buffering are not obeyed and not passed on."""
    plain.add_site("accel.tenant.test", make_origin(answering(ok(b"mine", b"X-Accel-Redirect: /internal\r\nX-Sendfile: /etc/passwd\r\n"))))
    with plain.plain_client() as client:
        answer = client.get("accel.tenant.test")
    assert answer.body == b"mine" and answer.get("x-accel-redirect") is None


def test_removing_one_tenant_does_not_touch_a_request_of_another(plain, make_origin):
    release = threading.Event()

    def slow(connection):
        connection.read_request()
        release.wait(10)
        connection.send(ok(b"kept"))

    origin = make_origin(slow)
    plain.add_site("kept.tenant.test", origin)
    plain.add_site("removed.tenant.test", make_origin())
    with plain.plain_client() as client:
        client.request("kept.tenant.test")
        origin.wait_for_requests(1)
        del plain.routes["sites"]["removed.tenant.test"]
        plain.put_routes()
        release.set()
        assert client.response().content == "kept"


def test_a_request_in_flight_outlives_the_removal_of_its_own_site(plain, make_origin):
    release = threading.Event()

    def slow(connection):
        connection.read_request()
        release.wait(10)
        connection.send(ok(b"finished"))

    origin = make_origin(slow)
    plain.add_site("leaving.tenant.test", origin)
    with plain.plain_client() as client:
        client.request("leaving.tenant.test")
        origin.wait_for_requests(1)
        del plain.routes["sites"]["leaving.tenant.test"]
        plain.put_routes()
        release.set()
        assert client.response().content == "finished"
        assert client.get("leaving.tenant.test").status == 307
