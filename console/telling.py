"""Committed changes as they come, for programs: one JSON message each over the API's WebSocket.

A message is `{"kind": …, "body": …}`: `hello` first, then `entry` (a record of an experiment's history), `run` (its
document after a change), `point` (the newest point of a walk, not of blinded ones), `archive`.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
from fastapi import WebSocket, WebSocketDisconnect

from console.board import Board
from console.documents import Changes
from console.model import ReadModelAwayError

_TOO_SLOW = 1013
_AWAY = 1011


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the events' WebSocket."""

    kind: str
    body: Any


async def tell(socket: WebSocket, board: Board, experiment_id: str | None, last: int) -> None:
    """Send what is committed until the reader goes, or is too slow."""
    await socket.accept()
    watching = asyncio.create_task(_until_gone(socket))
    changes = board.listen()
    try:
        await _send(socket, Told(kind="hello", body={"experiment_id": experiment_id}))
        for entry in await board.model.newest_entries(last):
            if experiment_id in (None, entry.experiment_id):
                await _send(socket, Told(kind="entry", body=entry))
        following = asyncio.create_task(_follow(socket, board, changes, experiment_id))
        done, _ = await asyncio.wait({watching, following}, return_when=asyncio.FIRST_COMPLETED)
        following.cancel()
        if following in done and watching not in done:
            await socket.close(_TOO_SLOW, "too slow")
    except ReadModelAwayError:
        await socket.close(_AWAY, "Redis does not answer")
    except WebSocketDisconnect:
        pass
    finally:
        watching.cancel()
        board.unlisten(changes)


async def _follow(socket: WebSocket, board: Board, changes: asyncio.Queue[Changes], experiment_id: str | None) -> None:
    while not changes.full():  # a full queue has lost changes: better an end than a gap
        for told in _told(board, await changes.get()):
            if experiment_id in (None, told.body.experiment_id):
                await _send(socket, told)


def _told(board: Board, changes: Changes) -> Iterator[Told]:
    for run in changes.runs:
        yield Told(kind="run", body=run)
    for entry in changes.entries:
        yield Told(kind="entry", body=entry)
    for point in changes.points:
        known = board.runs.get((point.experiment_id, point.run))
        if known is not None and not known.is_blinded:
            yield Told(kind="point", body=point)
    for archive in changes.archives:
        yield Told(kind="archive", body=archive)


async def _send(socket: WebSocket, told: Told) -> None:
    await socket.send_text(msgspec.json.encode(told).decode())


async def _until_gone(socket: WebSocket) -> None:
    """Return when the reader has closed its side; what it sends is not read."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
