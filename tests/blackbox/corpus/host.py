"""The Host field: RFC 9112 3.2. Two readers must never see two hosts."""

from corpus.case import EITHER, ONE, Case, categorised, refused

LINE = b"GET /x HTTP/1.1\r\n"
UNKNOWN = (307, 404)  # a host that is well-formed and known nowhere


def bad(name: str, hosts: bytes, status: tuple[int, ...] = (400,), **expected) -> Case:
    return refused(name, LINE + hosts + b"\r\n", status, **expected)


def good(name: str, hosts: bytes, **expected) -> Case:
    settings = {"has": ((b"host", b"case.test"),)} | expected
    return Case(name, LINE + hosts + b"\r\n", (200,), "kept", ONE, **settings)


CASES = categorised(
    "host",
    [
        good("a Host in upper case is lower-cased", b"Host: CASE.Test\r\n", has=((b"host", b"case.test"), (b"x-forwarded-host", b"CASE.Test"))),
        good("a Host's port is not passed", b"Host: case.test:8080\r\n", has=((b"host", b"case.test"), (b"x-forwarded-host", b"case.test:8080"))),
        good("a Host's trailing dot is not passed", b"Host: case.test.\r\n"),
        good("white space around a Host is nothing", b"Host: \t case.test \t\r\n"),
        good("no white space before a Host is nothing", b"Host:case.test\r\n"),
        good("the field name may be in any case", b"hOsT: case.test\r\n"),
        bad("no Host is refused", b""),
        bad("an empty Host is refused", b"Host:\r\n"),
        bad("a Host of white space is refused", b"Host:  \t \r\n"),
        bad("two Hosts are refused", b"Host: case.test\r\nHost: other.test\r\n"),
        bad("two equal Hosts are refused", b"Host: case.test\r\nHost: case.test\r\n"),
        bad("two Hosts in different case are refused", b"Host: case.test\r\nhOST: case.test\r\n"),
        bad("a second, empty Host is refused", b"Host: case.test\r\nHost:\r\n"),
        bad("two Hosts in one field are refused", b"Host: case.test, other.test\r\n"),
        bad("two Hosts with a space between are refused", b"Host: case.test other.test\r\n"),
        bad("white space before the Host's colon is refused", b"Host : case.test\r\n"),
        bad("a folded Host is refused", b"Host:\r\n case.test\r\n"),
        bad("a Host with user information is refused", b"Host: user@case.test\r\n"),
        bad("a Host with a path is refused", b"Host: case.test/x\r\n"),
        bad("a Host with a scheme is refused", b"Host: http://case.test\r\n"),
        bad("a Host with a query is refused", b"Host: case.test?x\r\n"),
        bad("a Host with a fragment is refused", b"Host: case.test#x\r\n"),
        bad("a Host with a backslash is refused", b"Host: case.test\\x\r\n"),
        bad("a Host with a letter in its port is refused", b"Host: case.test:80x\r\n"),
        bad("a Host with a word as port is refused", b"Host: case.test:http\r\n"),
        bad("a Host with a negative port is refused", b"Host: case.test:-80\r\n"),
        bad("a Host with a port beyond 65535 is refused", b"Host: case.test:99999\r\n"),
        bad("a Host with two ports is refused", b"Host: case.test:80:81\r\n"),
        bad("a Host with an attribute in its port is refused", b"Host: case.test:80@other.test\r\n"),
        bad("an empty port is refused or nothing", b"Host: case.test:\r\n", (400, 200), connection="any", upstream=EITHER, has=((b"host", b"case.test"),)),
        bad("a Host that is only a port is refused", b"Host: :80\r\n"),
        bad("a Host with an empty label is refused", b"Host: case..test\r\n"),
        bad("a Host that begins with a dot is refused", b"Host: .case.test\r\n"),
        bad("a Host of two trailing dots is refused", b"Host: case.test..\r\n"),
        bad("a Host with a NUL is refused", b"Host: case.test\0.other.test\r\n"),
        bad("a Host with a control character is refused", b"Host: case\x01.test\r\n"),
        bad("a Host with bytes above 127 is refused", b"Host: c\xc3\xa1se.test\r\n"),
        bad("a Host with a percent-encoded dot is refused", b"Host: case%2etest\r\n"),
        bad("a Host with a tab within is refused", b"Host: case\t.test\r\n"),
        bad("a Host with an asterisk is refused", b"Host: *.test\r\n"),
        bad("a Host with a quote is refused", b'Host: "case.test"\r\n'),
        bad("a Host of 300 characters is refused", b"Host: " + b"a" * 60 + (b"." + b"a" * 59) * 4 + b".test\r\n"),
        bad("an unclosed IPv6 Host is refused", b"Host: [::1\r\n"),
        bad("an IPv6 Host with junk behind it is refused", b"Host: [::1]x\r\n"),
        bad("an IPv6 Host with a bad address is refused", b"Host: [::g]\r\n"),
        bad("an IPv6 Host is an unknown host", b"Host: [::1]:80\r\n", UNKNOWN, connection="any"),
        bad("an IPv4 Host is an unknown host", b"Host: 127.0.0.1\r\n", UNKNOWN, connection="any"),
        bad("a host that nobody has is an unknown host", b"Host: nobody.test\r\n", UNKNOWN, connection="any"),
        bad("a subdomain of a site is an unknown host", b"Host: sub.case.test\r\n", UNKNOWN, connection="any"),
        bad("a Host with an underscore is refused or unknown", b"Host: a_b.test\r\n", (400, *UNKNOWN), connection="any"),
    ],
)
