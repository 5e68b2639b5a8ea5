"""A thousand hostile records among the traffic of others, on real Kafka: one fate each, and nobody else notices."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import codecs, events
from tests.experiments.hostile import RAW, hostile_bytes, hostile_command, hostile_definition
from tests.processors.installation import FOR_LONG, Installation, headers, run_command, until

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

_RECORDS = 1_000
_OBSERVATIONS = 10  # of the neighbour, behind each hostile record


@pytest.fixture(params=[False, True], ids=["on-the-control-topic", "on-a-topic-of-their-own"])
def alone(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Installation]:
    made = Installation(kafka, tmp_path, has_own_commands=request.param)
    try:
        yield made
    finally:
        made.close()


def _lying() -> Iterator[bytes]:
    """Yield frames whose header is right and whose body is not: lengths that lie, ends that are missing."""
    run = codecs.encode_avro(run_command("lying"))
    for kind in (events.Run, events.Stop, events.SourceDone):
        head = codecs.header(kind)
        yield from (head, head + b"\xff" * 9 + b"\x01", head + b"\xfe\xff\xff\xff\x0f" + b"a" * 50, head + b"\x01" * 40)
    yield from (run[:-1], run[:40], run + b"more", run[:11] + b"\xff\xff\xff\xff\x0f" + run[12:])
    yield from (b"\x00\x00\x00\x00\x07" + run[10:], b"\x00\xff\xff\xff\xff{}", b"\x00\x00\x00\x00\x01")


def _hostile(rng: random.Random) -> list[bytes]:
    by_hand = [*(value for value in RAW if value), *_lying()]
    makers = (hostile_definition, hostile_command, hostile_bytes)
    made = [rng.choice(makers)(rng) for _ in range(_RECORDS - len(by_hand))]
    values = [value.replace(b'"rng-bias"', b'"h%d"' % rng.randrange(40)) for value in made] + by_hand
    rng.shuffle(values)
    return values


def _fates(installation: Installation, ours: set[str]) -> tuple[list[events.Reply], list[tuple[Any, ...]]]:
    """Return the replies to others than us, and where each rejected record lay."""
    replies = [reply for reply in installation.control(events.Reply) if reply.command_id not in ours]
    names = ("topic", "partition", "offset")
    found = map(headers, installation.read(installation.topics.rejected))
    return replies, [tuple(given[f"__sprt.errors.{name}"] for name in names) for given in found]


def test_a_thousand_hostile_records_have_one_fate_each_and_a_neighbour_counts_exactly(alone: Installation) -> None:
    rng, topics, ours = random.Random(20_261_126), alone.topics, {"run-neighbour"}
    worker = alone.start(command_rate=1e6)
    alone.command(run_command("neighbour", **FOR_LONG))
    alone.reply("run-neighbour")
    sent = 0
    for number, value in enumerate(_hostile(rng)):
        key = rng.choice([None, "h1", "neighbour", "\x00position", "../../x"])
        alone.send(topics.commands, value, key, rng.randrange(alone.partitions))
        sent += 1
        ones = [float((number * _OBSERVATIONS + it) % 20 < 11) for it in range(_OBSERVATIONS)]
        alone.observe("neighbour", ones, first_sequence=number * _OBSERVATIONS)
        if number % 250 == 125:  # a good command in the middle is answered as if nothing were
            name = f"good-{number}"
            ours.add(f"run-{name}")
            alone.command(run_command(name))
            assert alone.reply(f"run-{name}").status == "accepted"
    alone.flush()

    def look() -> list[bool]:
        assert worker.process.poll() is None, worker.words()
        replies, rejected = _fates(alone, ours)
        return [True] if len(replies) + len(rejected) >= sent else []

    until(look, 600)
    for partition in range(alone.partitions):  # what is answered last shows that nothing is still to come
        name = next(it for it in (f"last-{n}" for n in range(100)) if alone.partition_of(it) == partition)
        ours.add(f"run-{name}")
        alone.command(run_command(name))
        assert alone.reply(f"run-{name}").status == "accepted"
    replies, rejected = _fates(alone, ours)

    assert len(replies) + len(rejected) == sent == _RECORDS
    assert len(set(rejected)) == len(rejected)
    own = Counter(reply.command_id for reply in replies if reply.command_id.startswith("c0."))
    assert set(own.values()) == {1}  # ids drawn by `hostile_command`, each in one record
    assert {reply.code for reply in replies} >= {"malformed", "unknown_experiment"}
    decision = alone.decision("neighbour")
    assert (decision.reason, decision.n) == ("max_samples", _RECORDS * _OBSERVATIONS)
    assert decision.counts == {"applied": _RECORDS * _OBSERVATIONS}
    assert worker.process.poll() is None, worker.words()
