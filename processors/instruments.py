"""What the worker shows to Prometheus: a projection of committed facts, brought up to date once per transaction."""

import time
from collections.abc import Callable

import numpy as np
from prometheus_client import CollectorRegistry

from experiments.batch import ControlBatch, Malformed, ObservationBatch, Tick
from experiments.memory import Memory
from experiments.schedule import GRACE
from experiments.times import moment
from processors.series import Series
from processors.steps import Done
from schemas import events
from schemas.instruments import counter, gauge, histogram


class Instruments:
    """All instruments of one worker of an installation with so many partitions."""

    def __init__(
        self, registry: CollectorRegistry, partitions: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._observations = counter(registry, "sprt_observations_total")
        self._rejected = counter(registry, "sprt_rejected_total")
        self._decisions = counter(registry, "sprt_decisions_total")
        self._missed = counter(registry, "sprt_schedule_missed_total")
        self._rows = counter(registry, "sprt_state_rows_total")
        self._bytes = counter(registry, "sprt_state_bytes_total")
        self._overtook = counter(registry, "sprt_retention_overtook_total")
        self._lag = gauge(registry, "sprt_consumer_lag_records")
        self._registry = gauge(registry, "sprt_registry_waiting")
        self._takeover = histogram(registry, "sprt_takeover_seconds")
        self._command = histogram(registry, "sprt_command_seconds")
        self._decision_delay = histogram(registry, "sprt_decision_delay_seconds")
        self._size = histogram(registry, "sprt_decision_asn_ratio")
        self._series = Series(registry, counter(registry, "sprt_series_dropped_total"), clock)
        self._memories: dict[int, Memory] = {}
        gauge(registry, "sprt_partitions").set(partitions)

    def took_over(self, partition: int, memory: Memory, seconds: float) -> None:
        """Show a partition's experiments from now on; taking it over lasted so long."""
        self._memories[partition] = memory
        self._takeover.observe(seconds)
        self._series.take(partition, memory)

    def gave_up(self, partition: int) -> None:
        """Show nothing of a partition any more: its next owner does."""
        self._series.drop(partition)
        self._memories.pop(partition, None)
        for shown in (self._lag, self._registry):
            # Listed at once: the threads of other partitions give up theirs at the same time.
            for topic, of in list(shown._metrics):  # noqa: SLF001  the library has no public way to list a gauge's labels
                if of == str(partition):
                    shown.remove(topic, of)

    def revoked(self, partition: int) -> None:
        """Show nothing of a partition until it is known whether it stays."""
        self._series.hide(partition)

    def stays(self, partition: int) -> None:
        """Show a partition that was revoked and came back."""
        self._series.show(partition)

    def lags(self, topic: str, partition: int, records: int) -> None:
        """Show how far the committed position is behind the end of the log."""
        self._lag.labels(topic, str(partition)).set(records)

    def overtook(self, name: str) -> None:
        """Count that retention removed records of an input before they were read."""
        self._overtook.labels(name).inc()

    def waits_for_registry(self, topic: str, partition: int, is_waiting: bool) -> None:
        """Show whether a partition's records cannot be read because the schema registry does not answer."""
        self._registry.labels(topic, str(partition)).set(int(is_waiting))

    def committed(self, partition: int, done: Done) -> None:
        """Count what a committed step did."""
        now, emissions = time.time(), done.emissions
        before, self._memories[partition] = self._memories[partition], done.memory
        decisions = [event for event in emissions.control if isinstance(event, events.Decision)]
        self._series.committed(partition, done.memory, emissions.cold, [it.experiment_id for it in decisions])
        self._count_rows(done)
        for result, number in emissions.counts.items():
            self._observations.labels(result).inc(number)
        for rejected in emissions.rejected:
            self._rejected.labels(rejected.reason).inc()
        for decision in decisions:
            self._decisions.labels(decision.outcome, decision.reason).inc()
            self._compare(done.memory, decision)
            if isinstance(done.batch, ObservationBatch) and decision.index is not None and decision.offset is not None:
                row = int(np.searchsorted(done.batch.offset, decision.offset))
                self._decision_delay.observe(max(0.0, now - int(done.batch.timestamp[row]) / 1e6))
        if isinstance(done.batch, ControlBatch):
            asked = _command_times(done.batch)
            for event in emissions.control:
                if isinstance(event, events.Reply) and event.command_id in asked:
                    self._command.observe(max(0.0, now - asked[event.command_id]))
        elif isinstance(done.batch, Tick):
            self._missed.inc(_missed(before, done))

    def _count_rows(self, done: Done) -> None:
        emissions = done.emissions
        numbers = {
            "cold": len(emissions.cold),
            "hot": len(emissions.hot),
            "queue": len(emissions.queue_rows),
            "position": 1,
        }
        for row, number in numbers.items():
            self._rows.labels(row).inc(number)
        if done.outgoing is not None:
            self._bytes.inc(sum(len(key) + len(value) for key, value in done.outgoing.rows.pairs))

    def _compare(self, memory: Memory, decision: events.Decision) -> None:
        """Compare the size of a run that met a boundary with what its design expected."""
        if decision.reason not in ("boundary_upper", "boundary_lower"):
            return
        hypothesis = "h1" if decision.outcome == "accept_h1" else "h0"
        expected = memory.experiments[decision.experiment_id].cold.certificate.get(f"mean_n_{hypothesis}")
        if expected:
            self._size.observe(decision.n / expected)


def _missed(before: Memory, done: Done) -> int:
    """Return how many firings of schedules the clock's step skipped, or started too late."""
    noted = {it.experiment_id for it in done.emissions.control if isinstance(it, events.Scheduled) and it.note}
    now = moment(done.batch.at) if isinstance(done.batch, Tick) else None
    for experiment_id in done.emissions.cold:
        due = before.experiments[experiment_id].cold.due
        has_fired = due != done.memory.experiments[experiment_id].cold.due
        if now is not None and due is not None and has_fired and now - due > GRACE:
            noted.add(experiment_id)
    return len(noted)


def _command_times(batch: ControlBatch) -> dict[str, float]:
    """Return when each command of the batch was appended to the log, in seconds."""
    return {
        (it.command.command_id if isinstance(it.command, Malformed) else it.command.id): it.timestamp / 1e6
        for it in batch.records
    }
