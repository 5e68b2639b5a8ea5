"""One thread per owned partition: reads its inputs, has each batch computed, commits what comes back.

Nothing is shared with other partitions. The thread keeps a step until its transaction is committed, so whatever Faust
drops is simply asked again; on any failure the whole worker ends and the next owner goes on from the last commit.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from experiments.columns import definitions
from experiments.due import next_due
from experiments.memory import Memory
from processors import clients
from processors.config import WorkerConfig
from processors.failing import fail
from processors.inputs import Fetched, Reader
from processors.instruments import Instruments
from processors.solving import Solved, Solver, results
from processors.steps import Archives, AtBarrier, Clock, Control, Done, Observations, Queues, Step
from processors.takeover import fence, read_rows, remember
from processors.transactions import Transactions
from processors.watermarks import Watermarks
from schemas import events

#: Has a step computed; None if the thread was parked meanwhile, and the step has to be asked again.
Ask = Callable[[Memory, Step, Callable[[], bool]], Done | AtBarrier | None]

_COMMANDS_AT_ONCE = 200
_PROGRESS_SECONDS = 2.0
_DUE_SECONDS = 0.2
_BARRIER_SECONDS = 0.005
_SOLVING_SECONDS = 0.02

_log = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Shared:
    """What the partitions of a worker have in common."""

    config: WorkerConfig
    ask: Ask
    solver: Solver
    watermarks: Watermarks
    instruments: Instruments


class PartitionThread(threading.Thread):
    """Owns one partition from the fence to the end of its assignment."""

    def __init__(self, partition: int, shared: Shared, predecessor: threading.Thread | None = None) -> None:
        super().__init__(name=f"partition-{partition}", daemon=True)
        self.partition = partition
        self._shared = shared
        self._config = shared.config
        self._predecessor = predecessor
        self._ended = threading.Event()
        self._unparked = threading.Event()
        self._unparked.set()
        self._busy = threading.Lock()
        self._memory = Memory(partition, shared.config.partitions)
        self._in_hand: Step | None = None  # computed in vain while parked
        self._solving: tuple[Fetched, list[list[Solved]]] | None = None
        self._barrier: tuple[Observations, int] | None = None
        self._clock: tuple[int, int] | None = None
        self._due: int | None = None
        self._due_is_stale = True
        self._due_checked = 0.0
        self._limit = 500
        self._next_fetch = 0.0
        self._progress_at = 0.0

    def park(self) -> None:
        """Ask for a rest between two steps; nothing is lost, and the fence stays in place."""
        self._shared.instruments.revoked(self.partition)
        self._unparked.clear()

    def unpark(self) -> None:
        """Let the thread go on."""
        self._shared.instruments.stays(self.partition)
        self._unparked.set()

    def wait_until_parked(self, seconds: float) -> bool:
        """Return whether the thread rests between two steps, having waited at most so long."""
        if self._busy.acquire(timeout=max(0.0, seconds)):
            self._busy.release()
            return True
        return False

    def end(self) -> None:
        """Ask the thread to end between two steps."""
        self._ended.set()

    def run(self) -> None:
        """Take the partition over and work until the end is asked for; any failure ends the process."""
        try:
            if self._predecessor is not None:
                self._predecessor.join()  # two producers of one process must not fence each other
            self._predecessor = None
            if not self._ended.is_set():
                self._work()
        except BaseException as error:  # noqa: BLE001  fail fast: no error is only logged
            fail(f"partition {self.partition}", error)

    def _work(self) -> None:
        began = time.monotonic()
        config, kafka = self._config, self._config.kafka
        producer = clients.transactional_producer(kafka, f"{config.app_id}-{self.partition}")
        fence(producer)
        if config.kill_point is not None:
            config.kill_point("during_takeover")
        self._transactions = Transactions(producer, config.kill_point)
        loader = clients.reader(kafka, self._progress_group)
        rows = read_rows(loader, config.topics.state, self.partition)
        loader.close()
        self._memory = remember(self.partition, config.partitions, rows)
        del rows
        self._control = self._reader("control", "archives", "queues")
        self._observations = self._reader("observations")
        known = len(self._memory.experiments)
        _log.info(
            "partition_taken_over",
            partition=self.partition,
            experiments=known,
            seconds=round(time.monotonic() - began, 3),
        )
        self._shared.instruments.took_over(self.partition, self._memory, time.monotonic() - began)
        try:
            while not self._ended.is_set():
                if self._unparked.wait(0.2):
                    with self._busy:
                        self._turn()
        finally:
            self._shared.instruments.gave_up(self.partition)
        self._observations.publish_progress(self._memory.positions)
        self._observations.close()
        self._control.close()

    @property
    def _progress_group(self) -> str:
        return f"{self._config.app_id}-progress"

    def _reader(self, *inputs: str) -> Reader:
        topics = {name: getattr(self._config.topics, name) for name in inputs}
        consumer = clients.reader(self._config.kafka, self._progress_group)
        return Reader(consumer, self.partition, topics, self._memory.positions)

    def _is_parked(self) -> bool:
        return self._ended.is_set() or not self._unparked.is_set()

    def _turn(self) -> None:
        """Take one round: what was left in hand, then control and archives, then observations, then the clock."""
        if self._in_hand is not None:
            step, self._in_hand = self._in_hand, None
            if not self._take(step):
                return
        self._control.read(_COMMANDS_AT_ONCE, self._idle_seconds())
        self._turn_control()
        self._turn_other("archives", Archives)
        self._turn_other("queues", Queues)
        self._turn_observations()
        self._turn_clock()
        self._turn_gauges()

    def _idle_seconds(self) -> float:
        """Return how long control may be waited for: until the next fetch is due, shortly while something waits."""
        if any(self._control.has(name) for name in ("control", "archives", "queues")):
            return 0.0
        if self._barrier is not None:
            return _BARRIER_SECONDS
        if self._solving is not None:
            return min(_SOLVING_SECONDS, self._config.pace_seconds)
        milliseconds = math.ceil((self._next_fetch - time.monotonic()) * 1000)  # the client does not wait for less
        return max(0, milliseconds) / 1000

    def _turn_control(self) -> None:
        """Step the commands in order, as far as the definitions among them are solved."""
        if self._solving is None:
            fetched = self._control.take("control", _COMMANDS_AT_ONCE)
            if fetched is None:
                return
            answers = [[self._shared.solver.solve(it) for it in definitions([record])] for record in fetched.records()]
            self._solving = (fetched, answers)
        fetched, answers = self._solving
        ready = 0
        while ready < len(answers) and all(answer.done() for answer in answers[ready]):
            ready += 1
        if ready == 0:
            return
        head, rest = fetched.split(ready)
        self._solving = None if rest is None else (rest, answers[ready:])
        self._take(Control(head, results([answer for some in answers[:ready] for answer in some])))

    def _turn_other(self, name: str, step: type[Archives | Queues]) -> None:
        if self._in_hand is None and (fetched := self._control.take(name, _COMMANDS_AT_ONCE)) is not None:
            self._take(step(fetched))

    def _turn_observations(self) -> None:
        if self._in_hand is not None:
            return
        if self._barrier is not None:
            step, end = self._barrier
            if self._solving is None and not self._control.has("control") and self._control.reached("control") >= end:
                self._barrier = None
                self._take(step)
            return
        if time.monotonic() < self._next_fetch:
            return
        began = time.monotonic()
        self._observations.read(self._limit, 0)
        fetched = self._observations.take("observations", self._limit)
        lags = fetched is not None and len(fetched.messages) == self._limit
        self._next_fetch = 0.0 if lags else began + self._config.pace_seconds
        if fetched is not None:
            self._take(Observations(fetched))

    def _turn_clock(self) -> None:
        """Let the clock end runs, once the observations were read to where they ended after the due time."""
        if self._in_hand is not None or self._barrier is not None:
            return
        topic = self._config.topics.observations
        if self._clock is None:
            now = time.time_ns() // 1000
            if not self._is_due(now):
                return
            self._clock = (now, self._shared.watermarks.end(topic, self.partition))
        at, end = self._clock
        if self._observations.reached("observations") >= end:
            self._clock = None
            self._due_is_stale = True
            self._take(Clock(at))

    def _is_due(self, now: int) -> bool:
        """Return whether the clock may end a run now; the exact look at all experiments is rare."""
        may_be = self._due_is_stale or (self._due is not None and self._due <= now)
        if may_be and time.monotonic() - self._due_checked >= _DUE_SECONDS:
            self._due, self._due_is_stale = next_due(self._memory), False
            self._due_checked = time.monotonic()
        return self._due is not None and self._due <= now

    def _take(self, step: Step) -> bool:
        """Have the step computed and commit it; False if it stays in hand because the thread was parked."""
        outcome = self._shared.ask(self._memory, step, self._is_parked)
        if outcome is None:
            self._in_hand = step
            return False
        if isinstance(outcome, AtBarrier):
            end = self._shared.watermarks.end(self._config.topics.control, self.partition)
            self._barrier = (outcome.step, end)
            return True
        if outcome.records:
            self._transactions.commit(outcome.records)
        self._memory = outcome.memory
        self._due_is_stale |= bool(outcome.emissions.cold)
        if isinstance(step, Observations):
            self._adapt(len(step.fetched.messages), outcome.seconds)
        if outcome.records:
            self._shared.instruments.committed(self.partition, outcome)
        for event in outcome.emissions.control:
            if isinstance(event, events.Decision):
                _log.info("decided", id=event.id, outcome=event.outcome, reason=event.reason, n=event.n)
        return True

    def _adapt(self, records: int, seconds: float) -> None:
        """Bound the next batch so that it computes within its share of time: commands must not wait behind it."""
        if records < 50:
            return
        affordable = int(records / max(seconds, 1e-6) * self._config.batch_seconds)
        self._limit = max(100, min(self._config.batch_records, (self._limit + affordable) // 2))

    def _turn_gauges(self) -> None:
        now = time.monotonic()
        if now < self._progress_at:
            return
        self._progress_at = now + _PROGRESS_SECONDS
        for reader, name in ((self._observations, "observations"), (self._control, "control")):
            self._shared.instruments.lags(getattr(self._config.topics, name), self.partition, reader.lag(name))
        self._observations.publish_progress(self._memory.positions)
