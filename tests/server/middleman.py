"""A middleman before a server of the tests that can not carry everything: it ends instead."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

PORT = 6433
#: A COPY that was prepared, as a driver sends it; what psql sends begins with a `Q`.
PREPARED_COPY = re.compile(rb"P.{4}[^\0]*\0COPY ", re.DOTALL)


@contextlib.contextmanager
def without_prepared_copies(dsn: str) -> Iterator[str]:
    """Yield the URL of the same database behind what ends with each session that prepares a COPY.

    So does pgpool-II 4.3.
    """
    parts = urlsplit(dsn)
    server = parse_qs(parts.query)["host"][0] + f"/.s.PGSQL.{parts.port or 5432}"
    with tempfile.TemporaryDirectory(prefix="middleman-", dir="/tmp") as folder:
        listens, ended = threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()

        async def serve() -> None:
            async with await asyncio.start_unix_server(meet, Path(folder, f".s.PGSQL.{PORT}")):
                listens.set()
                await ended.wait()

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            back, forth = await asyncio.open_unix_connection(server)
            ways = [asyncio.ensure_future(_carried(reader, forth))]
            ways.append(asyncio.ensure_future(_carried(back, writer)))
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for end in (writer, forth):
                end.close()

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            thread = threading.Thread(target=runner.run, args=(serve(),))
            thread.start()
            listens.wait()
            try:
                role = quote(parts.username or "postgres")
                yield f"postgresql://{role}@/{parts.path[1:]}?host={folder}&port={PORT}"
            finally:
                loop.call_soon_threadsafe(ended.set)
                thread.join()


async def _carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while (data := await reader.read(65_536)) and not PREPARED_COPY.search(data):
            writer.write(data)
            await writer.drain()
