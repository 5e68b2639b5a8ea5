"""The gauges of experiments, drawn from the committed memory when Prometheus asks: an observation costs nothing here.

An experiment has series of its own while a run of it is open and for a minute after the decision, at most 500 at once.
What a partition shows goes the moment it is revoked, so that two workers never show the same experiment for long.
"""

import math
import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from experiments.estimates import naive_estimate
from experiments.experiment import Experiment, State
from experiments.memory import Memory
from schemas.instruments import family

MOST = 500
SECONDS_AFTER_DECISION = 60.0

#: A run is open in these states; a withheld verdict is none yet.
_OPEN = frozenset({State.RUNNING, State.PAUSED, State.HELD})
_PER_EXPERIMENT = (
    "sprt_llr",
    "sprt_samples",
    "sprt_p_value",
    "sprt_estimate",
    "sprt_boundary",
    "sprt_running",
    "sprt_expected_samples",
    "sprt_max_samples",
    "sprt_experiment_info",
)
_FLEET = ("sprt_experiments", "sprt_queue_waiting", "sprt_partitions_owned")


@dataclass
class _Owned:
    """One partition: its memory, how many experiments are in each state, and which are open."""

    memory: Memory
    states: Tally[State] = field(default_factory=Tally)
    open: dict[str, None] = field(default_factory=dict)


class Series(Collector):
    """The gauges of all experiments that a worker owns; `dropped` counts those without series."""

    def __init__(self, registry: CollectorRegistry, dropped: Counter, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._dropped = dropped
        self._lock = threading.Lock()
        self._owned: dict[int, _Owned] = {}
        self._hidden: set[int] = set()
        self._decided_at: dict[str, float] = {}
        self._shown: dict[str, None] = {}
        self._overflow: set[str] = set()
        registry.register(self)

    def take(self, partition: int, memory: Memory) -> None:
        """Show a partition's experiments from now on."""
        owned = _Owned(memory)
        for experiment_id, experiment in memory.experiments.items():
            owned.states[experiment.cold.state] += 1
            if experiment.cold.state in _OPEN:
                owned.open[experiment_id] = None
        with self._lock:
            self._owned[partition] = owned

    def drop(self, partition: int) -> None:
        """Show nothing of a partition any more: its next owner does."""
        with self._lock:
            self._owned.pop(partition, None)

    def hide(self, partition: int) -> None:
        """Show nothing of a partition while it may be going to another worker."""
        with self._lock:
            self._hidden.add(partition)

    def show(self, partition: int) -> None:
        """Show a partition again: it stays."""
        with self._lock:
            self._hidden.discard(partition)

    def committed(self, partition: int, memory: Memory, changed: Iterable[str], decided: Iterable[str]) -> None:
        """Take in a committed step: the memory after it, whose states may have changed, and who has decided."""
        with self._lock:
            owned = self._owned[partition]
            before, owned.memory = owned.memory, memory
            for experiment_id in changed:
                last, now = before.experiments.get(experiment_id), memory.experiments[experiment_id]
                if last is not None:
                    owned.states[last.cold.state] -= 1
                owned.states[now.cold.state] += 1
                if now.cold.state in _OPEN:
                    owned.open[experiment_id] = None
                else:
                    owned.open.pop(experiment_id, None)
            for experiment_id in decided:
                self._decided_at.pop(experiment_id, None)  # so that the oldest stand first
                self._decided_at[experiment_id] = self._clock()
            self._forget()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges, for Prometheus."""
        with self._lock:
            visible = [owned for number, owned in self._owned.items() if number not in self._hidden]
            self._forget()
            states = dict.fromkeys(State, 0)
            active: dict[str, Experiment] = {}
            waiting: dict[str, int] = {}
            for owned in visible:
                for state, count in owned.states.items():
                    states[state] += count
                experiments = owned.memory.experiments
                active |= {name: experiments[name] for name in owned.open}
                active |= {name: experiments[name] for name in self._decided_at if name in experiments}
                waiting |= {name: len(queue.waiting) for name, queue in owned.memory.queues.items()}
            shown = self._choose(active)
        experiments_, queues, partitions = (family(name) for name in _FLEET)
        for state, count in states.items():
            experiments_.add_metric([state.value], count)
        for name, count in waiting.items():
            queues.add_metric([name], count)
        partitions.add_metric([], len(visible))
        yield from (experiments_, queues, partitions)
        yield from _of(shown)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families without values, so that registering asks for none."""
        yield from (family(name) for name in (*_FLEET, *_PER_EXPERIMENT))

    def _forget(self) -> None:
        """Leave out decisions that are older than a minute."""
        horizon = self._clock() - SECONDS_AFTER_DECISION
        while self._decided_at and next(iter(self._decided_at.values())) <= horizon:
            del self._decided_at[next(iter(self._decided_at))]

    def _choose(self, active: dict[str, Experiment]) -> dict[str, Experiment]:
        """Return the experiments that get series: those that had them stay, new ones up to the cap."""
        kept = [name for name in self._shown if name in active]
        waiting = [name for name in active if name not in self._shown]
        free = MOST - len(kept)
        self._shown = dict.fromkeys(kept + waiting[:free])
        overflow = set(waiting[free:])
        self._dropped.inc(len(overflow - self._overflow))
        self._overflow = overflow
        return {name: active[name] for name in self._shown}


def _of(shown: dict[str, Experiment]) -> Iterator[GaugeMetricFamily]:
    families = {name: family(name) for name in _PER_EXPERIMENT}
    for experiment_id, experiment in shown.items():
        for name, labels, value in _values(experiment):
            families[name].add_metric([experiment_id, *labels], value)
    yield from families.values()


def _values(experiment: Experiment) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Yield every value of an experiment: the metric, the labels behind the id, the number."""
    cold, walk = experiment.cold, experiment.hot.statistic
    definition, certificate = cold.definition, cold.certificate
    yield "sprt_samples", (), walk.n
    yield "sprt_running", (), float(cold.state is State.RUNNING)
    if not (definition.get("blinded") and cold.state in _OPEN and not cold.is_unblinded):
        yield "sprt_llr", (), walk.llr
        yield "sprt_p_value", (), walk.p_value
        if (estimate := naive_estimate(experiment)["naive"]) is not None:
            yield "sprt_estimate", (), estimate
    # The p rule is an upper line, too: the lower of the two is in force.
    for side, threshold in (("upper", experiment.design.effective_upper), ("lower", experiment.design.lower)):
        if math.isfinite(threshold):
            yield "sprt_boundary", (side,), threshold
    for hypothesis in ("h0", "h1"):
        if (expected := certificate.get(f"mean_n_{hypothesis}")) is not None:
            yield "sprt_expected_samples", (hypothesis,), expected
    if (limit := definition["stop"]["max_samples"]) is not None:
        yield "sprt_max_samples", (), limit
    words = (str(definition.get("title") or ""), str(definition.get("owner") or ""))
    yield "sprt_experiment_info", (*words, ",".join(definition.get("tags") or ())), 1
