"""The console's own picture of all runs: loaded once, then kept by the announced changes, and handed to open pages.

Pages never ask Redis in a loop: they watch the board, which says what changed and how the read model is.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from msgspec.structs import replace

from console.documents import Changes, LivePoint, RunDocument, TimelineEntry
from console.model import ReadModel, ReadModelAwayError, live_point
from console.projector import HEARTBEAT_EXPIRES_SECONDS
from console.walk import blinded, thinned
from schemas import events

Name = tuple[str, int]

#: Points of a thumbnail of a walk.
SPARK_POINTS = 48
_RETRY_SECONDS = 0.5
#: Batches that wait for one reader of events before it is given up as too slow.
_MOST_UNREAD = 1000

_log = structlog.get_logger("console")


@dataclass(frozen=True, slots=True)
class Health:
    """How the read model is: whether Redis answers, whether the projector lives, how many records lie before it."""

    is_redis_up: bool = False
    is_projector_up: bool = False
    behind: int = 0
    is_loaded: bool = False

    @property
    def is_well(self) -> bool:
        """Whether what pages show is what has been committed."""
        return self.is_redis_up and self.is_projector_up


@dataclass(slots=True)
class News:
    """What changed since a page last looked; `all` means everything may have, after the board was loaded anew.

    `documents` tells readers of all experiments that more than points of walks did.
    """

    names: set[Name] = field(default_factory=set)
    documents: bool = False
    timelines: set[str] = field(default_factory=set)
    queues: bool = False
    health: bool = False
    all: bool = False

    def add(self, other: "News") -> None:
        """Add what else changed."""
        self.names |= other.names
        self.documents = self.documents or other.documents
        self.timelines |= other.timelines
        self.queues = self.queues or other.queues
        self.health = self.health or other.health
        self.all = self.all or other.all

    def about(self, experiment_id: str | None) -> "News":
        """Return the part that concerns one experiment, or everything if None."""
        if experiment_id is None:
            return self
        return News(
            names={name for name in self.names if name[0] == experiment_id},
            timelines=self.timelines & {experiment_id},
            health=self.health,
            all=self.all,
        )


@dataclass(eq=False, slots=True)
class _Watcher:
    experiment_id: str | None
    pending: News = field(default_factory=News)
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Board:
    """Every run's document, the newest point and thumbnail of active ones, and who waits for replies."""

    def __init__(self, model: ReadModel) -> None:
        self.model = model
        self.runs: dict[Name, RunDocument] = {}
        self.points: dict[Name, LivePoint] = {}
        self.sparks: dict[Name, deque[tuple[int, float]]] = {}
        self.limits: dict[str, int] = {}
        self.health = Health()
        self._watchers: set[_Watcher] = set()
        self._listeners: set[asyncio.Queue[Changes]] = set()
        self._replies: dict[tuple[str, str], asyncio.Future[events.Reply]] = {}
        self._beat = 0.0

    async def follow(self) -> None:
        """Keep the board up to date until cancelled; Redis may come and go."""
        while True:
            try:
                async for changes in self.model.changes():
                    if not self.health.is_redis_up:
                        await self._load()
                    if changes is not None:
                        self._take(changes)
                    self._look_at_beat()
            except ReadModelAwayError as error:
                if self.health.is_redis_up:
                    _log.warning("read model away", error=str(error))
                self._set_health(Health(is_loaded=self.health.is_loaded))
                await asyncio.sleep(_RETRY_SECONDS)

    async def watch(self, experiment_id: str | None = None, interval: float = 0.2) -> AsyncIterator[News]:
        """Yield that everything may have changed, then what did, at most once per `interval` seconds.

        Changes count from the first on: one that comes while its reader still fetches what stands comes next.
        """
        watcher = _Watcher(experiment_id, News(health=True, all=True))
        watcher.woken.set()
        self._watchers.add(watcher)
        try:
            while True:
                await watcher.woken.wait()
                watcher.woken.clear()
                news, watcher.pending = watcher.pending, News()
                yield news
                await asyncio.sleep(interval)
        finally:
            self._watchers.discard(watcher)

    def listen(self) -> "asyncio.Queue[Changes]":
        """Return a queue that every committed change is put on; once it is full, its reader is too slow."""
        queue: asyncio.Queue[Changes] = asyncio.Queue(_MOST_UNREAD)
        self._listeners.add(queue)
        return queue

    def unlisten(self, queue: "asyncio.Queue[Changes]") -> None:
        """Put no more changes on the queue."""
        self._listeners.discard(queue)

    def latest(self, experiment_id: str) -> RunDocument | None:
        """Return the experiment's newest run."""
        own = [document for (owner, _), document in self.runs.items() if owner == experiment_id]
        return max(own, key=lambda document: document.run, default=None)

    def expect_reply(self, experiment_id: str, command_id: str) -> "asyncio.Future[events.Reply]":
        """Return the future of the answer to a command that is about to be sent."""
        key = (experiment_id, command_id)
        future = self._replies.get(key)
        if future is None:
            future = self._replies[key] = asyncio.get_running_loop().create_future()
            future.add_done_callback(lambda _: self._replies.pop(key, None))
        return future

    async def _load(self) -> None:
        documents = await self.model.runs()
        active = [(it.experiment_id, it.run) for it in documents if it.is_active]
        walks = await self.model.walks(active)
        self.runs = {(it.experiment_id, it.run): it for it in documents}
        walks = {name: blinded(walk) if self.runs[name].is_blinded else walk for name, walk in walks.items()}
        self.points = {name: live_point(*name, walk) for name, walk in walks.items() if len(walk)}
        self.sparks = {}
        for name, walk in walks.items():
            few = thinned(walk, SPARK_POINTS)
            self.sparks[name] = deque(zip(few["n"].tolist(), few["llr"].tolist(), strict=True))
        self.limits = await self.model.limits()
        beat = await self.model.heartbeat()
        self._beat = time.monotonic() if beat is not None else 0.0
        self._set_health(
            Health(
                is_redis_up=True,
                is_projector_up=beat is not None,
                behind=0 if beat is None else beat.behind,
                is_loaded=True,
            )
        )
        self._tell(News(all=True))

    def _take(self, changes: Changes) -> None:
        for document in changes.runs:
            name = (document.experiment_id, document.run)
            known = self.runs.get(name)
            if known is None or known.version <= document.version:
                self.runs[name] = document
                if document.run:
                    self.runs.pop((document.experiment_id, 0), None)
                if not document.is_active:
                    self.sparks.pop(name, None)
                    self.points.pop(name, None)
        for point in changes.points:
            self._take_point(point)
        for each in changes.limits:
            self.limits[each.queue] = each.limit
        for entry in changes.entries:
            if entry.kind == "reply":
                self._answer(entry)
        if changes.heartbeat is not None:
            self._beat = time.monotonic()
            self._set_health(
                Health(is_redis_up=True, is_projector_up=True, behind=changes.heartbeat.behind, is_loaded=True)
            )
        for queue in self._listeners:
            with suppress(asyncio.QueueFull):
                queue.put_nowait(changes)
        names = {(it.experiment_id, it.run) for it in changes.runs}
        names |= {(it.experiment_id, it.run) for it in changes.points}
        names |= {(it.experiment_id, it.run) for it in changes.archives}
        timelines = {entry.experiment_id for entry in changes.entries}
        if names or timelines or changes.limits:
            documents = bool(changes.runs or changes.archives)
            self._tell(News(names, documents, timelines, queues=bool(changes.limits)))

    def _answer(self, entry: TimelineEntry) -> None:
        """Hand a reply to whoever waits for it."""
        waiting = self._replies.get((entry.experiment_id, entry.id))
        if waiting is not None and not waiting.done():
            head: dict[str, Any] = {"command_id": entry.id, "experiment_id": entry.experiment_id, "at": entry.at}
            waiting.set_result(events.Reply(**head, version=entry.version or 0, **entry.body))

    def _take_point(self, point: LivePoint) -> None:
        name = (point.experiment_id, point.run)
        document, known = self.runs.get(name), self.points.get(name)
        if (document is not None and not document.is_active) or (known is not None and known.n > point.n):
            return
        if document is not None and document.is_blinded:
            point = replace(point, llr=0.0, p_value=1.0, total=0.0)
        self.points[name] = point
        spark = self.sparks.setdefault(name, deque())
        spark.append((point.n, point.llr))
        if len(spark) > 2 * SPARK_POINTS:
            self.sparks[name] = deque([*list(spark)[::2][:-1], spark[-1]])

    def _look_at_beat(self) -> None:
        is_silent = time.monotonic() - self._beat > HEARTBEAT_EXPIRES_SECONDS
        if is_silent and self.health.is_projector_up:
            self._set_health(Health(is_redis_up=True, is_projector_up=False, is_loaded=True))

    def _set_health(self, health: Health) -> None:
        if health != self.health:
            self.health = health
            self._tell(News(health=True))

    def _tell(self, news: News) -> None:
        for watcher in self._watchers:
            mine = news.about(watcher.experiment_id)
            if mine != News():
                watcher.pending.add(mine)
                watcher.woken.set()
