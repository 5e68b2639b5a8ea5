"""The number that a source goes on with, whatever lies in the log beside its records."""

import pytest

from producers import numbering
from producers.numbering import next_number
from producers.reading import Record
from schemas import codecs, events


def logged(*values: bytes | None, key: bytes | None = b"coin") -> list[Record]:
    return [Record(0, offset, 1_700_000_000_000, key, value, {}) for offset, value in enumerate(values)]


def observed(sequence: int | None, experiment_id: str = "coin", source: str | None = "lab") -> events.Observation:
    return events.Observation(experiment_id=experiment_id, values=[1.0], source=source, sequence=sequence)


def test_the_highest_number_counts_wherever_it_lies_and_however_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "_AT_ONCE", 2)
    avro, json = codecs.encode_avro(observed(3)), codecs.encode_json(observed(7))
    with_time = (
        b'{"experiment_id":"coin","values":[1],"source":"lab","sequence":9,"observed_at":"2026-11-27T00:00:00Z"}'
    )

    assert next_number(logged(avro, codecs.encode_avro(observed(1))), "coin", "lab") == 4
    assert next_number(logged(avro, json, avro), "coin", "lab") == 8
    assert next_number(logged(avro, avro, with_time, json, avro), "coin", "lab") == 10
    assert next_number(logged(json, key=None), "coin", "lab") == 8


def test_what_is_of_others_or_would_be_rejected_has_no_number() -> None:
    others = [
        observed(8, experiment_id="dice"),
        observed(8, source="field"),
        observed(None),
        observed(None, source=None),
    ]
    values = [codecs.encode_avro(it) for it in others]

    assert next_number([], "coin", "lab") == 0
    assert next_number(logged(None, b"", b"\x07 poison", *values), "coin", "lab") == 0
    assert next_number(logged(codecs.encode_avro(observed(8)), key=b"dice"), "coin", "lab") == 0
    assert next_number(logged(*values, codecs.encode_avro(observed(2))), "coin", "lab") == 3
