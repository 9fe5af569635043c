"""The chunked coding, byte by byte: RFC 9112 7.1."""

from corpus.case import ANY, INCOMPLETE, Case, categorised, post, refused_post

TE = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"
HELLO = b"hello"


def good(name: str, sent: bytes, seen: bytes = HELLO, **expected) -> Case:
    return post(name, TE, sent, **({"body": seen} | expected))


def bad(name: str, sent: bytes, status: tuple[int, ...] = (400,), **expected) -> Case:
    return refused_post(name, TE, sent, status, **({"upstream": INCOMPLETE} | expected))


CASES = categorised(
    "chunked",
    [
        good("an empty chunked body passes", END, b""),
        good("chunks are put together", b"2\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n" + END),
        good("sizes may be in upper case", b"A\r\n0123456789\r\n" + END, b"0123456789"),
        good("sizes may be in lower case", b"a\r\n0123456789\r\n" + END, b"0123456789"),
        good("sizes may have leading zeros", b"0005\r\nhello\r\n" + END),
        good("the last chunk may have several zeros", b"5\r\nhello\r\n000\r\n\r\n"),
        good("data may hold what looks like framing", b"7\r\n\r\n0\r\n\r\n\r\n" + END, b"\r\n0\r\n\r\n"),
        good("an extension is dropped", b"5;name=value\r\nhello\r\n" + END, lacks_bytes=(b"name=value",)),
        good("an extension without a value is dropped", b"5;name\r\nhello\r\n" + END, lacks_bytes=(b";name",)),
        good("a quoted extension is dropped", b'5;name="a;b"\r\nhello\r\n' + END, lacks_bytes=(b"a;b",)),
        good("an extension of the last chunk is dropped", b"5\r\nhello\r\n0;last\r\n\r\n", lacks_bytes=(b"last",)),
        good("a trailer is dropped", b"5\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n", lacks_bytes=(b"X-Trailer", b"x-trailer")),
        good("trailers that would change the request are dropped", b"5\r\nhello\r\n0\r\nContent-Length: 9\r\nHost: evil.test\r\nX-Real-IP: 6.6.6.6\r\n\r\n", lacks_bytes=(b"evil", b"6.6.6.6")),
        bad("a size with a minus is refused", b"-5\r\nhello\r\n" + END),
        bad("a size with a plus is refused", b"+5\r\nhello\r\n" + END),
        bad("a size with 0x is refused", b"0x5\r\nhello\r\n" + END),
        bad("a size behind a space is refused", b" 5\r\nhello\r\n" + END),
        bad("a size behind a tab is refused", b"\t5\r\nhello\r\n" + END),
        bad("a size before a space is refused", b"5 \r\nhello\r\n" + END),
        bad("a size before a tab is refused", b"5\t\r\nhello\r\n" + END),
        bad("a size before a space and an extension is refused", b"5 ;a=b\r\nhello\r\n" + END, (400, 200), connection="any", upstream=ANY),
        bad("a size with an underscore is refused", b"1_0\r\n0123456789abcdef\r\n" + END),
        bad("a size that is no number is refused", b"G\r\nhello\r\n" + END),
        bad("an empty size is refused", b"\r\nhello\r\n" + END),
        bad("an extension without a size is refused", b";a=b\r\nhello\r\n" + END),
        bad("a size of 17 digits is refused", b"10000000000000005\r\nhello\r\n" + END, (400, 413)),
        bad("a size of 2^64 - 1 is refused", b"FFFFFFFFFFFFFFFF\r\nhello\r\n" + END, (400, 413)),
        bad("a size of 2^63 is refused", b"8000000000000000\r\nhello\r\n" + END, (400, 413)),
        bad("a size of 2^32 + 5 does not wrap", b"100000005\r\nhello\r\n" + END, (400, 408, 413)),
        bad("seventeen leading zeros are refused or nothing", b"00000000000000005\r\nhello\r\n" + END, (400, 200), connection="any", upstream=ANY),
        bad("a size that ends in a bare LF is refused", b"5\nhello\r\n" + END),
        bad("a size that ends in a bare CR is refused", b"5\rhello\r\n" + END),
        bad("a size that ends in CR CR LF is refused", b"5\r\r\nhello\r\n" + END),
        bad("data that ends in a bare LF is refused", b"5\r\nhello\n" + END),
        bad("data that ends in a bare CR is refused", b"5\r\nhello\r" + END),
        bad("data longer than its size is refused", b"4\r\nhello\r\n" + END),
        bad("data much longer than its size is refused", b"1\r\nhello\r\n" + END),
        bad("data without a line end is refused", b"5\r\nhello" + END),
        bad("a NUL in an extension is refused", b"5;a=\0\r\nhello\r\n" + END),
        bad("a bare LF in an extension is refused", b"5;a\nb\r\nhello\r\n" + END),
        bad("a CR in an extension is refused", b"5;a\rb\r\nhello\r\n" + END),
        bad("an extension of 300 bytes is refused", b"5;" + b"a" * 300 + b"\r\nhello\r\n" + END),
        bad("extensions of 20 KiB together are refused", b"".join(b"1;" + b"a" * 200 + b"\r\nx\r\n" for _ in range(100)) + END, modes=("whole", "with another behind")),
        bad("a last chunk that ends in a bare LF is refused", b"5\r\nhello\r\n0\n\r\n"),
        bad("a body that ends in a bare LF is refused", b"5\r\nhello\r\n0\r\n\n"),
        bad("a body that ends in a bare CR is refused", b"5\r\nhello\r\n0\r\n\rX"),
        bad("a trailer without a colon is refused", b"5\r\nhello\r\n0\r\nX-Trailer\r\n\r\n"),
        bad("a trailer with a space before its colon is refused", b"5\r\nhello\r\n0\r\nX-Trailer : a\r\n\r\n"),
        bad("a folded trailer is refused", b"5\r\nhello\r\n0\r\nX-Trailer: a\r\n b\r\n\r\n"),
        bad("a trailer that ends in a bare LF is refused", b"5\r\nhello\r\n0\r\nX-Trailer: a\n\r\n"),
        bad("a trailer with a NUL is refused", b"5\r\nhello\r\n0\r\nX-Trailer: a\0\r\n\r\n"),
        bad("a trailer without a name is refused", b"5\r\nhello\r\n0\r\n: a\r\n\r\n"),
        bad("trailers of 9 KiB are refused", b"5\r\nhello\r\n0\r\nX-Trailer: " + b"a" * 9216 + b"\r\n\r\n", (400, 431)),
        bad("a request in place of a chunk is refused", b"GET /smuggled HTTP/1.1\r\nHost: case.test\r\n\r\n", lacks_bytes=(b"/smuggled",)),
    ],
)
