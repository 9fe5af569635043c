"""Several requests in one piece: each is answered, in order, and none is read as part of another."""

from corpus.case import HOST, INCOMPLETE, Case, categorised

GET = b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n"


def many(name: str, send: bytes, first: int, *others: int, **expected) -> Case:
    settings = {"connection": "kept", "upstream": str(1 + len(others)), "more": others} | expected
    return Case(name, send, (first,), **settings)


CASES = categorised(
    "pipelining",
    [
        many("three GETs are answered", GET * 3, 200, 200, 200),
        many("thirty GETs are answered", GET * 30, *[200] * 30),
        many("a POST with a length is followed by a GET", b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello" + GET, 200, 200),
        many("a chunked POST is followed by a GET", b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + GET, 200, 200),
        many("a chunked POST with trailers is followed by a GET", b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n" + GET, 200, 200),
        many("one empty line between requests is passed over", b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi\r\n" + GET, 200, 200),
        many("an empty POST is followed by a GET", b"POST /x HTTP/1.1\r\n" + HOST + b"\r\n" + GET, 200, 200),
        many("nothing is served behind Connection: close", b"GET /x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n" + GET, 200, connection="closed", upstream="1"),
        many("nothing is served behind Connection: Close among others", b"GET /x HTTP/1.1\r\n" + HOST + b"Connection: x, Close\r\n\r\n" + GET, 200, connection="closed", upstream="1"),
        many("a refused request behind a good one is refused and closed", GET + b"GET /x HTTP/1.1\r\n\r\n", 200, 400, connection="closed", upstream="1"),
        many("nothing is served behind a refused request", GET + b"GET /x HTTP/1.1\r\nHost: a b\r\n\r\n" + GET, 200, 400, connection="closed", upstream="1"),
        many("nothing is served behind a refused body", b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n" + GET, 400, connection="closed", upstream=INCOMPLETE),
        many("nothing is served behind both framings", b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET, 400, connection="closed", upstream="nothing"),
        many("garbage behind a good request is refused and closed", GET + b"garbage\r\n\r\n", 200, 400, connection="closed", upstream="1"),
        many("an unknown host does not disturb what follows", b"GET /x HTTP/1.1\r\nHost: nobody.test\r\n\r\n" + GET, 307, 200, upstream="1"),
        many("a body for an unknown host is not read as a request", b"POST /x HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: %d\r\n\r\n" % len(GET) + GET, 307, connection="any", upstream="nothing"),
    ],
)
