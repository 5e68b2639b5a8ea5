"""An auditor of lifecycles: what must hold of the events alone, restated without the code that makes them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from experiments.batch import Batch, ControlBatch, Emissions, ObservationBatch
from experiments.columns import RawRecord
from experiments.experiment import State
from experiments.memory import Memory
from schemas import events

_IDLE = {"DEFINED", "DECIDED", "ARCHIVED"}
_LIVE = {"RUNNING", "PAUSED"}

#: Event -> the states in which it may come, and the state after it (None: the same).
LIFE: dict[str, tuple[set[str], str | None]] = {
    "defined": (_IDLE | {""}, None),
    "scheduled": (_IDLE | _LIVE | {"QUEUED", "HELD"}, None),
    "queued": (_IDLE, "QUEUED"),
    "started": (_IDLE | {"QUEUED"}, "RUNNING"),
    "paused": ({"RUNNING"}, "PAUSED"),
    "resumed": ({"PAUSED"}, "RUNNING"),
    "held": (_LIVE, None),
    "released": (_LIVE | {"HELD"}, None),
    "unblinded": (_LIVE | {"HELD"}, None),
    "failed": (_LIVE, None),
    "decision": (_LIVE | {"HELD"}, "DECIDED"),
    "retrying": ({"DECIDED"}, None),
    "cancelled": (_IDLE | {"QUEUED"}, "CANCELLED"),
    "archived": ({"DECIDED"}, "ARCHIVED"),
}
_OUTCOMES = {
    "boundary_upper": {"accept_h1"},
    "boundary_lower": {"accept_h0"},
    "p_threshold": {"accept_h1"},
    "max_samples": {"accept_h1", "accept_h0", "inconclusive"},
    **{reason: {"inconclusive"} for reason in ("timeout", "stalled", "source_exhausted", "manual", "failed")},
}


class Auditor:
    """Follows every experiment by its events, and compares what the owners remember with it."""

    def __init__(self) -> None:
        self.facts: dict[str, list[events.Lifecycle]] = defaultdict(list)
        self.started: set[str] = set()
        self.decided: dict[str, events.Decision] = {}
        self.holding: set[str] = set()  # runs that started from a queue and are not over
        self.steps: set[tuple[str, str, str]] = set()  # (state, event, state afterwards)
        self._states: dict[str, str] = defaultdict(str)
        self._ids: set[str] = set()
        self._read: Counter[int] = Counter()
        self._read_since_defined: Counter[str] = Counter()

    def newest_decision(self, experiment_id: str) -> events.Decision | None:
        """Return the newest decision of an experiment."""
        made = [event for event in self.facts[experiment_id] if isinstance(event, events.Decision)]
        return made[-1] if made else None

    def has_read(self, records: Sequence[RawRecord], batch: Batch, emissions: Emissions) -> None:
        """Count what a step has read: nothing disappears, and each command has one answer."""
        if isinstance(batch, ObservationBatch):
            self._read[batch.partition] += len(records)
            assert sum(emissions.counts.values()) == len(records)
            for code, experiment_id in enumerate(batch.experiment_ids):
                if self._states[experiment_id] and batch.partition == self.facts[experiment_id][0].partition:
                    self._read_since_defined[experiment_id] += int((batch.experiment == code).sum())
        elif isinstance(batch, ControlBatch):
            commands = [it for it in batch.records if not isinstance(it.command, events.SlotGranted)]
            elsewhere = {it.offset for it in emissions.forwarded}
            replies = [event for event in emissions.control if isinstance(event, events.Reply)]
            assert len(replies) == sum(it.offset not in elsewhere for it in commands)

    def look_at(self, memory: Memory, emissions: Emissions) -> None:
        """Judge what a step has emitted, and what its owner remembers afterwards."""
        for event in emissions.control:
            if isinstance(event, events.Lifecycle):
                self._follow(event)
        for experiment_id in {*emissions.cold, *emissions.hot}:
            cold = memory.experiments[experiment_id].cold
            assert cold.state.value == self._states[experiment_id]
            assert cold.version == self.facts[experiment_id][-1].version
        for name, queue in memory.queues.items():
            assert not emissions.grants or len(queue.holding) <= queue.limit
            assert not queue.waiting or len(queue.holding) >= queue.limit, f"a slot of {name} lies idle"

    def conclude(self, memories: Sequence[Memory]) -> None:
        """Judge an installation that has read everything and whose experiments were cancelled."""
        for memory in memories:
            assert sum(memory.counts.values()) == self._read[memory.partition]
            for experiment_id, experiment in memory.experiments.items():
                assert experiment.cold.state is State.CANCELLED
                counted = sum(experiment.hot.all_counts().values())
                assert counted == self._read_since_defined[experiment_id]
            for queue in memory.queues.values():
                assert (queue.holding, queue.waiting) == (frozenset(), ())
        assert set(self.decided) == self.started
        assert not self.holding

    def _follow(self, event: events.Lifecycle) -> None:
        name, run_id = str(event.__struct_config__.tag), f"{event.experiment_id}/{event.run}"
        facts, state = self.facts[event.experiment_id], self._states[event.experiment_id]
        before, after = LIFE[name]
        assert state in before, f"{name} while {state}"
        assert event.version == len(facts) + 1
        assert event.id not in self._ids
        opens = name == "queued" or (name == "started" and state != "QUEUED")
        assert event.run == (facts[-1].run if facts else 0) + opens
        if isinstance(event, events.Started):
            self.started.add(run_id)
            if state == "QUEUED":
                self.holding.add(run_id)
        if isinstance(event, events.Decision):
            self._judge(event, run_id)
        self._ids.add(event.id)
        self._states[event.experiment_id] = _state_after(event, state, after)
        self.steps.add((state, name, self._states[event.experiment_id]))
        facts.append(event)

    def _judge(self, decision: events.Decision, run_id: str) -> None:
        assert decision.id == run_id
        assert run_id in self.started
        assert run_id not in self.decided
        assert decision.outcome in _OUTCOMES[str(decision.reason)]
        self.decided[run_id] = decision
        self.holding.discard(run_id)


def _state_after(event: events.Lifecycle, state: str, after: str | None) -> str:
    if isinstance(event, events.Held) and event.withheld:
        return "HELD"
    return after or state or "DEFINED"


def run_of(facts: Sequence[events.Lifecycle], run: int) -> tuple[events.Defined, list[Any]]:
    """Return the definition that held when a run started, and the run's own events from `started` to `decision`."""
    begin = next(at for at, fact in enumerate(facts) if isinstance(fact, events.Started) and fact.run == run)
    end = next(at for at, fact in enumerate(facts) if isinstance(fact, events.Decision) and fact.run == run)
    defined = [fact for fact in facts[:begin] if isinstance(fact, events.Defined)][-1]
    return defined, list(facts[begin : end + 1])
