"""A network between client and server that can be cut, stalled and unplugged.

It listens on 127.0.0.1 and passes bytes on to the embedded server's Unix socket.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_PIECE = 65_536
_LOOK_SECONDS = 0.02


class Proxy:
    """One listener, two threads for each connection's life; every switch is thread-safe."""

    def __init__(self, server_socket: Path) -> None:
        self._target = str(server_socket)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._links: list[_Link] = []
        self._is_plugged = True
        self._flows = threading.Event()
        self._flows.set()
        self._is_closed = False
        self._cut_bytes: int | None = None
        self._cut_text: tuple[_Link, bytes, bool] | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def dsn(self, dsn: str) -> str:
        """Return the URL of the same database through this proxy."""
        parts = urlsplit(dsn)
        user = parts.username or "postgres"
        return urlunsplit(
            parts._replace(netloc=f"{user}@127.0.0.1:{self.port}", query="sslmode=disable")
        )

    def cut(self) -> None:
        """Break every connection; new ones are let through."""
        for link in list(self._links):
            link.close()

    def unplug(self) -> None:
        """Break every connection, and refuse new ones until `plug`."""
        self._is_plugged = False
        self.cut()

    def plug(self) -> None:
        self._is_plugged = True

    def stall(self) -> None:
        """Let nothing through in either direction, and break nothing."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    def cut_after(self, sent_bytes: int) -> None:
        """Break the next new connection that has sent so many bytes, once.

        One that is there may still say its good-bye.
        """
        for link in self._links:
            link.may_be_cut = False
        self._cut_bytes = sent_bytes

    def cut_at(self, text: bytes, *, is_delivered: bool) -> None:
        """Break the connection that has sent most so far when it sends `text`, once: before the
        server gets it, or when the server has answered and nobody hears the answer.

        Others say the same: who watches a run and who holds its lease commit as well.
        """
        # Who looked around before is gone.
        writer = max(
            (link for link in self._links if not link.is_closed), key=lambda link: link.sent
        )
        self._cut_text = (writer, text, is_delivered)

    @property
    def is_cut(self) -> bool:
        return self._cut_bytes is None and self._cut_text is None

    @property
    def most_sent(self) -> int:
        """The most bytes that a client has sent through one connection so far."""
        return max((link.sent for link in self._links), default=0)

    def close(self) -> None:
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.flow()
        self.cut()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            if not self._is_plugged:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                server.connect(self._target)
            except OSError:
                client.close()
                server.close()
                continue
            link = _Link(client, server)
            self._links.append(link)
            threading.Thread(target=self._pass_on, args=(link,), daemon=True).start()

    def _pass_on(self, link: _Link) -> None:
        with contextlib.suppress(OSError, ValueError):
            while not link.is_closed:
                ready, _w, _x = select.select([link.client, link.server], [], [], _LOOK_SECONDS)
                self._flows.wait()
                for source in ready:
                    if not self._move(link, source):
                        return
        link.close()

    def _move(self, link: _Link, source: socket.socket) -> bool:
        content = source.recv(_PIECE)
        if not content:
            link.close()
            return False
        if source is link.server:
            link.client.sendall(content)
            return True
        link.sent += len(content)
        if self._cut_bytes is not None and link.may_be_cut and link.sent >= self._cut_bytes:
            self._cut_bytes = None
            link.close()
            return False
        cut = self._cut_text
        if cut is not None and cut[0] is link and cut[1] in content:
            self._cut_text = None
            if cut[2]:
                link.server.sendall(content)
                link.server.recv(_PIECE)
            link.close()
            return False
        link.server.sendall(content)
        return True


class _Link:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.sent = 0
        self.is_closed = False
        self.may_be_cut = True

    def close(self) -> None:
        self.is_closed = True
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def proxy_to(server_socket: Path) -> Iterator[Proxy]:
    """Yield a proxy that is gone when the block ends."""
    proxy = Proxy(server_socket)
    try:
        yield proxy
    finally:
        proxy.close()
