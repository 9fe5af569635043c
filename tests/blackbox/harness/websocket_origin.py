"""A real WebSocket server (python3-websockets) in a thread with a loop of its own, and a loop to run clients on."""

import asyncio
import threading

import websockets

from harness.addresses import free_endpoint
from harness.waiting import PATIENCE


def _choose(*offers):
    """Of the client's offers; newer versions of the library pass a connection, older ones the server's own offers, too."""
    return "frappe" if all("frappe" in offer for offer in offers if isinstance(offer, (list, tuple))) else None


def _request_headers(socket):
    return socket.request.headers if hasattr(socket, "request") else socket.request_headers


def _path(socket) -> str:
    return socket.request.path if hasattr(socket, "request") else socket.path


class WebSocketOrigin:
    """Echoes; `close 4001 bye` closes so, `path` answers with the path, `headers NAME` with a request header."""

    def __init__(self):
        self.endpoint = free_endpoint()
        self.closed: list[tuple[int | None, str]] = []  # how connections ended, as the server saw it
        self._loop = asyncio.new_event_loop()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(PATIENCE)

    async def _listen(self):
        return await websockets.serve(self._serve, *self.endpoint, subprotocols=["frappe"], select_subprotocol=_choose, max_size=None, ping_interval=None)

    async def _serve(self, socket) -> None:
        try:
            async for message in socket:
                words = message.split(" ") if isinstance(message, str) else []
                if words[:1] == ["close"]:
                    await socket.close(int(words[1]), words[2])
                elif words[:1] == ["path"]:
                    await socket.send(_path(socket))
                elif words[:1] == ["header"]:
                    await socket.send(_request_headers(socket).get(words[1], ""))
                else:
                    await socket.send(message)
        except websockets.ConnectionClosed:
            pass
        with self._changed:
            self.closed.append((socket.close_code, socket.close_reason or ""))
            self._changed.notify_all()

    def wait_for_closed(self, count: int) -> list[tuple[int | None, str]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.closed) >= count, PATIENCE), self.closed
            return list(self.closed)

    def close(self) -> None:
        async def end():
            self._server.close()
            await self._server.wait_closed()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
