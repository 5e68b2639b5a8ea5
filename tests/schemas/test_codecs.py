import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import avro, codecs, events

SAMPLES = sorted((Path(avro.__file__).parent / "samples").glob("*.json"))
OBSERVATION = {"experiment_id": "rng-bias", "values": [1.0]}


def _kind(sample: Path) -> type[msgspec.Struct]:
    return avro.BY_NAME[sample.name.split(".")[0]]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_every_sample_survives_json_and_avro(sample: Path) -> None:
    kind = _kind(sample)
    event = codecs.decode(sample.read_bytes(), kind)

    assert event == codecs.decode(codecs.encode_json(event), kind)
    assert event == codecs.decode(codecs.encode_avro(event), kind)
    assert json.loads(sample.read_text()) == json.loads(codecs.encode_json(event))


def test_every_committed_schema_has_a_sample_and_is_what_its_struct_says() -> None:
    committed = {f"{name}.v{version}.json" for name, versions in avro.committed().items() for version in versions}

    assert committed == {sample.name for sample in SAMPLES}
    for name, kind in avro.BY_NAME.items():
        versions = avro.committed()[name]
        assert versions[max(versions)] == avro.schema_of(kind), f"{name} has changed: commit a new version"


def test_a_single_object_value_begins_with_the_marker_and_the_fingerprint() -> None:
    data = codecs.encode_avro(events.Observation(experiment_id="a", values=[1.0]))

    assert data[:10] == b"\xc3\x01" + avro.fingerprint(avro.schema_of(events.Observation))


def test_a_time_may_be_text_or_microseconds() -> None:
    as_text = codecs.decode_observation(
        json.dumps({**OBSERVATION, "observed_at": "2026-12-01T10:00:00+01:00"}).encode()
    )
    as_number = codecs.decode_observation(json.dumps({**OBSERVATION, "observed_at": 1796115600000000}).encode())

    assert as_text == as_number


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"experiment_id": "Not An Id"}, "experiment_id: 'Not An Id'; allowed: [a-z0-9]"),
        ({"experiment_id": "../etc"}, "experiment_id"),
        ({"values": []}, "values: 0 of them; allowed: 1 to 10000"),
        ({"values": [0.0] * 10_001}, "values: 10001 of them"),
        ({"values": "1"}, "$.values"),
        ({"arm": "c"}, "arm: 'c'; allowed: null, a, b"),
        ({"source": ""}, "source: 0 characters"),
        ({"source": "x" * 129}, "source: 129 characters"),
        ({"sequence": 3}, "sequence: 3 from source None"),
        ({"source": "s", "sequence": -1}, "sequence: -1"),
        ({"source": "s", "sequence": 2**63}, "sequence"),
        ({"observed_at": "2026-12-01T10:00:00"}, "no time zone"),
        ({"observed_at": -5}, "observed_at: -5; allowed: 1970 to 9999"),
        ({"value": 1}, "unknown field `value`"),
    ],
)
def test_a_field_out_of_its_limits_is_named_with_what_is_allowed(change: dict[str, Any], words: str) -> None:
    with pytest.raises(codecs.MalformedError) as caught:
        codecs.decode_observation(json.dumps(OBSERVATION | change).encode())

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"hello", "malformed"),
        (b"{", "malformed"),
        (b'{"experiment_id": "a", "values": [1.0]', "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"a":' + b"[" * 100_000, "malformed"),
        (b'{"experiment_id": "\xff", "values": [1]}', "malformed"),
        (b"\xc3\x01", "unknown_schema"),
        (b"\xc3\x01" + b"12345678" + b"body", "unknown_schema"),
        (b"\x00\x00\x00\x00\x07body", "unknown_schema"),
    ],
)
def test_bytes_that_are_no_event_are_malformed(data: bytes | None, reason: str) -> None:
    with pytest.raises(codecs.MalformedError) as caught:
        codecs.decode_observation(data)

    assert reason == caught.value.reason


def test_an_avro_body_that_is_cut_or_has_a_tail_is_malformed() -> None:
    whole = codecs.encode_avro(events.Observation(experiment_id="a", values=[1.0, 2.0], source="s", sequence=1))

    for broken in (*(whole[:size] for size in range(10, len(whole))), whole + b"\x00"):
        with pytest.raises(codecs.MalformedError):
            codecs.decode_observation(broken)


def test_an_event_of_another_kind_is_refused_by_name() -> None:
    start = codecs.encode_avro(events.Start(id="c", experiment_id="a"))

    with pytest.raises(codecs.MalformedError, match="the value is a start; allowed: observation"):
        codecs.decode_observation(start)


@given(st.binary(max_size=60), st.sampled_from([b"", b"{", b"\xc3\x01", b"\x00"]))
def test_no_bytes_raise_anything_else(tail: bytes, head: bytes) -> None:
    fingerprint = avro.fingerprint(avro.schema_of(events.Observation))
    for data in (head + tail, b"\xc3\x01" + fingerprint + tail):
        try:
            codecs.decode_observation(data)
            codecs.decode(data, *events.CONTROL)
        except codecs.MalformedError:
            continue


@given(
    st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=20),
    st.none() | st.integers(0, codecs.LATEST_TIME),
    st.none() | st.text(min_size=1, max_size=20),
)
def test_an_observation_survives_avro_bit_for_bit(values: list[float], moment: int | None, source: str | None) -> None:
    event = events.Observation(experiment_id="a", values=values, observed_at=moment, source=source)

    assert event == codecs.decode_observation(codecs.encode_avro(event))


_AT_ONCE = """
import sys, threading
from pathlib import Path
from schemas import avro, codecs

sys.setswitchinterval(1e-6)
together = threading.Barrier(4)

def read():
    for sample in map(Path, sys.argv[1:]):
        together.wait()
        codecs.decode(sample.read_bytes(), avro.BY_NAME[sample.name.split(".")[0]])

threads = [threading.Thread(target=read) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_read_their_first_events_at_the_same_time_do_not_crash_the_process() -> None:
    program = [sys.executable, "-c", _AT_ONCE, *map(str, SAMPLES)]
    root = Path(avro.__file__).parent.parent
    ended = [subprocess.run(program, cwd=root, check=False, capture_output=True) for _ in range(3)]
    assert [it.returncode for it in ended] == [0, 0, 0], ended[0].stderr[-2000:]
