"""The application of a customer's server, as a program: what Frappe does for a site, as far as an edge can tell.

    application.py ADDRESS SOCKETIO_PORT AGENT_FOLDER=PORT SITES_FOLDER=PORT...

Each port serves the sites in one bench's folder; which site is asked for, nginx says (X-Frappe-Site-Name). A site that
is not in the folder is a 404. One whose site_config.json says `maintenance_mode` is refused with Frappe's own 503
before its body is read. What a POST does is a line in the site's `ledger`: `ID DIGEST`.

The WebSocket port echoes. The agent's port takes every call for the beginning of a job, and tells of jobs what the
folder has of them (`ID.json`, which the test writes). The program says `ready` when it listens.
"""

import asyncio
import hashlib
import json
import os
import pathlib
import sys
from urllib.parse import parse_qs, urlsplit

import websockets

PAGE = "<!DOCTYPE html><html><head><title>{title}</title></head><body><p>{text}</p></body></html>"


class Request:
    def __init__(self, head: bytes):
        lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = lines[0].split(" ")
        parts = urlsplit(target)
        self.path = parts.path
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.fields = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.fields[name.lower()] = value.strip()

    def get(self, name: str) -> str:
        return self.fields.get(name, "")

    @property
    def wants_json(self) -> bool:
        accept = self.get("accept")
        return "application/json" in accept or (self.path.startswith("/api/") and "text" not in accept)


class Answer:
    def __init__(self, status: int, body: str, kind: str = "application/json"):
        self.status, self.body, self.kind = status, body.encode(), kind

    def bytes(self) -> bytes:
        return (
            f"HTTP/1.1 {self.status} Status\r\nContent-Type: {self.kind}\r\n"
            f"Content-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        ).encode() + self.body


def message(value) -> Answer:
    return Answer(200, json.dumps({"message": value}))


def refusal(request: Request, status: int, kind: str, title: str, text: str) -> Answer:
    """An exception as Frappe reports it: to API clients by its type, in version 2 of the API in a list, else a page."""
    if not request.wants_json:
        return Answer(status, PAGE.format(title=title, text=text), "text/html; charset=utf-8")
    if request.path.startswith("/api/v2/"):
        return Answer(status, json.dumps({"errors": [{"type": kind, "exception": f"frappe.exceptions.{kind}", "message": text}]}))
    trace = json.dumps([f"Traceback (most recent call last):\n  frappe.exceptions.{kind}: {text}\n"])
    return Answer(status, json.dumps({"exception": f"frappe.exceptions.{kind}", "exc_type": kind, "exc": trace}))


class Bench:
    def __init__(self, sites: pathlib.Path):
        self.sites = sites

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = Request((await reader.readuntil(b"\r\n\r\n"))[:-4])
            answer = await self.answer(request, reader)
            writer.write(answer.bytes())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # nginx gave the request up
        finally:
            writer.close()

    async def answer(self, request: Request, reader: asyncio.StreamReader) -> Answer:
        folder = self.sites / request.get("x-frappe-site-name")
        try:
            config = json.loads((folder / "site_config.json").read_text())
        except FileNotFoundError:
            return refusal(request, 404, "DoesNotExistError", "Not Found", "The site does not exist.")
        if config.get("maintenance_mode"):
            text = "The system is being updated. Please refresh again after a few moments."
            return refusal(request, 503, "SessionStopped", "Updating", text)
        if request.method == "POST":
            return await self.write(folder, request, reader)
        if request.path == "/api/method/ping":
            return message("pong")
        if request.path == "/api/method/count":
            return message(len((folder / "ledger").read_text().splitlines()))
        return Answer(200, PAGE.format(title="Desk", text=request.path), "text/html; charset=utf-8")

    async def write(self, folder: pathlib.Path, request: Request, reader: asyncio.StreamReader) -> Answer:
        # Opened first: a request that is at work while its folder is moved goes on in it, as a process would.
        ledger = os.open(folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            body = await reader.readexactly(int(request.get("content-length") or 0))
            await asyncio.sleep(float(request.query.get("takes", 0)))
            digest = hashlib.sha256(body).hexdigest()
            os.write(ledger, f"{request.query['id']} {digest}\n".encode())
            return message({"id": request.query["id"], "digest": digest, "position": os.lseek(ledger, 0, os.SEEK_END)})
        finally:
            os.close(ledger)


class Agent:
    """The server's agent as a control plane calls it: jobs, and a credential."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = Request((await reader.readuntil(b"\r\n\r\n"))[:-4])
            await reader.readexactly(int(request.get("content-length") or 0))
            writer.write(self.answer(request).bytes())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def answer(self, request: Request) -> Answer:
        if request.get("authorization") != "bearer agent-password":
            return Answer(401, json.dumps({"message": "Unauthenticated"}))
        if request.method == "POST":
            number = 1 + len(list(self.folder.iterdir()))
            (self.folder / f"{number}.json").write_text(json.dumps({"id": number, "status": "Pending", "steps": []}))
            return Answer(200, json.dumps({"job": number}))
        if request.path.startswith("/agent/jobs/"):
            return Answer(200, (self.folder / f"{request.path.rsplit('/', 1)[1]}.json").read_text())
        return message("pong")


async def echo(socket) -> None:
    try:
        async for text in socket:
            await socket.send(text)
    except websockets.ConnectionClosed:
        pass


async def main(address: str, socketio_port: str, agent: str, *benches: str) -> None:
    await websockets.serve(echo, address, int(socketio_port), ping_interval=None)
    folder, port = agent.rsplit("=", 1)
    await asyncio.start_server(Agent(pathlib.Path(folder)).serve, address, int(port), backlog=1024)
    for bench in benches:
        folder, port = bench.rsplit("=", 1)
        await asyncio.start_server(Bench(pathlib.Path(folder)).serve, address, int(port), backlog=1024)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
