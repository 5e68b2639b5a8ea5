from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from console.documents import RunDocument, TimelineEntry
from console.keys import Keys
from console.projection import MovedError, Projection, Record
from console.projector import ProjectorConfig, ProjectorError, rebuild
from console.walk import unpack
from schemas import events
from schemas.codecs import encode_json
from schemas.partitions import partition_of
from schemas.topics import Topics
from stack.redis import RedisServer

pytestmark = pytest.mark.stack

Until = Callable[..., Any]


def snapshot(client: Any, keys: Keys) -> dict[bytes, Any]:
    """All of the read model but what moves by itself."""
    read = {
        b"string": client.get,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"stream": lambda key: sorted(fields[b"entry"] for _, fields in client.xrange(key)),  # partitions interleave
    }
    moving = {keys.heartbeat.encode()}
    found = [key for key in client.scan_iter(match=f"{keys.root}:*") if key not in moving]
    return {key: read[client.type(key)](key) for key in found}


def test_a_story_becomes_documents_indexes_walk_and_timeline(model: Any, teller: Any, until: Until) -> None:
    story = teller.story("coin", tags=["rng"], stop={"p_value": 0.01, "boundaries": "both", "max_samples": 5000})
    story.define(actor="ana", reason="plan").start().walk(300).pause(actor="ben", reason="lamp").resume()
    story.walk(10).decide().archive()
    teller.flush()
    model.start_projector()
    client, keys = model.client, model.keys

    until(lambda: client.zscore(keys.by_state("ARCHIVED"), "coin/1"), "the run is archived")
    until(lambda: client.strlen(keys.walk("coin", 1)) == 310 * 48, "the walk is whole")

    run = msgspec.json.decode(client.get(keys.run("coin", 1)), type=RunDocument)
    assert (run.state, run.outcome, run.reason, run.n) == ("ARCHIVED", "accept_h1", "boundary_upper", 310)
    assert (run.title, run.owner, run.tags) == ("Story of coin", "ana", ["rng"])
    assert min(story.design.upper, 4.605170185988091) == pytest.approx(run.upper)
    assert [(pause.paused_from, pause.resumed_from) for pause in run.pauses] == [(300, 300)]
    assert client.get(keys.run("coin", 0)) is None
    assert client.zrange(keys.by_time, 0, -1) == [b"coin/1"]
    assert client.zscore(keys.by_state("DEFINED"), "coin/0") is None
    entries = [msgspec.json.decode(raw, type=TimelineEntry) for raw in client.lrange(keys.timeline("coin"), 0, -1)]
    assert [entry.type for entry in entries] == ["defined", "started", "paused", "resumed", "decision", "archived"]
    assert (entries[2].actor, entries[2].reason) == ("ben", "lamp")
    assert list(range(1, 311)) == unpack(client.get(keys.walk("coin", 1)))["n"].tolist()


def test_records_delivered_again_change_nothing(model: Any) -> None:
    client, keys, topics = model.client, model.keys, model.config.topics
    projection = Projection(client, topics, 1)
    point = {"experiment_id": "x", "run": 1, "llr": 0.5, "p_value": 0.5, "total": 1.0, "at": "2026-01-01T00:00:00Z"}
    walk = [
        Record(5 + n, 0, encode_json(msgspec.convert({**point, "n": n, "offset": n}, events.WalkPoint)))
        for n in range(1, 4)
    ]
    stop = Record(9, 0, encode_json(events.Stop(id="s1", experiment_id="x", actor="ana", reason="enough")))

    assert projection.apply(topics.walks, 0, 0, walk) == 9
    assert projection.apply(topics.control, 0, 0, [stop]) == 10
    before = snapshot(client, keys)
    for topic, records in ((topics.walks, walk), (topics.control, [stop])):
        with pytest.raises(MovedError) as moved:
            projection.apply(topic, 0, 0, records)
        assert records[-1].offset + 1 == moved.value.offset

    assert before == snapshot(client, keys)


def test_two_writers_of_one_partition_write_a_batch_once(model: Any) -> None:
    """The loser of a race sees the watched offset change between its reads and its transaction."""
    client, keys, topics = model.client, model.keys, model.config.topics
    winner, loser = Projection(client, topics, 1), Projection(client, topics, 1)
    stop = [Record(0, 0, encode_json(events.Stop(id="s1", experiment_id="x")))]
    stage = loser._stage

    def overtaken(*arguments: Any) -> Any:
        winner.apply(topics.control, 0, 0, stop)
        return stage(*arguments)

    loser._stage = overtaken  # type: ignore[assignment,method-assign]  # the race, made certain
    with pytest.raises(MovedError) as moved:
        loser.apply(topics.control, 0, 0, stop)

    assert moved.value.offset == 1
    assert client.llen(keys.timeline("x")) == 1


def test_bytes_that_are_no_event_and_commands_on_the_wrong_partition_are_passed_over(model: Any) -> None:
    client, keys, topics = model.client, model.keys, model.config.topics
    wrong = 1 - partition_of("x", 2)
    records = [
        Record(0, 0, b"\xff"),
        Record(1, 0, None),
        Record(2, 0, b'{"type": "no_such_event"}'),
        Record(3, 0, encode_json(events.Stop(id="s1", experiment_id="x"))),
    ]

    assert Projection(client, topics, 2).apply(topics.control, wrong, 0, records) == 4
    assert client.llen(keys.timeline("x")) == 0


def test_a_long_walk_is_thinned_where_it_lies(model: Any) -> None:
    client, keys, topics = model.client, model.keys, model.config.topics
    projection, position = Projection(client, topics, 1), 0
    point = {"experiment_id": "x", "run": 1, "p_value": 0.5, "total": 1.0, "at": "2026-01-01T00:00:00Z"}
    for begin in range(0, 5000, 500):
        records = [
            Record(
                n, 0, encode_json(msgspec.convert({**point, "n": n + 1, "llr": n % 7, "offset": n}, events.WalkPoint))
            )
            for n in range(begin, begin + 500)
        ]
        position = projection.apply(topics.walks, 0, position, records)

    walk = unpack(client.get(keys.walk("x", 1)))

    assert len(walk) <= 1024
    assert (walk["n"][0], walk["n"][-1]) == (1, 5000)


def test_rebuild_gives_the_same_read_model(model: Any, teller: Any) -> None:
    for number in range(4):
        teller.story(f"e{number}").define().start().walk(50).decide().archive()
    teller.story("waits").define()
    teller.flush()
    config = model.config
    client, keys = model.client, model.keys
    seen: list[tuple[int, int]] = []

    first = rebuild(config)
    before = snapshot(client, keys)
    client.set(keys.run("ghost", 1), b"{}")
    client.delete(keys.timeline("e1"))
    second = rebuild(config, lambda done, total: seen.append((done, total)))

    assert first.records == second.records == 4 * (4 + 50 + 1) + 1
    assert before == snapshot(client, keys)
    assert (second.records, second.records) == seen[-1]


def test_a_projector_replays_what_a_killed_redis_forgot(model: Any, teller: Any, until: Until, tmp_path: Path) -> None:
    keys = model.keys
    with RedisServer(tmp_path) as server:
        client: Any = redis.Redis.from_url(server.url)
        model.start_projector(replace(model.config, redis_url=server.url))
        story = teller.story("coin").define().start().walk(40)
        teller.flush()
        until(lambda: client.strlen(keys.walk("coin", 1)) == 40 * 48, "the first part is there")

        server.kill()
        story.walk(20).pause(reason="while Redis is dead")
        teller.flush()
        server.start()

        until(lambda: _answers(client) and client.strlen(keys.walk("coin", 1)) == 60 * 48, "the whole walk is back")
        until(lambda: client.zscore(keys.by_state("PAUSED"), "coin/1"), "the pause is there")
        assert client.llen(keys.timeline("coin")) == 3


def test_another_cluster_or_version_clears_the_read_model(model: Any, teller: Any, until: Until) -> None:
    client, keys, topics = model.client, model.keys, model.config.topics
    client.set(keys.stamp, b"0 some-other-cluster")
    client.set(keys.offset(topics.control, partition_of("coin", 2)), 1_000_000)
    client.set(keys.run("old", 1), b"{}")
    teller.story("coin").define()
    teller.flush()

    model.start_projector()

    until(lambda: client.zscore(keys.by_state("DEFINED"), "coin/0"), "the topics were read from their start")
    assert client.get(keys.run("old", 1)) is None


def test_missing_topics_are_named(kafka: str, redis_url: str) -> None:
    config = ProjectorConfig({"bootstrap.servers": kafka}, Topics(prefix="nowhere"), redis_url)

    with pytest.raises(ProjectorError, match=r"missing topics: nowhere\.control, nowhere\.walks, nowhere\.archives"):
        rebuild(config)


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
