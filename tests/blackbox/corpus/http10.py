"""HTTP/1.0 clients: health checks, old tools, scripts."""

from corpus.case import HOST, ONE, Case, categorised, refused

LINE = b"GET /x HTTP/1.0\r\n"
CHUNKED_ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def served(name: str, head: bytes, connection: str = "closed", **expected) -> Case:
    return Case(name, LINE + HOST + head + b"\r\n", (200,), connection, ONE, **expected)


CASES = categorised(
    "http/1.0",
    [
        served("a GET is answered and the connection closed", b""),
        served("keep-alive keeps the connection and says so", b"Connection: keep-alive\r\n", "kept", client_has=((b"connection", b"keep-alive"),)),
        served("Keep-Alive in another case keeps the connection", b"Connection: Keep-Alive\r\n", "kept"),
        served("close closes", b"Connection: close\r\n"),
        served("keep-alive and close close", b"Connection: keep-alive, close\r\n"),
        served("a chunked answer arrives without chunks", b"", answer=CHUNKED_ANSWER, client_body=b"hello", client_lacks=(b"chunked", b"Chunked")),
        served("a chunked answer cannot keep the connection", b"Connection: keep-alive\r\n", answer=CHUNKED_ANSWER, client_body=b"hello"),
        served("an answer with an informational one before it is only the answer", b"", answer=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", interim=()),
        Case("a POST with a length passes", b"POST /x HTTP/1.0\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello", (200,), "closed", ONE, body=b"hello", asked=b"POST"),
        Case("Expect of HTTP/1.0 is nothing", b"POST /x HTTP/1.0\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", (200,), "closed", ONE, body=b"hello", asked=b"POST", interim=()),
        refused("no Host is refused for HTTP/1.0 too", LINE + b"\r\n"),
        refused("Transfer-Encoding in HTTP/1.0 is refused", b"POST /x HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", asked=b"POST"),
        Case("an absolute-form target of HTTP/1.0 passes", b"GET http://case.test/x HTTP/1.0\r\n" + HOST + b"\r\n", (200,), "closed", ONE, target=b"/x"),
    ],
)
