"""Requests that mean one thing in HTTP/2 and could mean another in the HTTP/1.1 that would come of them.

Fields are given as they are encoded: names and values may be what no client library lets one send.
"""

from dataclasses import dataclass

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: case.test\r\n\r\n"


@dataclass(frozen=True)
class Http2Case:
    name: str  # a sentence
    fields: tuple[tuple[bytes, bytes], ...]
    body: tuple[bytes, ...] | None = None  # DATA frames; None: HEADERS end the stream
    trailers: tuple[tuple[bytes, bytes], ...] | None = None
    status: tuple[int, ...] = (400,)  # 0: reset without an answer
    reaches: str = "nothing"  # nothing; part: never a whole request; empty: one without a body; one: exactly this one
    has: tuple[tuple[bytes, bytes], ...] = ()  # that the upstream saw
    lacks: tuple[bytes, ...] = ()
    sees: bytes | None = None  # the body at the upstream


def pseudo(method=b"GET", scheme=b"https", authority=b"case.test", path=b"/x") -> tuple[tuple[bytes, bytes], ...]:
    every = ((b":method", method), (b":scheme", scheme), (b":authority", authority), (b":path", path))
    return tuple((name, value) for name, value in every if value is not None)


def refused(name: str, *fields, **expected) -> Http2Case:
    return Http2Case(name, pseudo() + fields, **expected)


def refused_line(name: str, status=(400,), **changes) -> Http2Case:
    return Http2Case(name, pseudo(**changes), status=status)


def refused_post(name: str, *fields, body=(b"0\r\n\r\n" + SMUGGLED,), **expected) -> Http2Case:
    return Http2Case(name, pseudo(b"POST") + fields, body=body, **expected)


def broken_post(name: str, *fields, body, trailers=None) -> Http2Case:
    """The head is good; the body does not keep its word. What had come before may have been sent on, never a whole."""
    return Http2Case(name, pseudo(b"POST") + fields, body=body, trailers=trailers, status=(0, 400), reaches="part")


def passes(name: str, *fields, **expected) -> Http2Case:
    return Http2Case(name, pseudo() + fields, **({"status": (200,), "reaches": "one"} | expected))


CASES = [
    # Line ends and NUL, wherever text goes.
    refused("a value with CR LF and a field", (b"x", b"a\r\ntransfer-encoding: chunked")),
    refused("a value with CR LF and a request", (b"x", b"a\r\n\r\n" + SMUGGLED)),
    refused("a value with LF", (b"x", b"a\ntransfer-encoding: chunked")),
    refused("a value with CR", (b"x", b"a\rtransfer-encoding: chunked")),
    refused("a value with NUL", (b"x", b"a\0b")),
    refused("a value that begins with CR LF", (b"x", b"\r\ny: z")),
    refused("a value that ends with CR LF", (b"x", b"y\r\n")),
    refused("a value with DEL", (b"x", b"a\x7fb")),
    refused("a value with a bell", (b"x", b"a\x07b")),
    refused("a cookie with CR LF", (b"cookie", b"a=b\r\nx: y")),
    refused("a user-agent with CR LF and a request", (b"user-agent", b"a\r\n\r\n" + SMUGGLED)),
    refused("a name with CR LF", (b"x: y\r\ntransfer-encoding", b"chunked")),
    refused("a name with LF", (b"x\ny", b"z")),
    refused("a name with NUL", (b"x\0y", b"z")),
    refused("a name with a colon", (b"transfer-encoding: chunked\r\nx", b"y")),
    refused("a name with a colon only", (b"x:y", b"z")),
    refused("a name with a space", (b"content-length ", b"5")),
    refused("a name with a tab", (b"content-length\t", b"5")),
    refused("a name that begins with a space", (b" content-length", b"5")),
    refused("an empty name", (b"", b"x")),
    refused("a name above ASCII", (b"x\xe9", b"y")),
    refused("a name in upper case", (b"Content-Length", b"5")),
    refused("one letter in upper case", (b"x-Y", b"z")),
    refused_line("a method with CR LF", method=b"GET / HTTP/1.1\r\nHost: case.test\r\n\r\nGET"),
    refused_line("a method with a space", method=b"GET /smuggled HTTP/1.1"),
    refused_line("an empty method", method=b""),
    refused_line("a method that is no token", method=b"GE(T"),
    refused_line("a path with CR LF and a request", path=b"/ HTTP/1.1\r\nHost: case.test\r\n\r\nGET /smuggled"),
    refused_line("a path with LF", path=b"/a\nb"),
    refused_line("a path with NUL", path=b"/a\0b"),
    refused_line("a path with a space", path=b"/a HTTP/1.1"),
    refused_line("a path with a tab", path=b"/a\tb"),
    refused_line("a path with a fragment", path=b"/a#b"),
    refused_line("an authority with CR LF", authority=b"case.test\r\nx: y"),
    refused_line("an authority with a space", authority=b"case.test x"),
    refused_line("an authority with NUL", authority=b"case.test\0"),
    refused_line("a scheme with CR LF", scheme=b"https\r\nx: y"),
    refused_line("a scheme with a path", scheme=b"https://other.test/"),
    # Pseudo-header fields.
    refused_line("no method", method=None),
    refused_line("no scheme", scheme=None),
    refused_line("no path", path=None),
    refused_line("an empty path", path=b""),
    refused_line("no authority and no host", authority=None),
    refused_line("an empty authority", authority=b""),
    refused_line("an authority with a user", authority=b"user@case.test"),
    refused_line("an authority with junk in its port", authority=b"case.test:80x"),
    refused_line("an authority with a path", authority=b"case.test/x"),
    refused_line("a path that does not begin with a slash", path=b"x"),
    refused_line("an absolute path", path=b"https://other.test/x"),
    refused_line("a path above its root", path=b"/../x"),
    refused_line("an asterisk without OPTIONS", path=b"*"),
    refused_line("a scheme nobody knows", scheme=b"gopher"),
    refused_line("TRACE", status=(405,), method=b"TRACE"),
    refused_line("CONNECT with scheme and path", status=(400, 405), method=b"CONNECT"),
    Http2Case("CONNECT", ((b":method", b"CONNECT"), (b":authority", b"case.test:443")), status=(405,)),
    Http2Case("two methods", pseudo() + ((b":method", b"POST"),)),
    Http2Case("two equal methods", pseudo() + ((b":method", b"GET"),)),
    Http2Case("two paths", pseudo() + ((b":path", b"/smuggled"),)),
    Http2Case("two authorities", pseudo() + ((b":authority", b"other.test"),)),
    Http2Case("two schemes", pseudo() + ((b":scheme", b"http"),)),
    Http2Case("a status in a request", pseudo() + ((b":status", b"200"),)),
    Http2Case("an unknown pseudo-header field", pseudo() + ((b":host", b"other.test"),)),
    Http2Case("a protocol without CONNECT", pseudo() + ((b":protocol", b"websocket"),)),
    Http2Case("a pseudo-header field behind a field", pseudo()[:3] + ((b"x", b"y"), (b":path", b"/x"))),
    Http2Case("an authority behind a field", pseudo(authority=None) + ((b"x", b"y"), (b":authority", b"case.test"))),
    # Host.
    refused("another host than the authority's", (b"host", b"other.test")),
    refused("another port than the authority's", (b"host", b"case.test:8080")),
    refused("two hosts", (b"host", b"case.test"), (b"host", b"case.test")),
    refused("an empty host beside the authority", (b"host", b"")),
    refused("a host with CR LF", (b"host", b"case.test\r\nx: y")),
    passes("the same host beside the authority", (b"host", b"case.test"), has=((b"host", b"case.test"),)),
    Http2Case("a host alone", pseudo(authority=None) + ((b"host", b"case.test"),), status=(200,), reaches="one"),
    # Fields of connections.
    refused("connection", (b"connection", b"close")),
    refused("a connection that names a field", (b"connection", b"x-real-ip"), (b"x-real-ip", b"6.6.6.6")),
    refused("keep-alive", (b"keep-alive", b"timeout=5")),
    refused("proxy-connection", (b"proxy-connection", b"keep-alive")),
    refused("upgrade", (b"upgrade", b"websocket")),
    refused("upgrade to h2c", (b"upgrade", b"h2c"), (b"http2-settings", b"AAMAAABkAAQAAP__")),
    refused_post("transfer-encoding chunked", (b"transfer-encoding", b"chunked")),
    refused_post("transfer-encoding in upper case", (b"Transfer-Encoding", b"chunked")),
    refused_post("transfer-encoding beside a length", (b"content-length", b"4"), (b"transfer-encoding", b"chunked")),
    refused_post("an unknown transfer-encoding", (b"transfer-encoding", b"xchunked")),
    refused_post("an empty transfer-encoding", (b"transfer-encoding", b"")),
    refused("te of a coding", (b"te", b"gzip")),
    refused("te of trailers and more", (b"te", b"trailers, deflate")),
    passes("te of trailers", (b"te", b"trailers"), has=((b"te", b"trailers"), (b"connection", b"TE"))),
    passes("transfer_encoding is dropped", (b"transfer_encoding", b"chunked"), lacks=(b"transfer_encoding", b"transfer-encoding")),
    passes("content_length is dropped", (b"content_length", b"5"), lacks=(b"content_length", b"content-length")),
    # Lengths.
    refused_post("two lengths", (b"content-length", b"5"), (b"content-length", b"6"), body=(b"hello",)),
    refused_post("two equal lengths", (b"content-length", b"5"), (b"content-length", b"5"), body=(b"hello",)),
    refused_post("a list of lengths", (b"content-length", b"5, 5"), body=(b"hello",)),
    refused_post("a length with a plus", (b"content-length", b"+5"), body=(b"hello",)),
    refused_post("a length with a minus", (b"content-length", b"-5"), body=(b"hello",)),
    refused_post("a length in hexadecimal", (b"content-length", b"0x5"), body=(b"hello",)),
    refused_post("a length with a space around", (b"content-length", b" 5"), body=(b"hello",)),
    refused_post("a length that overflows", (b"content-length", b"18446744073709551621"), body=(b"hello",), status=(400, 413)),
    refused_post("an empty length", (b"content-length", b""), body=(b"hello",)),
    refused("a length without a body", (b"content-length", b"5")),
    broken_post("a body shorter than its length", (b"content-length", b"50"), body=(b"hello",)),
    broken_post("a body longer than its length", (b"content-length", b"5"), body=(b"hello" + SMUGGLED,)),
    broken_post("a body longer than its length in a second frame", (b"content-length", b"5"), body=(b"hello", SMUGGLED)),
    Http2Case("a length of zero and a body", pseudo(b"POST") + ((b"content-length", b"0"),), body=(SMUGGLED,), status=(0, 200, 400), reaches="empty"),
    broken_post("no body where a length is told", (b"content-length", b"5"), body=(b"",)),
    broken_post("trailers before the body is whole", (b"content-length", b"50"), body=(b"hello",), trailers=((b"x", b"y"),)),
    broken_post("a pseudo-header field in trailers", body=(b"hello",), trailers=((b":path", b"/smuggled"),)),
    Http2Case("a body with its length", pseudo(b"POST") + ((b"content-length", b"5"),), body=(b"hello",), status=(200,), reaches="one", sees=b"hello"),
    Http2Case("a body that looks like chunks", pseudo(b"POST"), body=(b"0\r\n\r\n" + SMUGGLED,), status=(200,), reaches="one", sees=b"0\r\n\r\n" + SMUGGLED),
    Http2Case("a GET with a body that looks like a request", pseudo(), body=(SMUGGLED,), status=(200,), reaches="one", sees=SMUGGLED),
    Http2Case("trailers are dropped", pseudo(b"POST"), body=(b"hello",), trailers=((b"transfer-encoding", b"chunked"),), status=(200,), reaches="one", sees=b"hello"),
    # What a client may not say of itself, said in HTTP/2's way.
    passes("claims of who the client is", (b"x-real-ip", b"6.6.6.6"), (b"x-forwarded-for", b"6.6.6.6"), (b"x-frappe-site-name", b"other.test"), lacks=(b"x-frappe-site-name",)),
    passes("cookies in crumbs are one", (b"cookie", b"a=1"), (b"cookie", b"b=2"), has=((b"cookie", b"a=1; b=2"),)),
    refused("a value with a space before it", (b"x", b" y")),
    refused("a value with a tab behind it", (b"x", b"y\t")),
]
