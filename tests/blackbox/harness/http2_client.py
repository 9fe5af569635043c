"""An HTTP/2 client that sends exactly the frames a test wants, and tells what came back, frame by frame.

It keeps the rules only where a test does not break them: SETTINGS are acknowledged, PINGs answered, windows opened as
data come (unless `reads_windows` is off).
"""

import socket
import struct
from dataclasses import dataclass, field

import hpack
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from harness.tls_client import client_context
from harness.waiting import PATIENCE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 4, 5, 6, 7, 8
COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = 9, 10, 11


class Ended(Exception):
    """The connection ended while something was awaited."""


@dataclass
class Answer:
    """What a stream has brought so far."""

    interim: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: int | None = None  # the code of RST_STREAM
    data_frames: int = 0

    @property
    def status(self) -> int:
        return int(dict(self.headers).get(b":status", b"0"))

    @property
    def is_over(self) -> bool:
        return self.ended or self.reset is not None

    def text(self, name: str) -> str:
        return dict(self.headers).get(name.lower().encode(), b"").decode("latin-1")


class Http2Client:
    def __init__(
        self,
        edge,
        server_name: str,
        settings: dict | None = None,
        greets: bool = True,
        reads_windows: bool = True,
        receive_buffer: int | None = None,
        patience: float = PATIENCE,
    ):
        plain = socket.socket()
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.settimeout(patience)
        plain.connect(edge.https)
        context = client_context(edge.authority, check=False, alpn=("h2",))
        self.socket = context.wrap_socket(plain, server_hostname=server_name)
        assert self.socket.selected_alpn_protocol() == "h2"
        self.host = server_name
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder(max_header_list_size=1 << 20)
        self.reads_windows = reads_windows
        self.answers: dict[int, Answer] = {}
        self.order: list[int] = []  # the streams of the DATA frames, as they came
        self.goaways: list[GoAwayFrame] = []
        self.pongs: list[bytes] = []
        self.settings: dict[int, int] = {}
        self.frames: list[Frame] = []  # all that came
        self.was_reset = False
        self._buffer = bytearray()
        self._block: tuple[HeadersFrame, bytearray] | None = None
        self._next = 1
        if greets:
            frame = SettingsFrame(0)
            frame.settings = settings or {}
            self.send_bytes(PREFACE + frame.serialize())

    # Sending --------------------------------------------------------------------------------------------------------

    def send_bytes(self, data: bytes) -> bool:
        """False: the edge has closed; what it said before is still to be read."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def send(self, *frames: Frame) -> bool:
        return self.send_bytes(b"".join(frame.serialize() for frame in frames))

    def fields(self, method: str = "GET", target: str = "/", headers=(), **changes) -> list[tuple[bytes, bytes]]:
        """Pseudo-header fields and then these; `authority=None` leaves one out."""
        pseudo = {"method": method, "scheme": "https", "authority": self.host, "path": target} | changes
        made = [(b":" + name.encode(), _bytes(value)) for name, value in pseudo.items() if value is not None]
        return made + [(_bytes(name), _bytes(value)) for name, value in headers]

    def block(self, fields) -> bytes:
        return self.encoder.encode(fields, huffman=False)

    def next_stream(self) -> int:
        self._next += 2
        return self._next - 2

    def headers_frame(self, stream: int, fields, ends: bool = True, flags=("END_HEADERS",)) -> HeadersFrame:
        frame = HeadersFrame(stream, self.block(fields), flags=list(flags))
        if ends:
            frame.flags.add("END_STREAM")
        return frame

    def request(self, method: str = "GET", target: str = "/", headers=(), body: bytes | None = None, **changes) -> int:
        """Sends a whole request; the stream's number."""
        stream = self.next_stream()
        self.send(self.headers_frame(stream, self.fields(method, target, headers, **changes), ends=body is None))
        if body is not None:
            self.send_data(stream, body)
        return stream

    def send_data(self, stream: int, body: bytes, ends: bool = True, size: int = 16384) -> bool:
        frames = [DataFrame(stream, body[at : at + size]) for at in range(0, len(body), size)] or [DataFrame(stream, b"")]
        if ends:
            frames[-1].flags.add("END_STREAM")
        return self.send(*frames)

    def cancel(self, stream: int, code: int = CANCEL) -> None:
        self.send(RstStreamFrame(stream, code))

    def ping(self, data: bytes = b"12345678") -> None:
        self.send(PingFrame(0, data))

    def open_window(self, stream: int, by: int) -> None:
        self.send(WindowUpdateFrame(stream, by))

    # Receiving ------------------------------------------------------------------------------------------------------

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                raise
            except OSError:
                self.was_reset = True
                piece = b""
            if not piece:
                raise Ended(bytes(self._buffer))
            self._buffer += piece
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def frame(self) -> Frame:
        """The next frame, already taken into account."""
        frame, length = Frame.parse_frame_header(memoryview(self._take(9)))
        frame.parse_body(memoryview(self._take(length)))
        self.frames.append(frame)
        self._note(frame)
        return frame

    def _note(self, frame: Frame) -> None:
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.settings |= frame.settings
            if frame.settings.get(1) is not None:
                self.encoder.header_table_size = frame.settings[1]
            self.send(SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, PingFrame):
            if "ACK" in frame.flags:
                self.pongs.append(frame.opaque_data)
            else:
                self.send(PingFrame(0, frame.opaque_data, flags=["ACK"]))
        elif isinstance(frame, GoAwayFrame):
            self.goaways.append(frame)
        elif isinstance(frame, RstStreamFrame):
            self.answer(frame.stream_id).reset = frame.error_code
        elif isinstance(frame, (HeadersFrame, ContinuationFrame)):
            self._note_block(frame)
        elif isinstance(frame, DataFrame):
            answer = self.answer(frame.stream_id)
            answer.body += frame.data
            answer.data_frames += 1
            self.order.append(frame.stream_id)
            answer.ended = answer.ended or "END_STREAM" in frame.flags
            if self.reads_windows and frame.flow_controlled_length:
                self.send(WindowUpdateFrame(0, frame.flow_controlled_length))
                if not answer.ended:
                    self.send(WindowUpdateFrame(frame.stream_id, frame.flow_controlled_length))

    def _note_block(self, frame) -> None:
        if isinstance(frame, HeadersFrame):
            self._block = (frame, bytearray(frame.data))
        else:
            self._block[1].extend(frame.data)
        if "END_HEADERS" not in frame.flags:
            return
        first, data = self._block
        fields = [(bytes(name), bytes(value)) for name, value in self.decoder.decode(bytes(data), raw=True)]
        answer = self.answer(first.stream_id)
        if answer.headers:
            answer.trailers = fields
        elif dict(fields)[b":status"].startswith(b"1"):
            answer.interim.append(fields)
        else:
            answer.headers = fields
        answer.ended = answer.ended or "END_STREAM" in first.flags

    def answer(self, stream: int) -> Answer:
        return self.answers.setdefault(stream, Answer())

    def wait_for(self, condition, what: str = "") -> None:
        """Reads frames until it is true; Ended when the connection ends before."""
        while not condition():
            try:
                self.frame()
            except TimeoutError:
                raise AssertionError(f"waited for {what or condition}; saw {self.frames[-10:]}") from None

    def response(self, stream: int) -> Answer:
        """The whole answer, or what came before the stream or the connection ended."""
        answer = self.answer(stream)
        try:
            self.wait_for(lambda: answer.is_over, f"the answer of stream {stream}")
        except Ended:
            pass
        return answer

    def get(self, target: str = "/", method: str = "GET", headers=(), body: bytes | None = None, **changes) -> Answer:
        return self.response(self.request(method, target, headers, body, **changes))

    def end(self) -> int | None:
        """Waits for the connection's end; the code of the last GOAWAY, None: there was none."""
        try:
            while True:
                self.frame()
        except Ended:
            return self.goaways[-1].error_code if self.goaways else None

    def round_trip(self) -> None:
        """What was sent before has been taken when this returns."""
        mark = struct.pack(">Q", len(self.frames) + 1)
        self.ping(mark)
        self.wait_for(lambda: mark in self.pongs, "a PING's answer")

    def close(self) -> None:
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _bytes(value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


__all__ = ["Answer", "ContinuationFrame", "DataFrame", "Ended", "HeadersFrame", "Http2Client", "PREFACE", "PingFrame", "PriorityFrame", "RstStreamFrame", "SettingsFrame", "WindowUpdateFrame"]
