"""How long the upstream's answer is. What does not end as it said must be seen to be broken, and nothing that comes
behind an answer may become the answer to another request.
"""

from corpus.answers import answer, malformed
from corpus.case import HOST, ONE, Case, categorised

LATE = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = ("whole", "with another behind")
HEAD = b"HEAD /x HTTP/1.1\r\n" + HOST + b"\r\n"


def two(name: str, fields: bytes, body: bytes = b"secret", **expected) -> Case:
    return malformed(name, b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + body, **expected)


def broken(name: str, bytes_: bytes, then: str = "close", **expected) -> Case:
    """The head has been passed on: all that can be said is that the body is not whole."""
    return answer(name, bytes_, (200, 502), then=then, truncated=True, connection="any", **expected)


def to_head(name: str, bytes_: bytes, status: tuple[int, ...] = (200,), **expected) -> Case:
    settings = {"connection": "any", "asked": b"HEAD", "modes": WHOLE, "client_lacks": (b"secret",)} | expected
    return Case(name, HEAD, status, upstream=ONE, answer=bytes_, **settings)


CASES = categorised(
    "answer framing",
    [
        two("Content-Length and Transfer-Encoding of an answer are a 502", b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"6\r\nsecret\r\n0\r\n\r\n"),
        two("Transfer-Encoding and Content-Length of an answer are a 502", b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", b"6\r\nsecret\r\n0\r\n\r\n"),
        two("two different Content-Lengths of an answer are a 502", b"Content-Length: 6\r\nContent-Length: 5\r\n"),
        two("a list of different Content-Lengths of an answer is a 502", b"Content-Length: 6, 5\r\n"),
        two("a negative Content-Length of an answer is a 502", b"Content-Length: -6\r\n"),
        two("a signed Content-Length of an answer is a 502", b"Content-Length: +6\r\n"),
        two("a Content-Length of letters in an answer is a 502", b"Content-Length: six\r\n"),
        two("an empty Content-Length of an answer is a 502", b"Content-Length:\r\n"),
        two("an overflowing Content-Length of an answer is a 502", b"Content-Length: 99999999999999999999\r\n"),
        two("Transfer-Encoding gzip, chunked of an answer is a 502", b"Transfer-Encoding: gzip, chunked\r\n"),
        two("Transfer-Encoding identity of an answer is a 502", b"Transfer-Encoding: identity\r\n"),
        two("Transfer-Encoding chunked twice in an answer is a 502", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        two("a space before the colon of Transfer-Encoding in an answer is a 502", b"Transfer-Encoding : chunked\r\nContent-Length: 6\r\n"),
        two("a folded Transfer-Encoding in an answer is a 502", b"Transfer-Encoding:\r\n chunked\r\n"),
        broken("a body shorter than its length is seen to be broken", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
        broken("a body shorter than its length by a reset is seen to be broken", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", then="reset"),
        broken("a body that never begins is seen to be broken", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        broken("chunks without an end are seen to be broken", CHUNKED + b"5\r\nhello\r\n"),
        broken("chunks without an end by a reset are seen to be broken", CHUNKED + b"5\r\nhello\r\n", then="reset"),
        broken("half a chunk is seen to be broken", CHUNKED + b"5\r\nhe"),
        broken("a last chunk without its empty line is seen to be broken", CHUNKED + b"5\r\nhello\r\n0\r\n"),
        broken("a bad chunk size is seen to be broken", CHUNKED + b"5\r\nhello\r\nzz\r\nsecret\r\n0\r\n\r\n", then="keep", client_lacks=(b"secret",)),
        broken("a negative chunk size is seen to be broken", CHUNKED + b"5\r\nhello\r\n-6\r\nsecret\r\n0\r\n\r\n", then="keep", client_lacks=(b"secret",)),
        broken("an overflowing chunk size is seen to be broken", CHUNKED + b"5\r\nhello\r\n10000000000000006\r\nsecret\r\n0\r\n\r\n", then="keep", client_lacks=(b"secret",)),
        broken("a chunk size behind a space is seen to be broken", CHUNKED + b"5\r\nhello\r\n 6\r\nsecret\r\n0\r\n\r\n", then="keep", client_lacks=(b"secret",)),
        broken("a chunk size that ends in a bare LF is seen to be broken", CHUNKED + b"5\r\nhello\r\n6\nsecret\r\n0\r\n\r\n", then="keep", client_lacks=(b"secret",)),
        broken("a chunk longer than its size is seen to be broken", CHUNKED + b"5\r\nhello\r\n1\r\nsecret\r\n0\r\n\r\n", then="keep", client_lacks=(b"secret",)),
        broken("a malformed trailer of an answer is seen to be broken", CHUNKED + b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", then="keep"),
        answer("a chunked answer passes", CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", client_body=b"hello", connection="kept"),
        answer("extensions of an answer's chunks end here", CHUNKED + b"5;a=b\r\nhello\r\n0;c\r\n\r\n", client_body=b"hello", connection="kept"),
        answer("trailers of an answer do not disturb", CHUNKED + b"5\r\nhello\r\n0\r\nX-T: a\r\n\r\n", client_body=b"hello", connection="kept"),
        answer("chunked in another case is chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", client_body=b"hello", connection="kept"),
        answer("an answer that ends with its connection passes", b"HTTP/1.1 200 OK\r\n\r\nhello", then="close", client_body=b"hello"),
        answer("an answer of HTTP/1.0 passes", b"HTTP/1.0 200 OK\r\n\r\nhello", then="close", client_body=b"hello"),
        answer("an answer of HTTP/1.0 with a length passes", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", then="close", client_body=b"hello", connection="kept"),
        answer("an answer of length 0 passes", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", client_body=b"", connection="kept"),
        answer("a second answer is nobody's", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + LATE, client_body=b"ok", client_lacks=(b"secret",)),
        answer("bytes behind a body are nobody's", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\noksecret", client_body=b"ok", client_lacks=(b"secret",)),
        answer("bytes behind the last chunk are nobody's", CHUNKED + b"2\r\nok\r\n0\r\n\r\nsecret", client_body=b"ok", client_lacks=(b"secret",)),
        answer("a 204 has no body", b"HTTP/1.1 204 No Content\r\n\r\n", (204,), connection="kept"),
        answer("the body of a 204 is nobody's", b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\nsecret", (204, 502), client_lacks=(b"secret",)),
        answer("the chunks of a 204 are nobody's", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecret\r\n0\r\n\r\n", (204, 502), client_lacks=(b"secret",)),
        answer("a 304 has no body though it has a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\nETag: \"a\"\r\n\r\n", (304,), connection="kept", client_has=((b"etag", b'"a"'),)),
        answer("the body of a 304 is nobody's", b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n" + LATE, (304,), client_lacks=(b"secret",)),
        to_head("the answer to a HEAD keeps its length and has no body", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", connection="kept", client_has=((b"content-length", b"6"),)),
        to_head("the body of an answer to a HEAD is nobody's", LATE),
        to_head("a chunked answer to a HEAD has no body", CHUNKED, connection="kept"),
        to_head("an answer to a HEAD without any framing has no body", b"HTTP/1.1 200 OK\r\n\r\n", connection="kept"),
        to_head("a broken answer to a HEAD is a 502", b"HTTP/1.1 200 OK\r\nX-Secret", (502,), then="close"),
    ],
)
