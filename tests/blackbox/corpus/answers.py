"""What the upstream may say in its head, and what the client is told when it says something else."""

from corpus.case import HOST, ONE, RETRIED, Case, categorised

ASK = b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n"
BODY = b"Content-Length: 2\r\n\r\nok"
WHOLE = ("whole", "with another behind")


def answer(name: str, bytes_: bytes, status: tuple[int, ...] = (200,), **expected) -> Case:
    settings = {"connection": "any", "upstream": ONE, "modes": WHOLE} | expected
    return Case(name, ASK, status, answer=bytes_, **settings)


def malformed(name: str, bytes_: bytes, **expected) -> Case:
    settings = {"then": "close", "client_lacks": (b"secret",)} | expected
    return answer(name, bytes_, (502,), **settings)


def head(fields: bytes, status: bytes = b"HTTP/1.1 200 OK\r\n") -> bytes:
    return status + fields + BODY


CASES = categorised(
    "answers",
    [
        malformed("a close in place of an answer is a 502", b"", upstream=RETRIED),
        malformed("a reset in place of an answer is a 502", b"", then="reset", upstream=RETRIED),
        malformed("garbage in place of an answer is a 502", b"secret garbage\r\n\r\n"),
        malformed("binary garbage in place of an answer is a 502", bytes(range(1, 200))),
        malformed("an answer of HTTP/0.9 is a 502", b"<html>secret</html>"),
        malformed("half a status line is a 502", b"HTTP/1.1 20"),
        malformed("half a head is a 502", b"HTTP/1.1 200 OK\r\nX-A: secret"),
        malformed("a head without its empty line is a 502", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n"),
        malformed("a status of two digits is a 502", head(b"", b"HTTP/1.1 20 OK\r\n")),
        malformed("a status of four digits is a 502", head(b"", b"HTTP/1.1 2000 OK\r\n")),
        malformed("a status of letters is a 502", head(b"", b"HTTP/1.1 abc OK\r\n")),
        malformed("a negative status is a 502", head(b"", b"HTTP/1.1 -20 OK\r\n")),
        malformed("a status below 100 is a 502", head(b"", b"HTTP/1.1 099 OK\r\n")),
        malformed("a status of 000 is a 502", head(b"", b"HTTP/1.1 000 OK\r\n")),
        malformed("HTTP/2 in a status line is a 502", head(b"", b"HTTP/2 200 OK\r\n")),
        malformed("HTTP/2.0 in a status line is a 502", head(b"", b"HTTP/2.0 200 OK\r\n")),
        malformed("ICY in a status line is a 502", head(b"", b"ICY 200 OK\r\n")),
        malformed("http in lower case is a 502", head(b"", b"http/1.1 200 OK\r\n")),
        malformed("a space before the status line is a 502", head(b"", b" HTTP/1.1 200 OK\r\n")),
        malformed("two spaces before the status are a 502", head(b"", b"HTTP/1.1  200 OK\r\n")),
        malformed("a tab before the status is a 502", head(b"", b"HTTP/1.1\t200 OK\r\n")),
        malformed("a status line that ends in a bare LF is a 502", head(b"", b"HTTP/1.1 200 OK\n")),
        malformed("a CR within the phrase is a 502", head(b"", b"HTTP/1.1 200 O\rK\r\n")),
        malformed("a NUL within the phrase is a 502", head(b"", b"HTTP/1.1 200 O\0K\r\n")),
        answer("a status line without a phrase passes", head(b"", b"HTTP/1.1 200 \r\n")),
        answer("a status line without the space before the phrase passes or is a 502", head(b"", b"HTTP/1.1 200\r\n"), (200, 502)),
        answer("a status we do not know passes", head(b"", b"HTTP/1.1 299 Fine\r\n"), (299,)),
        answer("a phrase of bytes above 127 passes", head(b"", b"HTTP/1.1 200 \xc3\xa9\r\n")),
        malformed("a field without a colon is a 502", head(b"X-Secret secret\r\n")),
        malformed("a field without a name is a 502", head(b": secret\r\n")),
        malformed("a space before a colon is a 502", head(b"X-Secret : secret\r\n")),
        malformed("a space within a field's name is a 502", head(b"X Secret: secret\r\n")),
        malformed("a first field that begins with a space is a 502", head(b" X-Secret: secret\r\n")),
        malformed("a folded field is a 502", head(b"X-A: a\r\n secret\r\n")),
        malformed("a field that ends in a bare LF is a 502", head(b"X-A: secret\nX-B: b\r\n")),
        malformed("a NUL in a value is a 502", head(b"X-A: a\0secret\r\n")),
        malformed("a CR in a value is a 502", head(b"X-A: a\rX-B: secret\r\n")),
        malformed("a head that ends in a bare LF is a 502", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\nsecret"),
        malformed("a head beyond 64 KiB is a 502", head(b"X-A: " + b"a" * (65 * 1024) + b"\r\n")),
        malformed("a head without end is a 502", b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * (80 * 1024), then="keep"),
        malformed("informational answers without end are a 502", b"HTTP/1.1 103 Early Hints\r\nX-A: a\r\n\r\n" * 2000, then="keep"),
        answer("a head of 40 KiB passes", head(b"X-A: " + b"a" * (40 * 1024) + b"\r\n")),
        answer("several Set-Cookies stay apart", head(b"Set-Cookie: a=1\r\nSet-Cookie: b=2, c\r\n"), client_has=((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2, c"))),
        answer("an empty value passes to the client", head(b"X-A:\r\n"), client_has=((b"x-a", b""),)),
        answer("fields of this hop end here", head(b"Connection: X-Hop, keep-alive\r\nKeep-Alive: timeout=3\r\nX-Hop: 1\r\nProxy-Authenticate: Basic\r\n"), client_lacks=(b"X-Hop", b"timeout=3", b"Proxy-Authenticate")),
        answer("Server and X-Accel end here", head(b"Server: customer/1.0\r\nX-Accel-Redirect: /secret\r\nX-Accel-Buffering: no\r\n"), client_lacks=(b"customer/1.0", b"X-Accel", b"x-accel")),
        answer("an Upgrade offer ends here", head(b"Upgrade: h2c\r\nConnection: Upgrade\r\n"), client_lacks=(b"h2c",)),
        answer("a 100 that nobody asked for is passed over", b"HTTP/1.1 100 Continue\r\n\r\n" + head(b""), interim=()),
        answer("a 103 is passed on", b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" + head(b""), interim=(103,)),
        answer("two 103s are passed on", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n" + head(b""), interim=(103, 103)),
        answer("a 102 is passed on or over", b"HTTP/1.1 102 Processing\r\n\r\n" + head(b"")),
        answer("a malformed answer behind a 103 is a 502", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nsecret\r\n\r\n", (502,), then="close", client_lacks=(b"secret",)),
    ],
)
