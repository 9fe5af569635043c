"""Everything of one run: its directory, certificates, backend and peers. What is needed is started when it is."""

import pathlib
import shutil
import tempfile

from measure import certificates
from measure.generator import Generator
from measure.peers import Backend, Peer


class World:
    def __init__(self, generator: Generator):
        # Others' workers go through it to what is theirs.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="hybridge-bench-"))
        self.directory.chmod(0o711)
        self.generator = generator
        self.certificates = self.directory / "tls"
        self._standing: dict[tuple[type, bool], Peer] = {}
        self._passing: list[Peer] = []
        self.backend: Backend | None = None
        self._made = 0

    def __enter__(self) -> "World":
        self.authority = certificates.make(self.certificates)
        self.backend = Backend(self.directory / "backend", self.certificates)
        return self

    def __exit__(self, *failure) -> None:
        for peer in [*self._standing.values(), *self._passing]:
            peer.stop()
        if self.backend is not None:
            self.backend.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def peer(self, kind: type, logs: bool = True) -> Peer:
        """The peer of this kind that the run keeps."""
        if (kind, logs) not in self._standing:
            self._standing[kind, logs] = self._make(kind, logs).start()
        return self._standing[kind, logs]

    def fresh(self, kind: type, logs: bool = True) -> Peer:
        """One that is not started yet and belongs to the caller, who stops it."""
        peer = self._make(kind, logs)
        self._passing.append(peer)
        return peer

    def _make(self, kind: type, logs: bool) -> Peer:
        self._made += 1
        directory = self.directory / f"{kind.__name__.lower()}{self._made}"
        return kind(directory, self.certificates, self.backend, self.generator, logs)
