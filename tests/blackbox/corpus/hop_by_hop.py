"""Fields that end at this hop, and Expect: RFC 9110 7.6.1 and 10.1.1."""

from corpus.case import EITHER, Case, HOST, categorised, get, post

HOP = (b"keep-alive", b"proxy-connection", b"te", b"upgrade")

CASES = categorised(
    "hop by hop",
    [
        get("Keep-Alive and Proxy-Connection end here", b"Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n", lacks=HOP),
        get("Proxy-Authorization ends here", b"Proxy-Authorization: Basic eDp5\r\n", lacks=(b"proxy-authorization",)),
        get("a field that Connection names ends here", b"Connection: X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n", lacks=(b"x-hop",), has=((b"x-end", b"2"),)),
        get("fields that Connection names in a list end here", b"Connection: keep-alive, X-One , x-two\r\nX-One: 1\r\nX-TWO: 2\r\n", lacks=(b"x-one", b"x-two")),
        get("fields that a second Connection names end here", b"Connection: keep-alive\r\nConnection: X-Hop\r\nX-Hop: 1\r\n", lacks=(b"x-hop",)),
        get("Connection before or behind the field makes no difference", b"X-Hop: 1\r\nConnection: X-Hop\r\n", lacks=(b"x-hop",)),
        get("empty elements of Connection are nothing", b"Connection: ,, X-Hop,\r\nX-Hop: 1\r\n", lacks=(b"x-hop",)),
        get("Connection cannot name Host away", b"Connection: Host\r\n", has=((b"host", b"case.test"),)),
        get("Connection cannot name away what we add", b"Connection: X-Forwarded-For, X-Real-IP, X-Forwarded-Proto, X-Forwarded-Host, X-Client-Port, X-Request-ID\r\nX-Forwarded-For: 6.6.6.6\r\n", has=((b"x-forwarded-for", None), (b"x-real-ip", None), (b"x-forwarded-proto", None), (b"x-forwarded-host", None), (b"x-client-port", None), (b"x-request-id", None)), lacks_bytes=(b"6.6.6.6",)),
        get("Connection is our own towards the upstream", b"Connection: keep-alive, foo\r\n", lacks_bytes=(b"foo",)),
        get("TE ends here", b"TE: gzip\r\nConnection: TE\r\n", lacks_bytes=(b"gzip",)),
        get("TE: trailers passes or ends here", b"TE: trailers\r\nConnection: TE\r\n"),
        post("a Trailer announcement without trailers passes or ends here", b"Trailer: X-T\r\nTransfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\nX-T: a\r\n\r\n", body=b"hello", lacks_bytes=(b"X-T: a", b"x-t: a")),
        get("Connection: close is answered and the connection closed", b"Connection: close\r\n", connection="closed"),
        get("Connection: CLOSE is answered and the connection closed", b"Connection: CLOSE\r\n", connection="closed"),
        get("Connection: keep-alive, close closes", b"Connection: keep-alive, close\r\n", connection="closed"),
        get("a Connection that merely contains close keeps", b"Connection: not-close\r\n"),
        post("Expect: 100-continue with the body at once is answered", b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello", body=b"hello"),
        post("Expect: 100-Continue in another case is the same", b"Expect: 100-Continue\r\nContent-Length: 5\r\n", b"hello", body=b"hello"),
        post("Expect: 100-continue with a chunked body is answered", b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n", body=b"hello"),
        get("Expect: 100-continue without a body is answered", b"Expect: 100-continue\r\n"),
        Case("another expectation fails or is passed over", b"POST /x HTTP/1.1\r\n" + HOST + b"Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", (417, 200, 400), "any", EITHER, asked=b"POST", lacks=(b"expect",)),
        Case("an expectation that merely begins with 100-continue is another", b"POST /x HTTP/1.1\r\n" + HOST + b"Expect: 100-continuex\r\nContent-Length: 5\r\n\r\nhello", (417, 200, 400), "any", EITHER, asked=b"POST", lacks=(b"expect",)),
    ],
)
