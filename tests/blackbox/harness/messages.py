"""HTTP/1 messages read from bytes, strictly: what the proxy sent must be exact, so nothing is forgiven here."""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) [^\x00-\x08\x0a-\x1f\x7f]*\Z")


class Malformed(Exception):
    """The peer sent what HTTP/1.1 forbids."""


class Truncated(Exception):
    """The peer closed inside a message; `partial` is what had come of it."""

    def __init__(self, partial: "Message | None", raw: bytes):
        super().__init__(f"closed inside a message: {raw[:200]!r}")
        self.partial = partial
        self.raw = raw


@dataclass
class Message:
    start_line: bytes
    headers: list[tuple[bytes, bytes]]  # names in lower case
    body: bytes = b""
    framing: str = "none"  # none, length, chunked, close
    complete: bool = False
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    pieces: int = 0  # chunks of a chunked body

    def all(self, name: str) -> list[bytes]:
        wanted = name.lower().encode()
        return [value for key, value in self.headers if key == wanted]

    def get(self, name: str, default: bytes | None = None) -> bytes | None:
        values = self.all(name)
        return values[0] if values else default

    def text(self, name: str) -> str:
        return (self.get(name) or b"").decode("latin-1")

    @property
    def status(self) -> int:
        return int(self.start_line.split(b" ")[1])

    @property
    def method(self) -> bytes:
        return self.start_line.split(b" ")[0]

    @property
    def target(self) -> bytes:
        return self.start_line.split(b" ")[1]

    @property
    def content(self) -> str:
        return self.body.decode("utf-8", "replace")


class MessageReader:
    """Reads messages from `receive`, which returns bytes, b"" at the end."""

    def __init__(self, receive):
        self._receive = receive
        self.buffer = bytearray()
        self.at_end = False

    def fill(self) -> bool:
        if self.at_end:
            return False
        piece = self._receive()
        if not piece:
            self.at_end = True
            return False
        self.buffer += piece
        return True

    def take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self.fill():
                raise Truncated(None, bytes(self.buffer))
        piece = bytes(self.buffer[:count])
        del self.buffer[:count]
        return piece

    def line(self) -> bytes:
        start = 0
        while (end := self.buffer.find(b"\n", start)) < 0:
            start = len(self.buffer)
            if not self.fill():
                raise Truncated(None, bytes(self.buffer))
        line = self.take(end + 1)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            raise Malformed(f"line {line[:200]!r}")
        return line[:-2]

    def fields(self) -> list[tuple[bytes, bytes]]:
        fields = []
        while line := self.line():
            name, colon, value = line.partition(b":")
            if not colon or not _TOKEN.match(name):
                raise Malformed(f"field {line[:200]!r}")
            fields.append((name.lower(), value.strip(b" \t")))
        return fields

    def head(self) -> Message | None:
        """None: the connection ended between two messages."""
        if not self.buffer and not self.fill():
            return None
        return Message(self.line(), self.fields())

    def chunked_body(self, message: Message) -> None:
        while True:
            size = self.line()
            if not re.match(rb"[0-9a-fA-F]{1,16}\Z", size):
                raise Malformed(f"chunk size {size[:80]!r}")
            count = int(size, 16)
            if count == 0:
                message.trailers = self.fields()
                return
            have = len(self.buffer)
            try:
                message.body += self.take(count)
            except Truncated:
                message.body += bytes(self.buffer[:count])
                raise Truncated(message, bytes(self.buffer[:have])) from None
            message.pieces += 1
            if self.take(2) != b"\r\n":
                raise Malformed("chunk data does not end with CRLF")

    def body(self, message: Message, is_request: bool) -> None:
        codings, lengths = message.all("transfer-encoding"), message.all("content-length")
        if len(codings) + len(lengths) > 1:
            raise Malformed(f"two framings: {codings} {lengths}")
        try:
            if codings:
                if codings[0] != b"chunked":
                    raise Malformed(f"transfer-encoding {codings[0]!r}")
                message.framing = "chunked"
                self.chunked_body(message)
            elif lengths:
                if not re.match(rb"[0-9]{1,19}\Z", lengths[0]):
                    raise Malformed(f"content-length {lengths[0]!r}")
                message.framing = "length"
                while len(message.body) < int(lengths[0]):
                    if not self.buffer and not self.fill():
                        raise Truncated(message, bytes(message.body))
                    message.body += self.take(min(len(self.buffer), int(lengths[0]) - len(message.body)))
            elif not is_request:
                message.framing = "close"
                while self.fill():
                    pass
                message.body = self.take(len(self.buffer))
        except Truncated as truncated:
            truncated.partial = message
            raise
        message.complete = True

    def request(self) -> Message | None:
        message = self.head()
        if message is None:
            return None
        if message.start_line.count(b" ") != 2 or not re.search(rb" HTTP/1\.[01]\Z", message.start_line):
            raise Malformed(f"request line {message.start_line[:200]!r}")
        self.body(message, is_request=True)
        return message

    def response(self, method: bytes = b"GET") -> Message | None:
        """One response, an informational one too; its body by RFC 9112 6.3."""
        message = self.head()
        if message is None:
            return None
        if not _STATUS_LINE.match(message.start_line):
            raise Malformed(f"status line {message.start_line[:200]!r}")
        if method == b"HEAD" or message.status in (204, 304) or message.status < 200:
            message.complete = True
        else:
            self.body(message, is_request=False)
        return message
