"""An origin that does what a script says and records exactly which bytes it saw, connection by connection.

A script is a function of a connection, run in a thread of its own. Scripts wait for events, never for a time.
"""

import socket
import ssl
import struct
import threading

from harness.addresses import free_endpoint
from harness.messages import Malformed, Message, MessageReader, Truncated
from harness.waiting import PATIENCE


class OriginConnection:
    def __init__(self, origin: "ScriptedOrigin", connected: socket.socket, number: int):
        self.origin = origin
        self.number = number
        self.socket = connected
        self.received = bytearray()  # every byte, as it came
        self.requests: list[Message] = []  # complete ones
        self.partial: Message | None = None  # begun and never ended
        self.settled = 0  # bytes that belong to complete requests
        self.fault: str | None = None  # what the proxy sent against the rules
        self.ended = threading.Event()
        self.reader = MessageReader(self._receive)

    def _receive(self) -> bytes:
        try:
            piece = self.socket.recv(65536)
        except OSError:
            piece = b""
        with self.origin.changed:
            self.received += piece
            self.origin.changed.notify_all()
        return piece

    def read_head(self) -> Message | None:
        return self.reader.head()

    def read_request(self) -> Message | None:
        """The next complete request; None when the connection ended, be it between or within requests."""
        try:
            request = self.reader.request()
        except Truncated as truncated:
            self.partial = truncated.partial or Message(b"", [])
            return None
        except Malformed as fault:
            self.fault = str(fault)
            return None
        if request is not None:
            with self.origin.changed:
                self.settled = len(self.received) - len(self.reader.buffer)
                self.requests.append(request)
                self.origin.requests.append(request)
                self.origin.changed.notify_all()
        return request

    def send(self, data: bytes) -> bool:
        """False: the proxy has gone."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def wait_for_end(self) -> None:
        """Reads on until the proxy closes."""
        while self._receive():
            pass

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class ScriptedOrigin:
    def __init__(self, script=None, tls: ssl.SSLContext | None = None, endpoint: tuple[str, int] | None = None):
        self.endpoint = endpoint or free_endpoint()
        self.script = script or answering(ok(b"scripted"))
        self.changed = threading.Condition()
        self.requests: list[Message] = []  # complete ones of all connections, in the order they were complete
        self.connections: list[OriginConnection] = []
        self.tls_failures: list[str] = []
        self.tls_names: list[str | None] = []  # SNI of each handshake
        self._tls = tls
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.tls_names.append(name)
        self._listener: socket.socket | None = None
        self.listen()

    def listen(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(self.endpoint)
        self._listener.listen(1024)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop_listening(self) -> None:
        """From now on connecting is refused; connections there are go on."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread, which close() would not
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                connection = OriginConnection(self, accepted, len(self.connections))
                self.connections.append(connection)
                self.changed.notify_all()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: OriginConnection) -> None:
        try:
            if self._tls is not None:
                connection.socket = self._tls.wrap_socket(connection.socket, server_side=True)
            self.script(connection)
        except ssl.SSLError as error:
            self.tls_failures.append(str(error))
        except (Malformed, Truncated) as fault:
            connection.fault = str(fault)
        except OSError:
            pass
        finally:
            connection.close()
            with self.changed:
                connection.ended.set()
                self.changed.notify_all()

    def wait_for(self, condition, what: str, seconds: float = PATIENCE) -> None:
        with self.changed:
            if not self.changed.wait_for(condition, seconds):
                raise AssertionError(f"the origin waited {seconds:.1f} s for {what}; it saw {self.summary()}")

    def wait_for_requests(self, count: int) -> list[Message]:
        self.wait_for(lambda: len(self.requests) >= count, f"{count} requests")
        return list(self.requests)

    def wait_for_connections(self, count: int) -> list[OriginConnection]:
        self.wait_for(lambda: len(self.connections) >= count, f"{count} connections")
        return list(self.connections)

    def wait_for_bytes(self, data: bytes) -> None:
        self.wait_for(lambda: any(data in c.received for c in self.connections), f"{data[:80]!r}")

    def only_request(self) -> Message:
        self.wait_for_requests(1)
        assert len(self.requests) == 1, self.summary()
        return self.requests[0]

    def faults(self) -> list[str]:
        return [connection.fault for connection in self.connections if connection.fault]

    def saw_nothing(self) -> bool:
        return not any(connection.received for connection in self.connections)

    def summary(self) -> list[bytes]:
        return [bytes(connection.received[:300]) for connection in self.connections]

    def close(self) -> None:
        self.stop_listening()
        for connection in self.connections:
            connection.close()


def ok(body: bytes = b"ok", headers: bytes = b"", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), headers, body)


def telling(name: str):
    """Answers with its own name, what it was asked and for whom."""

    def script(connection: OriginConnection) -> None:
        while (request := connection.read_request()) is not None:
            connection.send(ok(name.encode() + b" " + request.target + b" " + request.get("host", b"")))

    return script


def answering(*answers: bytes, then: str = "keep"):
    """Answers the requests of a connection in turn, the last answer for all further ones.

    `then` says what follows an answer: keep, close, half_close (and wait), or reset.
    """

    def script(connection: OriginConnection) -> None:
        served = 0
        while connection.read_request() is not None:
            connection.send(answers[min(served, len(answers) - 1)])
            served += 1
            if then == "reset":
                return connection.reset()
            if then == "half_close":
                connection.half_close()
                return connection.wait_for_end()
            if then == "close":
                return None
        return None

    return script
