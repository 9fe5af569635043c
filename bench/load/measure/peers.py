"""The programs side by side, each in front of the same backend: Hybridge on both drivers, nginx, HAProxy."""

import http.client
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess

from measure.processes import Failure, Process, accepts, fill, free_ports, processors, wait_until

CONF = pathlib.Path(__file__).resolve().parent.parent / "conf"
TEMPORARY = ("body", "proxy", "fastcgi", "uwsgi", "scgi")  # nginx's folders
HOSTS = {"ec.bench.test": "plain", "rsa.bench.test": "plain", "secure.bench.test": "secure"}


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise Failure(f"{name} is not installed")
    return found


def nginx_home(directory: pathlib.Path) -> str:
    """Makes nginx's folders; answers its `user` line: as root its worker would otherwise be nobody."""
    for name in TEMPORARY:
        (directory / "temporary" / name).mkdir(parents=True, exist_ok=True)
    if os.getuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} root;"


class Backend:
    """Debian's nginx with fixed bodies, on the load's processors."""

    def __init__(self, directory: pathlib.Path, certificates: pathlib.Path):
        directory.mkdir()
        self.port, self.tls_port, sink = free_ports(3)
        (directory / "site").mkdir()
        (directory / "site" / "1m").write_bytes(b"m" * (1 << 20))
        words = {"DIR": directory, "USER": nginx_home(directory), "PORT": self.port, "TLS_PORT": self.tls_port}
        words |= {"SINK_PORT": sink, "CERTIFICATES": certificates, "KIBIBYTE": "k" * 1024}
        conf = fill(CONF / "backend.nginx.conf.in", directory / "nginx.conf", **words)
        argv = [program("nginx"), "-p", directory, "-e", directory / "error.log", "-c", conf]
        self.process = Process("the backend", argv, directory, processors()[1])
        wait_until(lambda: accepts(self.port), "the backend", self.process)

    def stop(self) -> None:
        self.process.stop()


class Peer:
    """One proxy. `start` may be called again after `stop`; ports and directory stay."""

    name = ""

    def __init__(self, directory: pathlib.Path, certificates: pathlib.Path, backend: Backend, generator, logs: bool):
        directory.mkdir()
        self.directory = directory
        self.logs = logs
        self.certificates = certificates
        self.backend = backend
        self.generator = generator
        self.http, self.https, self.admin = free_ports(3)
        self.log = directory / "access.log"
        self.process: Process | None = None
        self.prepare()

    def words(self) -> dict:
        words = {"DIR": self.directory, "CERTIFICATES": self.certificates, "HTTP": self.http, "HTTPS": self.https}
        return words | {"BACKEND": self.backend.port, "BACKEND_TLS": self.backend.tls_port}

    def prepare(self) -> None:
        """Writes the configuration."""

    def argv(self) -> list:
        raise NotImplementedError

    def place(self) -> set[int]:
        """The processors it may run on."""
        return processors()[0]

    def start(self) -> "Peer":
        self.process = Process(self.name, self.argv(), self.directory, self.place())
        wait_until(self.is_ready, self.name, self.process, pause=0.002)
        return self

    def is_ready(self) -> bool:
        return accepts(self.http) and accepts(self.https)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def empty_log(self) -> None:
        if self.logs:
            os.truncate(self.log, 0)

    def log_lines(self) -> int:
        lines = 0
        with open(self.log, "rb") as log:
            while piece := log.read(1 << 20):
                lines += piece.count(b"\n")
        return lines

    def pss_kib(self) -> int:
        return self.process.pss_kib()


class Nginx(Peer):
    name = "nginx"
    workers = 1
    names_hash = 1024

    def prepare(self) -> None:
        log = f"{self.log} facts buffer=64k flush=1s" if self.logs else "off"
        words = self.words() | {"USER": nginx_home(self.directory), "ACCESS_LOG": log}
        words |= {"WORKERS": self.workers, "NAMES_HASH": self.names_hash}
        self.conf = fill(CONF / "peer.nginx.conf.in", self.directory / "nginx.conf", **words)

    def argv(self) -> list:
        return [program("nginx"), "-p", self.directory, "-e", self.directory / "error.log", "-c", self.conf]

    def serve(self, hosts: dict[str, str]) -> None:
        """One server block for each more host; name -> its certificate's path without ending. Read at (re)load."""
        blocks = [
            f"server {{ listen 127.0.0.1:{self.http}; listen 127.0.0.1:{self.https} ssl http2; server_name {host};"
            f" ssl_certificate {base}.pem; ssl_certificate_key {base}.key;"
            " location / { proxy_pass http://plain; } }\n"
            for host, base in hosts.items()
        ]
        self.names_hash = max(1024, 4 * len(hosts))
        self.prepare()
        (self.directory / "hosts.conf").write_text("".join(blocks))

    def reload(self) -> None:
        done = subprocess.run([*map(str, self.argv()), "-s", "reload"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"nginx -s reload: {done.stderr}")


class Haproxy(Peer):
    name = "haproxy"
    more_certificates = ""

    def prepare(self) -> None:
        self.drained = self.directory / "log.sock"
        log = f"log {self.drained} len 4096 format raw local0" if self.logs else ""
        words = self.words() | {"LOG": log, "MORE_CERTIFICATES": self.more_certificates}
        self.conf = fill(CONF / "haproxy.cfg.in", self.directory / "haproxy.cfg", **words)
        self.write_map({})
        self.drain: Process | None = None

    def write_map(self, hosts: dict) -> None:
        lines = [f"{host} {pool}\n" for host, pool in (HOSTS | hosts).items()]
        (self.directory / "hosts.map").write_text("".join(lines))

    def argv(self) -> list:
        return [program("haproxy"), "-db", "-f", self.conf]

    def start(self) -> "Haproxy":
        if self.logs and self.drain is None:
            argv = [self.generator.binary, "drain", self.drained, self.log]
            self.drain = Process("the log's drain", argv, self.directory, processors()[1])
            wait_until(self.drained.exists, "the log's drain", self.drain)
        return super().start()

    def stop(self) -> None:
        super().stop()
        if self.drain is not None:
            self.drain.stop()
            self.drained.unlink(missing_ok=True)
            self.drain = None

    def serve(self, hosts: dict[str, str], folder: pathlib.Path) -> None:
        """More hosts, whose certificates (with keys) are all in the folder. Read at start."""
        self.more_certificates = f"crt {folder}"
        self.prepare()
        self.write_map(dict.fromkeys(hosts, "plain"))


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket; connects again when the other side has closed it."""

    def __init__(self, path: pathlib.Path):
        super().__init__("localhost", timeout=300)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Hybridge(Peer):
    io = ""
    workers = 1
    binary = pathlib.Path()  # set once by the run

    def prepare(self) -> None:
        words = self.words() | {"IO": self.io, "WORKERS": self.workers, "ADMIN": self.admin, "ACCESS_LOG": self.log if self.logs else ""}
        self.conf = fill(CONF / "hybridge.yaml.in", self.directory / "hybridge.yaml", **words)
        (self.directory / "state").mkdir(mode=0o700, exist_ok=True)
        self.has_routes = False

    def argv(self) -> list:
        return [self.binary, "run", "-c", self.conf]

    def is_ready(self) -> bool:
        try:
            return self.call("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def start(self) -> "Hybridge":
        super().start()
        said = self.process.last_words()
        if self.io == "ring" and "epoll" in said:
            raise Failure(f"asked for the ring, but: {said}")
        if not self.has_routes:
            ca = (self.certificates / "ca.pem").read_text()
            for name in HOSTS:
                base = self.certificates / ("rsa" if name.startswith("rsa") else "ec")
                self.put_certificate(name, base.with_suffix(".pem").read_text(), base.with_suffix(".key").read_text())
            self.put("/v1/snapshot", json.dumps(self.snapshot([], ca)))
            self.has_routes = True
        return self

    def snapshot(self, hosts: list[str], ca: str | None = None) -> dict:
        """The routing document: the fixed hosts and as many more."""
        ca = ca or (self.certificates / "ca.pem").read_text()
        plain = {"endpoints": [{"address": "127.0.0.1", "port": self.backend.port}]}
        tls = {"mode": "verify", "name": "ec.bench.test", "ca": ca}
        secure = {"endpoints": [{"address": "127.0.0.1", "port": self.backend.tls_port}], "tls": tls}
        sites = {name: {"server": server} for name, server in HOSTS.items()}
        more = {host: {"site": "ec.bench.test"} for host in hosts}
        return {"servers": {"plain": plain, "secure": secure}, "sites": sites, "hosts": more}

    def connect(self) -> "UnixConnection":
        return UnixConnection(self.directory / "admin.sock")

    def call(self, method: str, path: str, body: str | None = None, on=None) -> tuple[int, str]:
        connection = on or self.connect()
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            if on is None:
                connection.close()

    def put(self, path: str, body: str, on=None) -> None:
        status, text = self.call("PUT", path, body, on)
        if status not in (200, 201):
            raise Failure(f"PUT {path}: {status} {text[:500]}")

    def put_certificate(self, host: str, chain: str, key: str, on=None) -> None:
        self.put(f"/v1/certificates/{host}", json.dumps({"chain": chain, "key": key}), on)


class HybridgeRing(Hybridge):
    name = "hybridge ring"
    io = "ring"


class HybridgeEpoll(Hybridge):
    name = "hybridge epoll"
    io = "epoll"


def with_workers(kind: type[Hybridge] | type[Nginx], count: int) -> type[Peer]:
    """Of so many workers, on any processor."""

    class Several(kind):
        name = f"{kind.name}, {count} worker{'s' if count > 1 else ''}"
        workers = count

        def place(self) -> set[int]:
            return set().union(*processors())

    return Several


KINDS = (HybridgeRing, HybridgeEpoll, Nginx, Haproxy)
