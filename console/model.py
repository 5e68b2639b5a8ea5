"""The reading side of the read model: what pages, the API and `waldstream list` ask Redis for.

Any failure of Redis is a `ReadModelAwayError`, which pages show and outlive.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, Self

import msgspec
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from console.documents import (
    ACTIVE,
    ArchiveDocument,
    Changes,
    Heartbeat,
    LivePoint,
    RunDocument,
    TimelineEntry,
)
from console.keys import Keys, member, parted
from console.walk import POINT, Points, blinded, unpack
from schemas import events
from schemas.topics import Topics

#: A list holds all active runs and this many of the others, the newest.
MOST_RUNS: Final = 20_000
_CHUNK = 1000


class ReadModelAwayError(Exception):
    """Redis does not answer."""


class ReadModel:
    """An open connection to the read model; close it, or use it as `async with`."""

    def __init__(self, redis_url: str, topics: Topics) -> None:
        self.keys = Keys.of(topics)
        # A failed call is shown at once and asked again by whoever needs it, so no retries hide here.
        self._redis: Any = redis.asyncio.Redis.from_url(
            redis_url, socket_timeout=5.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0)
        )

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    async def runs(self, most: int = MOST_RUNS) -> list[RunDocument]:
        """Return every active run and the newest others, newest change first."""
        async with self._reaching():
            names = dict.fromkeys(await self._redis.zrevrange(self.keys.by_time, 0, most - 1))
            for state in ACTIVE:
                names |= dict.fromkeys(await self._redis.zrevrange(self.keys.by_state(state), 0, -1))
            found = await self._documents([name.decode() for name in names])
        return sorted(found, key=lambda document: document.since, reverse=True)

    async def runs_of(self, experiment_id: str) -> list[RunDocument]:
        """Return the experiment's runs, newest first; the one document of an experiment without a run is run 0."""
        async with self._reaching():
            latest = await self._redis.get(self.keys.latest(experiment_id))
            if latest is None:
                return []
            numbers = range(int(latest), 0, -1) if int(latest) else [0]
            return await self._documents([member(experiment_id, run) for run in numbers])

    async def run(self, experiment_id: str, run: int) -> RunDocument | None:
        """Return one run."""
        async with self._reaching():
            return next(iter(await self._documents([member(experiment_id, run)])), None)

    async def decision(self, experiment_id: str, run: int) -> dict[str, Any] | None:
        """Return all of the run's decision but what its document holds anyway: estimate, counts, kind of p."""
        entries = await self.timeline(experiment_id)
        return next((it.body for it in reversed(entries) if it.type == "decision" and it.run == run), None)

    async def _documents(self, names: Sequence[str]) -> list[RunDocument]:
        found: list[RunDocument] = []
        for begin in range(0, len(names), _CHUNK):
            keys = [self.keys.run(*parted(name)) for name in names[begin : begin + _CHUNK]]
            values = await self._redis.mget(keys)
            found += [msgspec.json.decode(value, type=RunDocument) for value in values if value is not None]
        return found

    async def definition(self, experiment_id: str, revision: int | None = None) -> events.Defined | None:
        """Return a revision of the definition, the newest one if None."""
        async with self._reaching():
            if revision is None:
                revision = max(map(int, await self._redis.hkeys(self.keys.definitions(experiment_id))), default=0)
            value = await self._redis.hget(self.keys.definitions(experiment_id), str(revision))
        return None if value is None else msgspec.json.decode(value, type=events.Defined)

    async def timeline(self, experiment_id: str, most: int = 1000) -> list[TimelineEntry]:
        """Return the newest entries of the experiment's timeline, oldest of them first."""
        async with self._reaching():
            values = await self._redis.lrange(self.keys.timeline(experiment_id), -most, -1)
        return [msgspec.json.decode(value, type=TimelineEntry) for value in values]

    async def seen_walk(self, run: RunDocument) -> Points:
        """Return the stored points of a run's walk as far as they may be seen: of a blinded run only n and times."""
        walk = await self.walk(run.experiment_id, run.run)
        return blinded(walk) if run.is_blinded else walk

    async def walk(self, experiment_id: str, run: int) -> Points:
        """Return the stored points of a run's walk, blinded or not."""
        async with self._reaching():
            return unpack(await self._redis.get(self.keys.walk(experiment_id, run)) or b"")

    async def walks(self, names: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Points]:
        """Return the walks of several runs."""
        found: dict[tuple[str, int], Points] = {}
        async with self._reaching():
            for begin in range(0, len(names), _CHUNK):
                part = names[begin : begin + _CHUNK]
                values = await self._redis.mget([self.keys.walk(*name) for name in part])
                found |= {name: unpack(value or b"") for name, value in zip(part, values, strict=True)}
        return found

    async def newest_point(self, experiment_id: str, run: int) -> LivePoint | None:
        """Return the last point of a run's walk."""
        async with self._reaching():
            tail = await self._redis.getrange(self.keys.walk(experiment_id, run), -POINT.itemsize, -1)
        return live_point(experiment_id, run, unpack(tail)) if tail else None

    async def archive(self, experiment_id: str, run: int) -> ArchiveDocument | None:
        """Return where the run's archive stands."""
        async with self._reaching():
            value = await self._redis.get(self.keys.archive(experiment_id, run))
        return None if value is None else msgspec.json.decode(value, type=ArchiveDocument)

    async def reply(self, experiment_id: str, command_id: str) -> events.Reply | None:
        """Return the answer to a command, if it came within the last day."""
        async with self._reaching():
            value = await self._redis.get(self.keys.reply(experiment_id, command_id))
        return None if value is None else msgspec.json.decode(value, type=events.Reply)

    async def limits(self) -> dict[str, int]:
        """Return how many runs of each queue may be live at once, of those whose limit was ever set."""
        async with self._reaching():
            found = await self._redis.hgetall(self.keys.limits)
        return {queue.decode(): int(limit) for queue, limit in found.items()}

    async def newest_entries(self, most: int) -> list[TimelineEntry]:
        """Return the newest entries of all experiments' timelines, oldest of them first."""
        async with self._reaching():
            found = await self._redis.xrevrange(self.keys.events, count=most) if most else []
        return [msgspec.json.decode(fields[b"entry"], type=TimelineEntry) for _, fields in reversed(found)]

    async def heartbeat(self) -> Heartbeat | None:
        """Return the projector's last sign of life, None if it is away."""
        async with self._reaching():
            value = await self._redis.get(self.keys.heartbeat)
        return None if value is None else msgspec.json.decode(value, type=Heartbeat)

    async def changes(self, idle_seconds: float = 1.0) -> AsyncIterator[Changes | None]:
        """Yield None once listening, then every committed change, and None whenever `idle_seconds` pass without one."""
        async with self._reaching(), self._redis.pubsub() as channel:
            await channel.subscribe(self.keys.changes)
            yield None
            while True:
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=idle_seconds)
                yield None if message is None else msgspec.json.decode(message["data"], type=Changes)

    @asynccontextmanager
    async def _reaching(self) -> AsyncIterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise ReadModelAwayError(f"Redis does not answer: {error}") from error


def live_point(experiment_id: str, run: int, points: Points) -> LivePoint:
    """Return the last of the points."""
    n, llr, p_value, total, offset, at = points[-1].item()
    return LivePoint(
        experiment_id=experiment_id, run=run, n=n, llr=llr, p_value=p_value, total=total, offset=offset, at=at
    )


def at_time(point: LivePoint) -> datetime:
    """Return when the point was applied."""
    return datetime.fromtimestamp(point.at / 1e6, UTC)
