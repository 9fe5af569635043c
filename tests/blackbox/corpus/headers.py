"""Field syntax, and the fields a client may not set: RFC 9112 5."""

from corpus.case import EITHER, HOST, Case, categorised, get, refused, refused_get

FORGED = (
    b"X-Real-IP: 6.6.6.6\r\n"
    b"X-Forwarded-For: 6.6.6.6\r\n"
    b"X-Forwarded-Proto: gopher\r\n"
    b"X-Forwarded-Host: evil.test\r\n"
    b"X-Forwarded-Port: 6666\r\n"
    b"X-Forwarded-Server: evil\r\n"
    b"X-Client-Port: 6666\r\n"
    b"Forwarded: for=6.6.6.6\r\n"
    b"CF-Connecting-IP: 6.6.6.6\r\n"
    b"X-Frappe-Site-Name: evil.test\r\n"
)


def lower(head: bytes) -> bytes:
    return b"\r\n".join(line.partition(b":")[0].lower() + b":" + line.partition(b":")[2] for line in head.split(b"\r\n") if line) + b"\r\n"


def folded(name: str, head: bytes) -> Case:
    return refused_get(name, head)


CASES = categorised(
    "headers",
    [
        get("an ordinary field passes", b"X-Case: a b\tc\r\n", has=((b"x-case", b"a b\tc"),)),
        get("white space around a value is nothing", b"X-Case: \t a \t \r\n", has=((b"x-case", b"a"),)),
        get("an empty value passes", b"X-Case:\r\n", has=((b"x-case", b""),)),
        get("bytes above 127 in a value pass", b"X-Case: \xc3\xa9\xff\r\n", has=((b"x-case", b"\xc3\xa9\xff"),)),
        get("every character of a token may be in a name, which passes or is dropped", b"X!#$%&'*+-^`|~9: a\r\n"),
        get("repeated fields pass in their order", b"X-Case: 1\r\nCookie: a=1\r\nX-Case: 2\r\n", has=((b"x-case", b"1"), (b"x-case", b"2"))),
        get("the CSRF token and other X-Frappe fields pass", b"X-Frappe-CSRF-Token: t\r\nX-Frappe-CMD: c\r\n", has=((b"x-frappe-csrf-token", b"t"), (b"x-frappe-cmd", b"c"))),
        get("what a client says about itself is not believed", FORGED, lacks=(b"forwarded", b"cf-connecting-ip", b"x-frappe-site-name", b"x-forwarded-port", b"x-forwarded-server"), lacks_bytes=(b"6.6.6.6", b"6666", b"evil", b"gopher")),
        get("what a client says about itself in lower case is not believed", lower(FORGED), lacks=(b"forwarded", b"cf-connecting-ip", b"x-frappe-site-name"), lacks_bytes=(b"6.6.6.6", b"6666", b"evil", b"gopher")),
        get("what a client says about itself with underscores is not believed", b"X_Forwarded_For: 6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\nX_Frappe_Site_Name: evil.test\r\n", lacks_bytes=(b"6.6.6.6", b"evil")),
        get("what a client says about the edge is not believed", b"X-Hybridge-Reason: ok\r\nX-Proxy-Upstream: http://evil\r\n", lacks=(b"x-hybridge-reason",)),
        refused_get("a line without a colon is refused", b"X-Case\r\n"),
        refused_get("an empty name is refused", b": a\r\n"),
        refused_get("a space before the colon is refused", b"X-Case : a\r\n"),
        refused_get("a tab before the colon is refused", b"X-Case\t: a\r\n"),
        refused_get("a space within a name is refused", b"X Case: a\r\n"),
        refused_get("a bracket within a name is refused", b"X(Case): a\r\n"),
        refused_get("a slash within a name is refused", b"X/Case: a\r\n"),
        refused_get("an at sign within a name is refused", b"X@Case: a\r\n"),
        refused_get("a quote within a name is refused", b'"X-Case": a\r\n'),
        refused_get("a NUL within a name is refused", b"X-\0Case: a\r\n"),
        refused_get("a control character within a name is refused", b"X-\x0bCase: a\r\n"),
        refused_get("a byte above 127 within a name is refused", b"X-C\xc3\xa1se: a\r\n"),
        refused("a first field that begins with a space is refused", b"GET /x HTTP/1.1\r\n X-Case: a\r\n" + HOST + b"\r\n"),
        folded("a field folded by a space is refused", b"X-Case: a\r\n b\r\n"),
        folded("a field folded by a tab is refused", b"X-Case: a\r\n\tb\r\n"),
        folded("a field folded by a line of white space is refused", b"X-Case: a\r\n \r\n"),
        refused_get("a NUL in a value is refused", b"X-Case: a\0b\r\n"),
        refused_get("a CR in a value is refused", b"X-Case: a\rb\r\n"),
        refused_get("a CR before the line end is refused", b"X-Case: a\r\r\n"),
        refused_get("a CR that hides a field is refused", b"X-Case: a\rTransfer-Encoding: chunked\r\n"),
        refused_get("a field line that ends in a bare LF is refused", b"X-Case: a\nX-Other: b\r\n"),
        refused("a head that ends in a bare LF is refused", b"GET /x HTTP/1.1\r\n" + HOST + b"\n"),
        refused("a head of bare LFs is refused", b"GET /x HTTP/1.1\nHost: case.test\n\n"),
        refused_get("another control character in a value is refused or passes", b"X-Case: a\x01b\r\n", (400, 200), connection="any", upstream=EITHER),
        refused_get("DEL in a value is refused or passes", b"X-Case: a\x7fb\r\n", (400, 200), connection="any", upstream=EITHER),
        get("a name with a dot passes or is dropped", b"X.Case: a\r\n"),
        get("our own request id is not taken from the path of a header with junk", b'X-Request-ID: "><script>\r\n', lacks_bytes=(b"<script>",)),
        get("a valid traceparent is kept", b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n", lacks=()),
        get("a malformed traceparent is replaced", b"traceparent: 00-zzz\r\n", lacks_bytes=(b"00-zzz",)),
    ],
)
