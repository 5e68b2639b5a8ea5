"""What the worker shows to Prometheus: a projection of committed facts, brought up to date once per transaction.

Gauges of experiments are drawn from the committed memory when Prometheus asks, so an observation costs nothing here.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from experiments.batch import Batch, ControlBatch, Malformed, ObservationBatch
from experiments.estimates import naive_estimate
from experiments.memory import Experiment, Memory, State
from processors.steps import Done
from schemas import events
from schemas.metrics import BY_NAME

_MOST_SERIES = 500
_SECONDS_AFTER_DECISION = 60.0
_PER_EXPERIMENT = ("sprt_llr", "sprt_samples", "sprt_p_value", "sprt_estimate", "sprt_boundary", "sprt_experiment_info")


class Instruments(Collector):
    """All instruments of one worker."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._memories: dict[int, Memory] = {}
        self._decided_at: dict[str, float] = {}
        self._shown: dict[str, None] = {}
        self._overflow: set[str] = set()
        self._observations = _instrument(registry, Counter, "sprt_observations_total")
        self._rejected = _instrument(registry, Counter, "sprt_rejected_total")
        self._decisions = _instrument(registry, Counter, "sprt_decisions_total")
        self._dropped = _instrument(registry, Counter, "sprt_series_dropped_total")
        self._lag = _instrument(registry, Gauge, "sprt_consumer_lag_records")
        self._command = _instrument(registry, Histogram, "sprt_command_seconds")
        self._decision_delay = _instrument(registry, Histogram, "sprt_decision_delay_seconds")
        registry.register(self)

    def took_over(self, partition: int, memory: Memory) -> None:
        """Show a partition's experiments from now on."""
        with self._lock:
            self._memories[partition] = memory

    def gave_up(self, partition: int) -> None:
        """Show nothing of a partition any more: its next owner does."""
        with self._lock:
            self._memories.pop(partition, None)
        for topic, of in [labels for labels in self._lag._metrics if labels[1] == str(partition)]:  # noqa: SLF001  the library has no public way to list a gauge's labels
            self._lag.remove(topic, of)

    def lags(self, topic: str, partition: int, records: int) -> None:
        """Show how far the committed position is behind the end of the log."""
        self._lag.labels(topic, str(partition)).set(records)

    def committed(self, partition: int, done: Done) -> None:
        """Count what a committed step did."""
        now, emissions = time.time(), done.emissions
        with self._lock:
            self._memories[partition] = done.memory
            for event in emissions.control:
                if isinstance(event, events.Decision):
                    self._decided_at[event.experiment_id] = self._clock()
        for result, number in emissions.counts.items():
            self._observations.labels(result).inc(number)
        for rejected in emissions.rejected:
            self._rejected.labels(rejected.reason).inc()
        if not emissions.control:
            return
        asked = _command_times(done.batch)
        for event in emissions.control:
            if isinstance(event, events.Decision):
                self._decisions.labels(event.outcome, event.reason).inc()
                if isinstance(done.batch, ObservationBatch) and event.index is not None and event.offset is not None:
                    row = int(np.searchsorted(done.batch.offset, event.offset))
                    self._decision_delay.observe(max(0.0, now - int(done.batch.timestamp[row]) / 1e6))
            elif isinstance(event, events.Reply) and event.command_id in asked:
                self._command.observe(max(0.0, now - asked[event.command_id]))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges of experiments, for Prometheus."""
        with self._lock:
            memories = list(self._memories.values())
            horizon = self._clock() - _SECONDS_AFTER_DECISION
            self._decided_at = {name: at for name, at in self._decided_at.items() if at > horizon}
            states = dict.fromkeys(State, 0)
            active: dict[str, Experiment] = {}
            for memory in memories:
                for experiment_id, experiment in memory.experiments.items():
                    states[experiment.cold.state] += 1
                    if experiment.is_live or experiment_id in self._decided_at:
                        active[experiment_id] = experiment
            shown = self._choose(active)
        number = _family("sprt_experiments")
        for state, count in states.items():
            number.add_metric([state.value], count)
        yield number
        waiting = _family("sprt_queue_waiting")
        for memory in memories:
            for name, queue in memory.queues.items():
                waiting.add_metric([name], len(queue.waiting))
        yield waiting
        yield from _series(shown)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families without values, so that registering asks for none."""
        for name in ("sprt_experiments", "sprt_queue_waiting", *_PER_EXPERIMENT):
            yield _family(name)

    def _choose(self, active: dict[str, Experiment]) -> dict[str, Experiment]:
        """Return the experiments that get series: those that had them stay, new ones up to the cap."""
        kept = [name for name in self._shown if name in active]
        waiting = [name for name in active if name not in self._shown]
        free = _MOST_SERIES - len(kept)
        self._shown = dict.fromkeys(kept + waiting[:free])
        overflow = set(waiting[free:])
        self._dropped.inc(len(overflow - self._overflow))
        self._overflow = overflow
        return {name: active[name] for name in self._shown}


def _series(shown: dict[str, Experiment]) -> Iterator[GaugeMetricFamily]:
    families = {name: _family(name) for name in _PER_EXPERIMENT}
    for experiment_id, experiment in shown.items():
        walk, definition = experiment.hot.statistic, experiment.cold.definition
        families["sprt_llr"].add_metric([experiment_id], walk.llr)
        families["sprt_samples"].add_metric([experiment_id], walk.n)
        families["sprt_p_value"].add_metric([experiment_id], walk.p_value)
        estimate = naive_estimate(experiment)["naive"]
        if estimate is not None:
            families["sprt_estimate"].add_metric([experiment_id], estimate)
        for side, threshold in (("upper", experiment.cold.upper), ("lower", experiment.cold.lower)):
            if threshold is not None:
                families["sprt_boundary"].add_metric([experiment_id, side], threshold)
        labels = [str(definition.get("title") or ""), str(definition.get("owner") or "")]
        tags = ",".join(definition.get("tags") or ())
        families["sprt_experiment_info"].add_metric([experiment_id, *labels, tags], 1)
    yield from families.values()


def _family(name: str) -> GaugeMetricFamily:
    metric = BY_NAME[name]
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def _instrument(registry: CollectorRegistry, kind: Any, name: str) -> Any:
    metric = BY_NAME[name]
    more = {"buckets": metric.buckets} if metric.buckets else {}
    return kind(metric.name, metric.help, metric.labels, registry=registry, **more)


def _command_times(batch: Batch) -> dict[str, float]:
    """Return when each command of the batch was appended to the log, in seconds."""
    if not isinstance(batch, ControlBatch):
        return {}
    return {
        (it.command.command_id if isinstance(it.command, Malformed) else it.command.id): it.timestamp / 1e6
        for it in batch.records
    }
