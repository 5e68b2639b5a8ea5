"""The client against the real broker: what lies in the log after a call, and how errors read."""

import socket
from collections.abc import Iterator
from uuid import uuid4

import pytest

from processors.topics import create_topics
from producers import reading
from producers.client import Client
from producers.errors import MissingTopicError, NotAllowedError, UnreachableError
from schemas import codecs, events
from schemas.partitions import partition_of
from schemas.topics import Topics

_PARTITIONS = 4


@pytest.fixture
def topics(kafka: str) -> Topics:
    topics = Topics(prefix=f"t{uuid4().hex[:8]}")
    create_topics({"bootstrap.servers": kafka}, topics, _PARTITIONS)
    return topics


def _log(kafka: str, topics: Topics) -> Iterator[tuple[int, events.Observation]]:
    records = reading.until_end({"bootstrap.servers": kafka}, topics.observations, range(_PARTITIONS))
    for record in records:
        yield record.partition, codecs.decode_observation(record.value)


@pytest.mark.stack
@pytest.mark.parametrize("encoding", ["avro", "json"])
def test_observations_arrive_numbered_on_the_partition_of_their_key(kafka: str, topics: Topics, encoding: str) -> None:
    ids = [f"coin-{number}" for number in range(8)]

    with Client({"bootstrap.servers": kafka}, topics, source="lab", encoding=encoding) as client:  # type: ignore[arg-type]  # a parameter
        for key in ids:
            client.observe(key, 1.0)
            client.observe(key, [0.0, 1.0], arm="b")

    found = list(_log(kafka, topics))
    for key in ids:
        own = [(partition, event) for partition, event in found if event.experiment_id == key]
        assert {partition_of(key, _PARTITIONS)} == {partition for partition, _ in own}
        assert [(e.sequence, e.values, e.arm) for _, e in own] == [(0, [1.0], None), (1, [0.0, 1.0], "b")]
        assert {"lab"} == {event.source for _, event in own}


@pytest.mark.stack
def test_a_named_source_goes_on_where_the_log_ends(kafka: str, topics: Topics) -> None:
    for value in (0.0, 1.0):
        with Client({"bootstrap.servers": kafka}, topics, source="lab") as client:
            client.observe("coin", value)

    assert [event.sequence for _, event in _log(kafka, topics)] == [0, 1]


@pytest.mark.stack
def test_a_source_continues_at_the_given_sequence(kafka: str, topics: Topics) -> None:
    with Client({"bootstrap.servers": kafka}, topics) as client:
        client.continue_at("coin", 57)

        assert client.observe("coin", 1.0) == 57
        assert client.next_sequence("coin") == 58


@pytest.mark.stack
def test_what_may_not_be_sent_takes_no_number(kafka: str, topics: Topics) -> None:
    with Client({"bootstrap.servers": kafka}, topics) as client:
        with pytest.raises(NotAllowedError):
            client.observe("coin", float("inf"))

        assert client.observe("coin", 1.0) == 0


@pytest.mark.stack
def test_more_records_than_the_queue_holds_wait_instead_of_failing(kafka: str, topics: Topics) -> None:
    small = {"bootstrap.servers": kafka, "queue.buffering.max.messages": "10"}

    with Client(small, topics) as client:
        for _ in range(500):
            client.observe("coin", 1.0)

    assert sum(1 for _ in _log(kafka, topics)) == 500


@pytest.mark.stack
def test_missing_topics_are_named_with_the_command_that_makes_them(kafka: str) -> None:
    absent = Topics(prefix=f"t{uuid4().hex[:8]}")

    with pytest.raises(MissingTopicError, match=rf"{absent.control}.*waldstream topics create"):
        Client({"bootstrap.servers": kafka}, absent)


def test_no_broker_is_one_clear_error_and_librdkafka_stays_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=f"cannot reach Kafka at {address}: .*onnect"):
            Client({"bootstrap.servers": address}, Topics())

    assert tuple(capfd.readouterr()) == ("", "")
