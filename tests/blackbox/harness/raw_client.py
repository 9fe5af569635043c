"""A client that sends exactly the bytes a test wants, over TCP or TLS."""

import socket
import ssl
import struct

from harness.messages import Message, MessageReader, Truncated
from harness.waiting import PATIENCE


class RawClient:
    def __init__(
        self,
        endpoint: tuple[str, int],
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
        receive_buffer: int | None = None,
        preface: bytes = b"",
        patience: float = PATIENCE,
        record: bool = False,
    ):
        plain = socket.socket(socket.AF_INET6 if ":" in endpoint[0] else socket.AF_INET)
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.settimeout(patience)
        plain.connect(endpoint)
        if preface:  # PROXY protocol goes before TLS
            plain.sendall(preface)
        self.socket = tls.wrap_socket(plain, server_hostname=server_name, session=session) if tls else plain
        self.reader = MessageReader(self._receive)
        self.was_reset = False
        self.received = bytearray() if record else None  # every byte that came

    def _receive(self) -> bytes:
        try:
            piece = self.socket.recv(65536)
            if self.received is not None:
                self.received += piece
            return piece
        except (ConnectionResetError, BrokenPipeError):
            self.was_reset = True
            return b""
        except ssl.SSLEOFError:
            self.was_reset = True
            return b""

    def send(self, data: bytes) -> None:
        """A proxy that has refused may already have closed: what it said is still to be read."""
        try:
            self.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            pass

    def send_one_by_one(self, data: bytes) -> None:
        for position in range(len(data)):
            try:
                self.socket.send(data[position : position + 1])
            except (ConnectionResetError, BrokenPipeError):
                return

    def request(self, host: str, target: str = "/", method: str = "GET", headers: dict | None = None, body=b"") -> None:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def response(self, method: bytes | str = b"GET", skip_informational: bool = True) -> Message:
        """The next (final) response; a close before it is an error."""
        method = method.encode() if isinstance(method, str) else method
        while True:
            message = self.reader.response(method)
            if message is None:
                raise Truncated(None, b"" if not self.was_reset else b"(reset)")
            if message.status >= 200 or message.status == 101 or not skip_informational:
                return message

    def get(self, host: str, target: str = "/", method: str = "GET", headers: dict | None = None, body=b"") -> Message:
        self.request(host, target, method, headers, body)
        return self.response(method)

    def is_closed(self) -> bool:
        """Waits for the peer's close. False: bytes came instead, or nothing for as long as we have patience."""
        try:
            return not self.reader.buffer and not self.reader.fill()
        except (TimeoutError, socket.timeout):
            return False

    def everything(self) -> bytes:
        """What comes until the peer closes."""
        while self.reader.fill():
            pass
        return bytes(self.reader.buffer)

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
