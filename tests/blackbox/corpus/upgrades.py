"""Changes of protocol: only those we know, and only when the upstream agrees: RFC 9110 7.8."""

from corpus.case import HOST, ONE, Case, categorised, get, post

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
NO_H2C = (b"http2-settings",)
REFUSES = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno"

CASES = categorised(
    "upgrades",
    [
        get("h2c is not passed on", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", lacks=(b"upgrade", *NO_H2C), lacks_bytes=(b"h2c",)),
        get("h2c that Connection does not name is not passed on", b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", lacks=(b"upgrade",), lacks_bytes=(b"h2c",)),
        get("h2c in another case is not passed on", b"Connection: upgrade\r\nUpgrade: H2C\r\n", lacks_bytes=(b"H2C", b"h2c")),
        get("h2c behind websocket is not passed on", b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n" + KEY, lacks_bytes=(b"h2c",), connection="any"),
        get("h2c before websocket is not passed on", b"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n" + KEY, lacks_bytes=(b"h2c",), connection="any"),
        get("h2c in two fields is not passed on", b"Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n" + KEY, lacks_bytes=(b"h2c",), connection="any", status=(200, 400), upstream="either"),
        post("h2c with a body is not passed on", b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n", b"hello", lacks=(b"upgrade",), body=b"hello"),
        get("Upgrade that Connection does not name ends here", b"Upgrade: websocket\r\n" + KEY, lacks=(b"upgrade",)),
        get("Connection: upgrade without Upgrade is nothing", b"Connection: upgrade\r\n", lacks=(b"upgrade",)),
        get("an upgrade that the upstream answers with 200 is an answer", b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + KEY, connection="any"),
        get("an upgrade that the upstream refuses is an answer", b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + KEY, status=(426,), answer=REFUSES, connection="any"),
        get("a websocket upgrade is passed to the upstream", b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" + KEY, status=(426,), answer=REFUSES, connection="any", has=((b"upgrade", b"websocket"), (b"sec-websocket-version", b"13"))),
        Case("HTTP/1.0 cannot upgrade", b"GET /x HTTP/1.0\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + KEY + b"\r\n", (200,), "closed", ONE, lacks=(b"upgrade",)),
        get("a 101 that nobody asked for is a fault of the upstream", b"", status=(502,), answer=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nsecret", connection="any", client_lacks=(b"secret",)),
        get("a 101 to another protocol than was offered is a fault of the upstream", b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + KEY, status=(502,), answer=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\nsecret", connection="any", client_lacks=(b"secret",)),
        get("a 101 that names no protocol is a fault of the upstream", b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + KEY, status=(502,), answer=b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\nsecret", connection="any", client_lacks=(b"secret",)),
        get("a 101 to h2c is a fault of the upstream", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", status=(502,), answer=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nsecret", connection="any", client_lacks=(b"secret",)),
    ],
)
