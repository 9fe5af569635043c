"""The request target: RFC 9112 3.2. What is passed is passed byte for byte."""

from corpus.case import EITHER, HOST, ONE, Case, categorised, refused


def passes(name: str, sent: bytes, seen: bytes | None = None) -> Case:
    return Case(
        name,
        b"GET " + sent + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        (200,),
        "kept",
        ONE,
        target=sent if seen is None else seen,
    )


def bad(name: str, sent: bytes, status: tuple[int, ...] = (400,), host: bytes = HOST, **expected) -> Case:
    return refused(name, b"GET " + sent + b" HTTP/1.1\r\n" + host + b"\r\n", status, **expected)


CASES = categorised(
    "target",
    [
        passes("a query passes byte for byte", b"/x?a=1&b=%20&c=?/"),
        passes("doubled slashes are left alone", b"//a//b"),
        passes("dot segments within the root are left alone", b"/a/../b/./c"),
        passes("percent-encoding is left alone", b"/%61ssets/%2e%2e/x%2Fy"),
        passes("a semicolon, a comma and an at sign are left alone", b"/a;b,c@d:e"),
        bad("dot segments above the root are refused", b"/../x"),
        bad("an encoded NUL is refused", b"/x%00y"),
        bad("a percent sign without digits is refused", b"/x%zz"),
        bad("a target that ends within an escape is refused", b"/x%4"),
        bad("a target without a slash is refused", b"x"),
        bad("a target that is only a query is refused", b"?x"),
        bad("an asterisk is refused for GET", b"*"),
        Case("an asterisk for OPTIONS is answered or refused", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", (200, 204, 400), "any", EITHER),
        bad("a control character in the target is refused", b"/x\x01y"),
        bad("DEL in the target is refused", b"/x\x7fy"),
        bad("a tab in the target is refused", b"/x\ty"),
        bad("a fragment is refused or passes as it is", b"/x#y", (400, 200), connection="any", upstream=EITHER),
        bad("bytes above 127 are refused or pass as they are", b"/\xc3\xa9", (400, 200), connection="any", upstream=EITHER, target=b"/\xc3\xa9"),
        bad("a backslash is refused or passes as it is", b"/a\\b", (400, 200), connection="any", upstream=EITHER, target=b"/a\\b"),
        passes("an absolute-form target becomes origin-form", b"http://case.test/x?y", b"/x?y"),
        passes("an absolute-form target of https becomes origin-form", b"https://case.test/x", b"/x"),
        passes("an absolute-form target in upper case becomes origin-form", b"HTTP://CASE.TEST/X", b"/X"),
        passes("an absolute-form target without a path means the root", b"http://case.test", b"/"),
        passes("an absolute-form target with only a query means the root", b"http://case.test?q", b"/?q"),
        bad("an absolute-form target that names another host is refused", b"http://other.test/x"),
        bad("a Host that differs from the target by its port is refused or passes", b"http://case.test:8080/x", (400, 200), connection="any", upstream=EITHER, target=b"/x"),
        passes("the target's port may be repeated in Host", b"http://case.test/", b"/"),
        bad("an absolute-form target with user information is refused", b"http://user@case.test/x"),
        bad("an absolute-form target with a password is refused", b"http://user:pass@case.test/x"),
        bad("an absolute-form target of another scheme is refused", b"ftp://case.test/x"),
        bad("an absolute-form target without a host is refused", b"http:///x"),
        bad("an absolute-form target with one slash is refused", b"http:/case.test/x"),
        bad("an absolute-form target without Host is refused", b"http://case.test/x", host=b""),
        bad("an absolute-form target with junk in its port is refused", b"http://case.test:8x/x"),
        bad("an authority-form target is refused for GET", b"case.test:80"),
    ],
)
