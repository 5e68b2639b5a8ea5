"""The board hands every change to whoever watches it, from the first moment on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import msgspec
import redis

from console.board import Board
from console.documents import Changes, LivePoint
from console.model import ReadModel
from schemas.topics import Topics


def test_a_change_that_comes_while_a_watcher_fetches_what_stands_is_told_next(redis_url: str, own: str) -> None:
    point = LivePoint(experiment_id=own, run=1, n=20, llr=0.5, p_value=0.6, total=11.0, offset=19, at=0)

    async def story() -> set[tuple[str, int]]:
        async with asyncio.timeout(20), ReadModel(redis_url, Topics(prefix=own)) as model:
            board = Board(model)
            following = asyncio.create_task(board.follow())
            try:
                async for _ in board.watch():
                    if board.health.is_loaded:
                        break
                heard, watching = board.listen(), board.watch(own)
                assert (await anext(watching)).all
                with redis.Redis.from_url(redis_url) as projector:
                    projector.publish(model.keys.changes, msgspec.json.encode(Changes(points=[point])))
                await heard.get()
                return (await anext(watching)).names
            finally:
                following.cancel()

    with ThreadPoolExecutor(1) as pool:  # this thread may have the browser's event loop
        assert pool.submit(lambda: asyncio.run(story())).result() == {(own, 1)}
