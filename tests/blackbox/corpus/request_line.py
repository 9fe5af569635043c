"""The request line: RFC 9112 3."""

from corpus.case import EITHER, HOST, NOTHING, ONE, Case, categorised, refused


def line(name: str, first: bytes, status: tuple[int, ...] = (400,), **expected) -> Case:
    return refused(name, first + HOST + b"\r\n", status, **expected)


CASES = categorised(
    "request line",
    [
        line("a plain GET passes", b"GET /x HTTP/1.1\r\n", (200,), connection="kept", upstream=ONE, target=b"/x"),
        line("one empty line before the request is passed over", b"\r\nGET /x HTTP/1.1\r\n", (200,), connection="kept", upstream=ONE),
        line("many empty lines before the request are not taken for ever", b"\r\n" * 64 + b"GET /x HTTP/1.1\r\n", (200, 400), connection="any", upstream=EITHER),
        line("a bare LF before the request is refused", b"\nGET /x HTTP/1.1\r\n"),
        line("a space before the method is refused", b" GET /x HTTP/1.1\r\n"),
        line("two spaces after the method are refused", b"GET  /x HTTP/1.1\r\n"),
        line("two spaces before the version are refused", b"GET /x  HTTP/1.1\r\n"),
        line("a space after the version is refused", b"GET /x HTTP/1.1 \r\n"),
        line("a tab between method and target is refused", b"GET\t/x HTTP/1.1\r\n"),
        line("a tab between target and version is refused", b"GET /x\tHTTP/1.1\r\n"),
        line("a vertical tab as separator is refused", b"GET\x0b/x HTTP/1.1\r\n"),
        line("a form feed as separator is refused", b"GET /x\x0cHTTP/1.1\r\n"),
        line("a space within the target is refused", b"GET /x y HTTP/1.1\r\n"),
        line("a request line that ends in a bare LF is refused", b"GET /x HTTP/1.1\n"),
        line("a CR within the request line is refused", b"GET /x\rHTTP/1.1\r\n"),
        line("two CRs at the end of the request line are refused", b"GET /x HTTP/1.1\r\r\n"),
        line("a NUL in the request line is refused", b"GET /x\0 HTTP/1.1\r\n"),
        refused("a request line without a version is refused", b"GET /x\r\n\r\n", (400, 505)),
        refused("a request line without a target is refused", b"GET HTTP/1.1\r\n" + HOST + b"\r\n"),
        refused("a request line of one word is refused", b"GET\r\n" + HOST + b"\r\n"),
        line("an empty method is refused", b" /x HTTP/1.1\r\n"),
        line("HTTP/0.9 spelled out is refused", b"GET /x HTTP/0.9\r\n", (400, 505)),
        line("HTTP/1.2 is taken for HTTP/1.1", b"GET /x HTTP/1.2\r\n", (200,), connection="kept", upstream=ONE),
        line("HTTP/2.0 in a request line is refused", b"GET /x HTTP/2.0\r\n", (400, 505)),
        line("HTTP/3.0 in a request line is refused", b"GET /x HTTP/3.0\r\n", (400, 505)),
        line("HTTP/1.10 is refused", b"GET /x HTTP/1.10\r\n", (400, 505)),
        line("HTTP/01.1 is refused", b"GET /x HTTP/01.1\r\n", (400, 505)),
        line("HTTP/1. is refused", b"GET /x HTTP/1.\r\n", (400, 505)),
        line("HTTP/ 1.1 is refused", b"GET /x HTTP/ 1.1\r\n", (400, 505)),
        line("a lower-case http/1.1 is refused", b"GET /x http/1.1\r\n", (400, 505)),
        line("another protocol's name is refused", b"GET /x HTTPS/1.1\r\n", (400, 505)),
        line("a method we do not know passes as it is", b"FOO /x HTTP/1.1\r\n", (200,), connection="kept", upstream=ONE, method=b"FOO", asked=b"FOO"),
        line("a method in lower case is another method and passes as it is", b"get /x HTTP/1.1\r\n", (200, 400), connection="any", upstream=EITHER, method=b"get"),
        line("a method with a colon is refused", b"GE:T /x HTTP/1.1\r\n"),
        line("a method with a bracket is refused", b"GE(T /x HTTP/1.1\r\n"),
        line("a method with a control character is refused", b"GE\x01T /x HTTP/1.1\r\n"),
        line("a method with a byte above 127 is refused", b"G\xc3\x89T /x HTTP/1.1\r\n"),
        line("TRACE is not allowed", b"TRACE /x HTTP/1.1\r\n", (405,), connection="any"),
        line("CONNECT is not allowed", b"CONNECT case.test:443 HTTP/1.1\r\n", (405, 400), connection="closed"),
        line("CONNECT with an origin-form target is not allowed", b"CONNECT /x HTTP/1.1\r\n", (405, 400), connection="closed"),
        refused("the preface of HTTP/2 is refused", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
        refused("a TLS handshake on a plain port is refused", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", (400, 0)),
        refused("binary garbage is refused", bytes(range(128, 160)) + b"\r\n\r\n"),
    ],
)
assert all(case.upstream != NOTHING or 200 not in case.status for case in CASES)
