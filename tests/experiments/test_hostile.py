"""Whatever is sent, each control record has one fate, a reply or a rejection; nothing raises and nothing grows."""

import json
import random
from collections.abc import Callable

import pytest

from experiments.rows import to_rows
from schemas import codecs, events
from schemas.topics import MAX_RECORD_BYTES
from tests.experiments.hostile import RAW, hostile_bytes, hostile_command, hostile_definition
from tests.experiments.story import Story

_LARGEST_REPLY = 8_192
_LARGEST_ROW = 4 * 1024 * 1024  # what the state topic takes


def _judge(story: Story, value: bytes) -> None:
    """Send a control record and check that it had one fate, and that nothing it led to is large."""
    emissions = story.control_bytes(value)
    replies = [event for event in emissions.control if isinstance(event, events.Reply)]
    fates = len(replies) + len(emissions.rejected) + len(emissions.forwarded)
    assert fates <= 1
    if fates == 0:  # only what a partition's owner itself writes is passed over
        assert json.loads(value)["type"] in {
            "reply",
            "slot_granted",
            *(k.__struct_config__.tag for k in events.LIFECYCLE),
        }
    for event in emissions.control:
        size = len(codecs.encode_json(event))
        assert size <= (_LARGEST_REPLY if isinstance(event, events.Reply) else MAX_RECORD_BYTES // 4)
        assert "\x1b" not in getattr(event, "message", "")
    assert all(len(record.message) <= 1_000 for record in emissions.rejected)
    assert all(len(row) <= _LARGEST_ROW for _, row in to_rows(story.memory, emissions))
    story.wait(1)


@pytest.mark.parametrize("make", [hostile_definition, hostile_command, hostile_bytes])
def test_400_hostile_records_each_have_one_fate(make: Callable[[random.Random], bytes]) -> None:
    rng, story = random.Random(20_260_101), Story()
    for at in range(400):
        if at % 40 == 0:
            story = Story()
            story.run()
        _judge(story, make(rng))


@pytest.mark.parametrize("value", RAW, ids=range(len(RAW)))
def test_bytes_that_nobody_encodes_have_one_fate(value: bytes) -> None:
    story = Story()
    story.run()
    _judge(story, value)
