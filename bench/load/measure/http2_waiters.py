"""HTTP/2 connections that ask and wait: many requests on each, one after the other, their answers left unread."""

import socket
import ssl
import struct

from measure.processes import PATIENCE, Failure

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, PING = 1, 4, 6
ACK, ENDS = 1, 1 | 4  # END_STREAM and END_HEADERS


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def field(name: bytes, value: str) -> bytes:
    """Not indexed, not Huffman coded (RFC 7541 6.2.2); `name`: its index in the static table, already coded."""
    return name + bytes([len(value)]) + value.encode()


class Http2Waiters:
    """One connection."""

    def __init__(self, context: ssl.SSLContext, port: int, host: str):
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname=host)
        if self.socket.selected_alpn_protocol() != "h2":
            raise Failure("holds: HTTP/2 was not chosen")
        self.host = host
        self.stream = 1
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0))
        self._skip_to(SETTINGS, 0)
        self.socket.sendall(frame(SETTINGS, ACK, 0))

    def ask(self, numbers) -> None:
        """A GET of each number as a path; all of them have come when this returns."""
        asked = b""
        for number in numbers:
            fields = b"\x82\x87" + field(b"\x01", self.host) + field(b"\x04", f"/{number}")
            fields += field(b"\x0f\x2b", "bench") + field(b"\x0f\x04", "*/*")
            asked += frame(HEADERS, ENDS, self.stream, fields)
            self.stream += 2
        self.socket.sendall(asked + frame(PING, 0, 0, b"arrived?"))
        self._skip_to(PING, ACK)

    def close(self) -> None:
        self.socket.close()

    def _skip_to(self, kind: int, flags: int) -> None:
        while True:
            head = self._take(9)
            self._take(int.from_bytes(head[:3], "big"))
            if head[3] == kind and head[4] & ACK == flags:
                return

    def _take(self, count: int) -> bytes:
        taken = b""
        while len(taken) < count:
            piece = self.socket.recv(count - len(taken))
            if not piece:
                raise Failure("holds: the connection was closed")
            taken += piece
        return taken
