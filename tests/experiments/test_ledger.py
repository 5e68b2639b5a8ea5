"""Experiments that are only counted live in columns; whoever asks sees them as if each record had been folded alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from immutables import Map

from experiments import advance, facts
from experiments.batch import Emissions
from experiments.columns import RawRecord, observation_batch
from experiments.experiment import Experiment, Share
from experiments.ledger import Experiments
from experiments.memory import Memory
from experiments.rows import to_rows
from experiments.sequences import Seen
from schemas import codecs, events
from tests.experiments.story import BEGIN
from tests.experiments.test_quiet import NOW, running

SIZE = 12
KINDS = ("plain", "watched", "poisson")


def begun() -> Memory:
    return Memory(0, 1, experiments=Experiments.of({kind: running(kind) for kind in KINDS}))


def observed(memory: Memory, number: int, source: str | None, size: int = SIZE, first: int = 0) -> Memory:
    """The memory after one more batch of every kind; `first` is the sequence of its first record."""
    position = memory.positions.get("observations", 0)
    records: list[RawRecord] = []
    for at in range(size):
        for kind in KINDS:
            fields: dict[str, Any] = {} if source is None else {"source": source, "sequence": first + at}
            made = events.Observation(experiment_id=kind, values=[float((at + number) % 2)], **fields)
            offset = position + len(records)
            records.append(RawRecord(offset, BEGIN + offset * 1_000, None, codecs.encode_avro(made)))
    return advance(memory, observation_batch(0, position, position + len(records), records))[0]


def counted(memory: Memory) -> set[str]:
    """The experiments that have an account."""
    entries = memory.experiments.entries(KINDS)
    return {kind for kind, entry in zip(KINDS, entries, strict=True) if isinstance(entry, int)}


def held(experiment: Experiment) -> Experiment:
    return facts.follow(experiment, facts.held(NOW, {}, cause="a hand"))[0]


def unchanged(experiment: Experiment) -> Experiment:
    return replace(experiment)


def ended_or_run_again(experiment: Experiment) -> Experiment:
    return facts.follow(experiment, facts.decided(NOW, "operator") if experiment.is_live else facts.opened(NOW))[0]


def _one_by_one(memory: Memory, number: int, source: str | None, first: int) -> Memory:
    for at in range(SIZE):
        memory = observed(memory, number + at, source, 1, first + at)
    return memory


@pytest.mark.parametrize("sources", ["sss", "sts", "ttt", "s-s", "---"])
@pytest.mark.parametrize("change", [held, unchanged, ended_or_run_again])
def test_batches_of_any_sources_and_changes_between_them_are_their_records_one_by_one(
    sources: str, change: Callable[[Experiment], Experiment]
) -> None:
    whole = parts = begun()
    sequences = dict.fromkeys(sources, 7)
    for number, letter in enumerate(sources):
        source = None if letter == "-" else letter
        whole = observed(whole, number, source, first=sequences[letter])
        parts = _one_by_one(parts, number, source, sequences[letter])
        sequences[letter] += SIZE
        assert counted(whole) == set(KINDS)
        whole, parts = (
            replace(it, experiments=it.experiments.set("plain", change(it.experiments["plain"])))
            for it in (whole, parts)
        )
        assert counted(whole) == {"watched", "poisson"}

        assert whole.experiments == parts.experiments
        emissions = Emissions(hot=KINDS)
        assert to_rows(whole, emissions) == to_rows(parts, emissions)


def test_the_rows_of_experiments_with_very_many_sources_are_right_too() -> None:
    memory = begun()
    crowded = memory.experiments["watched"]
    names = [f"{number:0100d}" for number in range(900)]
    hot = crowded.hot._replace(
        sources=Map({name: Seen(0, 5) for name in names}), shares=Map({f"source:{it}": Share(6, 3.0) for it in names})
    )
    memory = replace(memory, experiments=memory.experiments.set("watched", replace(crowded, hot=hot)))
    whole, parts = observed(memory, 0, "s"), _one_by_one(memory, 0, "s", 0)

    assert counted(whole) == set(KINDS)
    assert to_rows(whole, Emissions(hot=KINDS)) == to_rows(parts, Emissions(hot=KINDS))


def test_a_step_leaves_the_memory_it_began_with_as_it_was() -> None:
    before = observed(begun(), 0, "s")
    shown = dict(before.experiments)
    observed(before, 1, "s", first=SIZE)
    replace(before, experiments=before.experiments.set("plain", held(before.experiments["plain"])))

    assert shown == before.experiments
    assert counted(before) == set(KINDS)


def test_the_row_of_a_closed_account_is_used_again() -> None:
    memory = observed(begun(), 0, "s")
    for number in range(1, 50):
        changed = {kind: unchanged(memory.experiments[kind]) for kind in KINDS}
        memory = replace(memory, experiments=memory.experiments.update(changed))
        memory = observed(memory, number, "s", first=number * SIZE)

    assert len(memory.experiments.ledger.accounts) == len(memory.experiments.ledger.numbers) == len(KINDS)


def test_the_clock_goes_by_what_accounts_hold() -> None:
    memory = observed(begun(), 0, "s")

    assert {name: (cold, applied) for name, cold, applied in memory.experiments.clocks()} == {
        kind: (it.cold, it.hot.last_applied) for kind, it in memory.experiments.items()
    }
    assert all(memory.experiments.cold(kind) is memory.experiments[kind].cold for kind in KINDS)
    assert memory.experiments.cold("nobody") is None
