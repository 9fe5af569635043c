"""One raw request (or one raw answer of the upstream) and what a strict proxy makes of it.

The bytes are what goes over the wire. Every case speaks to case.test, which is routed
to the scripted origin; /next and /barrier are answered there with their own name, whatever the case's answer is.
"""

from dataclasses import dataclass, field

HOST = b"Host: case.test\r\n"
OK_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

# What may have reached the upstream by the time the client has its answer.
NOTHING = "nothing"
INCOMPLETE = "incomplete"  # nothing, or one request that never came to its end
RETRIED = "retried"  # one, and perhaps the same once more on a fresh connection
ONE = "one"  # exactly one complete request, and no byte beside it
EITHER = "either"  # nothing or one
ANY = "any"  # nothing, one that never came to its end, or one


@dataclass(frozen=True)
class Case:
    name: str  # a sentence
    send: bytes
    status: tuple[int, ...]  # of the final answer; 0: closed without one
    connection: str = "any"  # kept, closed, any
    upstream: str = NOTHING
    target: bytes | None = None  # that the upstream saw
    method: bytes | None = None
    has: tuple[tuple[bytes, bytes | None], ...] = ()  # fields the upstream saw; None: whatever value
    lacks: tuple[bytes, ...] = ()  # names the upstream must not have seen
    lacks_bytes: tuple[bytes, ...] = ()  # nowhere in what the upstream saw
    body: bytes | None = None  # that the upstream saw, without framing
    framing: str | None = None  # none, length, chunked
    answer: bytes = OK_ANSWER  # of the upstream
    then: str = "keep"  # keep, close, reset: what the upstream does after its answer
    asked: bytes = b"GET"  # the method of `send`, to read the answer's body
    more: tuple[int, ...] = ()  # statuses of further answers to `send`
    interim: tuple[int, ...] | None = None  # informational answers that must come first; None: not looked at
    truncated: bool = False  # the client must be able to tell that the body is not all there
    client_body: bytes | None = None  # that the client saw
    client_lacks: tuple[bytes, ...] = ()
    client_has: tuple[tuple[bytes, bytes], ...] = ()
    names: bytes = b""  # an answer of our own must say this word (the limit)
    modes: tuple[str, ...] = ("whole", "one byte at a time", "with another behind")
    complete: bool = True  # `send` is whole requests: another request may follow it
    category: str = field(default="", compare=False)


def get(name: str, head: bytes, **expected) -> Case:
    """A GET of /x with these extra field lines, accepted and passed on."""
    settings = {"status": (200,), "connection": "kept", "upstream": ONE} | expected
    return Case(name, b"GET /x HTTP/1.1\r\n" + HOST + head + b"\r\n", **settings)


def post(name: str, head: bytes, sent: bytes, **expected) -> Case:
    """A POST with these field lines and body bytes, accepted and passed on."""
    settings = {"status": (200,), "connection": "kept", "upstream": ONE, "asked": b"POST"} | expected
    return Case(name, b"POST /x HTTP/1.1\r\n" + HOST + head + b"\r\n" + sent, **settings)


def refused(name: str, send: bytes, status: tuple[int, ...] = (400,), **expected) -> Case:
    """Refused and closed; the upstream has seen nothing."""
    return Case(name, send, **({"status": status, "connection": "closed"} | expected))


def refused_get(name: str, head: bytes, status: tuple[int, ...] = (400,), **expected) -> Case:
    return refused(name, b"GET /x HTTP/1.1\r\n" + HOST + head + b"\r\n", status, **expected)


def refused_post(name: str, head: bytes, sent: bytes = b"", status: tuple[int, ...] = (400,), **expected) -> Case:
    send = b"POST /x HTTP/1.1\r\n" + HOST + head + b"\r\n" + sent
    return refused(name, send, status, **({"asked": b"POST"} | expected))


def categorised(category: str, cases: list[Case]) -> list[Case]:
    from dataclasses import replace

    return [replace(case, category=category) for case in cases]
