"""A network in between that can be slow, break connections, or swallow what one side says."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any

from stack.ports import LOOPBACK

_CHUNK = 65_536


class Proxy:
    """Passes connections to a port of its own on to a target port.

    `delay` is seconds that every chunk waits; while a direction is closed ("up" is towards the broker) its bytes wait
    without end, as packets that are lost and sent again do.
    """

    def __init__(self, target: int) -> None:
        self.delay = 0.0
        self._target = target
        self._open = {"up": threading.Event(), "down": threading.Event()}
        for direction in self._open.values():
            direction.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True).start()
        self.port: int = self._call(self._serve())

    def set(self, direction: str, *, is_open: bool) -> None:
        """Open or close a direction."""
        (self._open[direction].set if is_open else self._open[direction].clear)()

    def heal(self) -> None:
        """Pass everything on at once, as in the beginning."""
        self.delay = 0.0
        for direction in self._open:
            self.set(direction, is_open=True)

    def break_connections(self) -> None:
        """Reset every connection there is; new ones are accepted."""

        async def break_all() -> None:
            for writer in list(self._writers):
                writer.transport.abort()

        self._call(break_all())

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _serve(self) -> int:
        server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        return int(server.sockets[0].getsockname()[1])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pump("up", reader, far_writer)),
                    asyncio.ensure_future(self._pump("down", far_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        for end in (writer, far_writer):
            end.transport.abort()
            self._writers.discard(end)

    async def _pump(self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await asyncio.sleep(self.delay)
                while not self._open[direction].is_set():  # noqa: ASYNC110  set by threads of the tests
                    await asyncio.sleep(0.02)
                writer.write(data)
                await writer.drain()
