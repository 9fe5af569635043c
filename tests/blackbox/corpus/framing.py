"""How long a request's body is: RFC 9112 6. Where two readers could differ, the request is refused."""

from corpus.case import EITHER, ONE, Case, categorised, get, post, refused_post

HELLO = b"hello"
CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
# A body that is a request of its own for whoever reads the framing another way.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: case.test\r\n\r\n"


def length(name: str, value: bytes, status=(400,), **expected) -> Case:
    return refused_post(name, b"Content-Length: " + value + b"\r\n", HELLO, status, **expected)


def coding(name: str, value: bytes, **expected) -> Case:
    return refused_post(name, b"Transfer-Encoding:" + value + b"\r\n", CHUNKED, **expected)


def both(name: str, head: bytes, sent: bytes = b"0\r\n\r\n" + SMUGGLED, **expected) -> Case:
    return refused_post(name, head, sent, lacks_bytes=(b"/smuggled",), **expected)


CASES = categorised(
    "framing",
    [
        post("a body of a Content-Length passes", b"Content-Length: 5\r\n", HELLO, body=HELLO, framing="length"),
        post("a Content-Length of 0 passes", b"Content-Length: 0\r\n", b"", body=b""),
        post("a POST without framing has no body", b"", b"", body=b""),
        Case("a GET may have a body", b"GET /x HTTP/1.1\r\nHost: case.test\r\nContent-Length: 5\r\n\r\nhello", (200,), "kept", ONE, body=HELLO),
        Case("a DELETE may have a body", b"DELETE /x HTTP/1.1\r\nHost: case.test\r\nContent-Length: 5\r\n\r\nhello", (200,), "kept", ONE, body=HELLO, asked=b"DELETE"),
        post("white space around a Content-Length is nothing", b"Content-Length: \t5 \t\r\n", HELLO, body=HELLO, framing="length"),
        post("leading zeros of a Content-Length are refused or nothing", b"Content-Length: 0005\r\n", HELLO, status=(200, 400), connection="any", upstream=EITHER, framing="length"),
        post("chunked passes", b"Transfer-Encoding: chunked\r\n", CHUNKED, body=HELLO),
        post("chunked in another case passes as chunked", b"Transfer-Encoding: Chunked\r\n", CHUNKED, body=HELLO),
        post("white space around chunked is nothing", b"Transfer-Encoding: \tchunked \t\r\n", CHUNKED, body=HELLO),
        length("a Content-Length with a plus is refused", b"+5"),
        length("a Content-Length with a minus is refused", b"-5"),
        length("a Content-Length of minus zero is refused", b"-0"),
        length("a Content-Length in hexadecimal is refused", b"0x5"),
        length("a Content-Length with a letter is refused", b"5a"),
        length("a Content-Length with a fraction is refused", b"5.0"),
        length("a Content-Length with an exponent is refused", b"5e0"),
        length("a Content-Length with a space within is refused", b"5 5"),
        length("a Content-Length with a tab within is refused", b"5\t5"),
        length("a Content-Length with a semicolon is refused", b"5;"),
        length("a Content-Length with a vertical tab is refused", b"\x0b5"),
        length("a Content-Length with an underscore is refused", b"5_0"),
        length("a quoted Content-Length is refused", b'"5"'),
        length("an empty Content-Length is refused", b""),
        length("a Content-Length of other digits is refused", "５".encode()),
        length("a Content-Length of 2^64 and 5 is refused", b"18446744073709551621", (400, 413)),
        length("a Content-Length of many digits is refused", b"9" * 40, (400, 413)),
        length("a list of two lengths is refused", b"5, 6"),
        length("a list of two equal lengths is refused", b"5, 5"),
        length("a list with an empty length is refused", b"5,"),
        refused_post("two different Content-Lengths are refused", b"Content-Length: 5\r\nContent-Length: 6\r\n", HELLO),
        refused_post("two equal Content-Lengths are refused", b"Content-Length: 5\r\nContent-Length: 5\r\n", HELLO),
        refused_post("a second, malformed Content-Length is refused", b"Content-Length: 5\r\nContent-Length: x\r\n", HELLO),
        refused_post("a space before the colon of Content-Length is refused", b"Content-Length : 5\r\n", HELLO),
        both("Content-Length and Transfer-Encoding are refused", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        both("Transfer-Encoding and Content-Length are refused", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        both("Transfer-Encoding and a Content-Length of 0 are refused", b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        both("Content-Length and Transfer-Encoding identity are refused", b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n"),
        both("Content-Length and an unknown coding are refused", b"Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n"),
        both("Content-Length and an empty Transfer-Encoding are refused", b"Content-Length: 5\r\nTransfer-Encoding:\r\n"),
        both("a Transfer-Encoding behind a space is refused beside Content-Length", b"Content-Length: 5\r\nTransfer-Encoding : chunked\r\n"),
        both("a Transfer-Encoding behind a bare LF is refused beside Content-Length", b"Content-Length: 5\r\nX: a\nTransfer-Encoding: chunked\r\n"),
        both("a folded Transfer-Encoding is refused beside Content-Length", b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n"),
        both("a Transfer-Encoding in a folded line is refused beside Content-Length", b"Content-Length: 5\r\nX: a\r\n Transfer-Encoding: chunked\r\n"),
        coding("Transfer-Encoding identity is refused", b" identity"),
        coding("Transfer-Encoding gzip, chunked is refused", b" gzip, chunked"),
        coding("Transfer-Encoding chunked, gzip is refused", b" chunked, gzip"),
        coding("Transfer-Encoding chunked, chunked is refused", b" chunked, chunked"),
        coding("Transfer-Encoding chunked, identity is refused", b" chunked, identity"),
        coding("Transfer-Encoding gzip is refused", b" gzip"),
        coding("an empty Transfer-Encoding is refused", b""),
        coding("Transfer-Encoding with an empty element before is refused", b" ,chunked"),
        coding("Transfer-Encoding with an empty element behind is refused", b" chunked,"),
        coding("Transfer-Encoding with a parameter is refused", b" chunked;q=1"),
        coding("a quoted Transfer-Encoding is refused", b' "chunked"'),
        coding("Transfer-Encoding xchunked is refused", b" xchunked"),
        coding("Transfer-Encoding chunkedx is refused", b" chunkedx"),
        coding("Transfer-Encoding behind a vertical tab is refused", b" \x0bchunked"),
        coding("Transfer-Encoding before a form feed is refused", b" chunked\x0c"),
        coding("Transfer-Encoding with a NUL is refused", b" chunked\0"),
        coding("Transfer-Encoding with a no-break space is refused", b" \xa0chunked"),
        coding("a folded Transfer-Encoding is refused", b"\r\n chunked"),
        coding("two Transfer-Encodings chunked are refused", b" chunked\r\nTransfer-Encoding: chunked"),
        coding("Transfer-Encoding chunked and identity apart are refused", b" chunked\r\nTransfer-Encoding: identity"),
        coding("Transfer-Encoding identity and chunked apart are refused", b" identity\r\nTransfer-Encoding: chunked"),
        coding("a Transfer-Encoding behind a CR is refused", b" x\rTransfer-Encoding: chunked"),
        refused_post("a space before the colon of Transfer-Encoding is refused", b"Transfer-Encoding : chunked\r\n", CHUNKED),
        refused_post("a tab before the colon of Transfer-Encoding is refused", b"Transfer-Encoding\t: chunked\r\n", CHUNKED),
        refused_post("a control character behind the name of Transfer-Encoding is refused", b"Transfer-Encoding\x0b: chunked\r\n", CHUNKED),
        refused_post("a byte above 127 behind the name of Transfer-Encoding is refused", b"Transfer-Encoding\x85: chunked\r\n", CHUNKED),
        get("Content_Length frames nothing", b"Content_Length: 5\r\n", framing="none"),
        get("Transfer_Encoding frames nothing", b"Transfer_Encoding: chunked\r\n", framing="none"),
        get("Content.Length frames nothing", b"Content.Length: 5\r\n", framing="none"),
        post("a Connection that names Content-Length does not take the framing away", b"Connection: Content-Length\r\nContent-Length: 5\r\n", HELLO, body=HELLO),
        post("a Connection that names Transfer-Encoding does not take the framing away", b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", CHUNKED, body=HELLO),
        post("a body that looks like a request is only a body", b"Content-Length: %d\r\n" % len(SMUGGLED), SMUGGLED, body=SMUGGLED, lacks=()),
    ],
)
