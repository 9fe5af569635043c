"""Every limit has an answer of its own that names it. The corpus runs with the default limits of heads, bodies of at
most 64 KiB and a second for a head or a stalled body.
"""

from corpus.case import HOST, INCOMPLETE, NOTHING, ONE, Case, categorised, get, post, refused, refused_get, refused_post

LINE = b"GET /x HTTP/1.1\r\n"
WHOLE = ("whole", "with another behind")
ONCE = ("whole",)
BODY = 64 * 1024


def fields(count: int) -> bytes:
    return b"".join(b"X-%d: a\r\n" % number for number in range(count))


def head_of(total: int) -> bytes:
    """Field lines that make a head of this many bytes of two fields of nearly equal size."""
    rest = total - len(LINE + HOST + b"X-A: \r\nX-B: \r\n\r\n")
    return b"X-A: " + b"a" * (rest // 2) + b"\r\nX-B: " + b"b" * (rest - rest // 2) + b"\r\n"


CASES = categorised(
    "limits",
    [
        Case("a target of 16 KiB passes", b"GET /" + b"a" * (16 * 1024 - 1) + b" HTTP/1.1\r\n" + HOST + b"\r\n", (200,), "kept", ONE),
        refused("a target beyond 16 KiB is refused", b"GET /" + b"a" * (16 * 1024) + b" HTTP/1.1\r\n" + HOST + b"\r\n", (414,), names=b"target"),
        refused("a request line without end is refused early", b"GET /" + b"a" * (40 * 1024), (414, 431), modes=ONCE, complete=False),
        get("a head of 32 KiB passes", head_of(32 * 1024)),
        refused_get("a head beyond 32 KiB is refused", head_of(32 * 1024 + 1), (431,), names=b"header"),
        refused_get("one field beyond 32 KiB is refused", b"X-A: " + b"a" * (33 * 1024) + b"\r\n", (431,), names=b"header"),
        refused("a head without end is refused early", LINE + HOST + b"X-A: " + b"a" * (40 * 1024), (431,), modes=ONCE, complete=False, names=b"header"),
        refused("a field name without end is refused early", LINE + HOST + b"a" * (40 * 1024), (431,), modes=ONCE, complete=False),
        get("100 fields pass", fields(99)),
        refused_get("101 fields are refused", fields(100), (431,), names=b"header"),
        refused_get("1,000 fields are refused", fields(1000), (431,), names=b"header"),
        post("a body of the limit passes", b"Content-Length: %d\r\n" % BODY, b"a" * BODY, modes=WHOLE),
        refused_post("a Content-Length beyond the limit is refused at once", b"Content-Length: %d\r\n" % (BODY + 1), b"", (413,), complete=False, modes=ONCE, names=b"body"),
        refused_post("a Content-Length of 2^63 - 1 is refused at once", b"Content-Length: 9223372036854775807\r\n", b"", (413,), complete=False, modes=ONCE),
        refused_post("a Content-Length beyond the limit is refused without 100", b"Expect: 100-continue\r\nContent-Length: 70000\r\n", b"", (413, 417), complete=False, modes=ONCE, interim=()),
        post("a chunked body of the limit passes", b"Transfer-Encoding: chunked\r\n", b"8000\r\n" + b"a" * 32768 + b"\r\n8000\r\n" + b"b" * 32768 + b"\r\n0\r\n\r\n", modes=WHOLE),
        refused_post("a chunked body beyond the limit is refused", b"Transfer-Encoding: chunked\r\n", b"8000\r\n" + b"a" * 32768 + b"\r\n8001\r\n" + b"b" * 32769 + b"\r\n0\r\n\r\n", (413,), upstream=INCOMPLETE, modes=WHOLE, names=b"body"),
        refused("a request line that never ends is cut off", b"GET /x HT", (408,), complete=False, modes=ONCE, names=b"request_head"),
        refused("a head that never ends is cut off", LINE + HOST, (408,), complete=False, modes=ONCE, names=b"request_head"),
        refused_post("a body that never comes is cut off", b"Content-Length: 5\r\n", b"he", (408,), upstream=INCOMPLETE, complete=False, modes=ONCE, names=b"body"),
        refused_post("a chunk that never ends is cut off", b"Transfer-Encoding: chunked\r\n", b"5\r\nhe", (408,), upstream=INCOMPLETE, complete=False, modes=ONCE),
        refused_post("chunks that never end are cut off", b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", (408,), upstream=INCOMPLETE, complete=False, modes=ONCE),
    ],
)
assert all(case.upstream in (NOTHING, INCOMPLETE, ONE) for case in CASES)
