"""Define, start, then produce always works: also for a client that puts each on whatever partition it likes."""

from collections.abc import Iterator
from itertools import product

import pytest

from schemas import codecs, events
from tests.processors.installation import Installation, run_command, until

pytestmark = pytest.mark.stack

PARTITIONS = 3


@pytest.fixture(scope="module")
def shared_out(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose partitions belong to two workers."""
    made = Installation(kafka, tmp_path_factory.mktemp("strays"), PARTITIONS)
    with made.working(instance_id="one"), made.working(instance_id="two"):
        for partition in range(PARTITIONS):  # each partition has an owner that works
            made.send(made.topics.observations, b"no observation", None, partition)
        made.flush()
        until(lambda: made.read(made.topics.rejected)[PARTITIONS - 1 :])
        yield made
    made.close()


@pytest.mark.parametrize("key", [True, False])
def test_what_is_sent_right_behind_the_start_counts_wherever_it_was_put(shared_out: Installation, key: bool) -> None:
    names = {}
    for command_at, observations_at in product(range(PARTITIONS), repeat=2):
        name = f"stray-{key}-{command_at}-{observations_at}".lower()
        names[name] = observations_at
        kafka_key = name if key else None
        topics = shared_out.topics
        shared_out.send(topics.control, codecs.encode_json(run_command(name)), kafka_key, command_at)
        for _ in range(60):
            event = events.Observation(experiment_id=name, values=[1.0])
            shared_out.send(topics.observations, codecs.encode_json(event), kafka_key, observations_at)
        shared_out.flush()
    for name in names:
        assert shared_out.decision(name).n == 26
        assert not {"before_start", "rejected"} & set(shared_out.decision(name).counts)
    counts = shared_out.wait_until_counted()
    assert "before_start" not in counts
    assert counts["rejected"] == PARTITIONS


def test_what_is_sent_right_behind_the_next_start_counts_though_the_last_run_is_still_heard_of(
    shared_out: Installation,
) -> None:
    names = [f"again-{number}" for number in range(6)]
    observed = codecs.encode_json

    def observe(name: str, times: int) -> None:
        at = shared_out.partition_of(name)
        for _ in range(times):
            event = events.Observation(experiment_id=name, values=[1.0])
            shared_out.send(shared_out.topics.observations, observed(event), name, at)

    for run in (1, 2, 3):
        for name in names:
            if run > 1:
                observe(name, 30)  # what the run before it left behind
            command = run_command(name) if run == 1 else events.Start(id=f"start-{run}-{name}", experiment_id=name)
            shared_out.command(command)
            observe(name, 40)
        shared_out.flush()
        decisions = [shared_out.decision(name, run) for name in names]
        assert [it.n for it in decisions] == [26] * len(names)
        shared_out.wait_until_counted()
