"""One thread per owned partition: reads its inputs, has each batch computed, commits what comes back.

Nothing is shared with other partitions. The thread keeps a step until its transaction is committed, so whatever Faust
drops is simply asked again; on any failure the whole worker ends and the next owner goes on from the last commit.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from confluent_kafka import TopicPartition

from experiments.due import next_due, next_due_among
from experiments.memory import Memory
from processors import clients
from processors.barrier import Barrier
from processors.batches import BatchReader
from processors.commands import COMMANDS_AT_ONCE, ControlCommands
from processors.config import WorkerConfig
from processors.failing import fail
from processors.frames import Frames, Schemas
from processors.inputs import PositionLostError, Reader
from processors.instruments import Instruments
from processors.pacing import Pace, Urgency
from processors.progress import Progress
from processors.silence import Silence
from processors.solving import Solver
from processors.steps import (
    Archives,
    AtBarrier,
    Clock,
    Commands,
    Done,
    Gone,
    Observations,
    Queues,
    Step,
    compute,
)
from processors.takeover import fence, read_rows, remember
from processors.transactions import Transactions
from processors.watermarks import Watermarks
from schemas import events

#: Has a step computed; None if the thread was parked or the step outranked, and it has to be asked again.
Ask = Callable[[Memory, Step, Callable[[], bool], Callable[[], bool]], Done | AtBarrier | None]

_PROGRESS_SECONDS = 2.0
_NEWS_SECONDS = 0.05
_DUE_SECONDS = 0.2
_BARRIER_SECONDS = 0.005
_MOST_POSTPONED = 4
_SOLVING_SECONDS = 0.02
_FRAMED = ("observations", "control", "commands")
_OF_STRANGERS = {"after_stop", "before_start"}

_log = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Shared:
    """What the partitions of a worker have in common."""

    config: WorkerConfig
    ask: Ask
    solver: Solver
    watermarks: Watermarks
    progress: Progress
    instruments: Instruments
    urgency: Urgency
    schemas: Schemas | None = None


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
        self._in_hand: Step | None = None  # not computed yet, as the thread was parked
        self._postponed: Observations | None = None  # the same of observations, which commands may go before
        self._times_postponed = 0
        self._is_behind_the_log = False
        # Whether the last observations had some of experiments that are not running; the first wait for control too,
        # so that a pause of a backlog leaves out what was sent in it.
        self._has_strangers = True
        self._barrier = Barrier(partition, shared.config, shared.watermarks, shared.progress)
        self._frames = {name: Frames(shared.schemas, self._tell_of_registry) for name in _FRAMED}
        self._clock: tuple[int, int] | None = None
        self._due: int | None = 0  # the clock does nothing before that, and perhaps not then either
        self._due_checked = 0.0
        self._pace = Pace(shared.config, shared.urgency)
        self._progress_at = 0.0
        self._published = -1

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
        loader = clients.loader(kafka, config.progress_group)
        rows = read_rows(loader, config.topics.state, self.partition)
        loader.close()
        self._memory = remember(self.partition, config.partitions, rows)
        del rows
        self._consumer = clients.reader(kafka, config.progress_group)
        self._control = self._control_reader()
        self._commands = ControlCommands(
            self.partition,
            config,
            self._control,
            self._frames["control"],
            solver=self._shared.solver,
            watermarks=self._shared.watermarks,
        )
        self._silences = {name: self._silence_of(name) for name in self._control.names}
        self._observations = self._observation_reader()
        # An input of which nothing was counted yet has a position too: its first batch could else be lost unseen.
        begin = self._control.begin() | {"observations": self._observations.chain.first}
        self._memory = replace(self._memory, positions=self._memory.positions.update(begin))
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
            self._shared.progress.forget(self.partition)
        self._publish(self._commands.forwarded(self._in_hand))
        self._observations.close()
        self._consumer.close()
        self._transactions.close()

    def _control_reader(self) -> Reader:
        own = ("commands",) if self._config.topics.has_own_commands else ()
        topics = {name: getattr(self._config.topics, name) for name in ("control", "archives", "queues", *own)}
        return Reader(self._consumer, self.partition, topics, self._memory.positions)

    def _silence_of(self, name: str) -> Silence:
        topic = getattr(self._config.topics, name)
        return Silence(name, lambda: self._shared.watermarks.end(topic, self.partition))

    def _observation_reader(self) -> BatchReader:
        part = TopicPartition(self._config.topics.observations, self.partition)
        position = self._memory.positions.get("observations")
        beside = TopicPartition(self._config.topics.control, self.partition, self._control.reached("control"))
        return BatchReader(self._config.kafka, self._consumer, part, "observations", position, beside=beside)

    def _is_parked(self) -> bool:
        return self._ended.is_set() or not self._unparked.is_set()

    def _turn(self) -> None:
        """Take one round: what was left in hand, then control and archives, then observations, then the clock."""
        if self._in_hand is not None:
            step, self._in_hand = self._in_hand, None
            if not self._take(step):
                return
        self._control.read(COMMANDS_AT_ONCE, self._idle_seconds())
        self._turn_commands()
        self._turn_control()
        self._turn_other("archives", Archives)
        self._turn_other("queues", Queues)
        self._turn_observations()
        self._turn_clock()
        self._turn_progress()

    def _idle_seconds(self) -> float:
        """Return how long control may be waited for: until the next fetch is due, shortly while something waits."""
        if self._barrier.is_closed:
            return _BARRIER_SECONDS
        if self._commands.is_held or any(frames.is_waiting for frames in self._frames.values()):
            return min(_SOLVING_SECONDS, self._config.pace_seconds)
        if self._postponed is not None or any(self._control.waiting(name) for name in self._control.names):
            return 0.0
        milliseconds = math.ceil((self._pace.look_at - time.monotonic()) * 1000)  # the client does not wait for less
        return max(0, milliseconds) / 1000

    def _turn_commands(self) -> None:
        """Send commands on from a topic of their own, if they have one."""
        if self._config.topics.has_own_commands and self._in_hand is None:
            read = self._frames["commands"].take(lambda: self._control.take("commands", COMMANDS_AT_ONCE))
            if read is not None:
                self._take(Commands(*read))

    def _turn_control(self) -> None:
        """Step the commands in order, as far as the definitions among them are solved."""
        if self._in_hand is None and (ready := self._commands.ready()) is not None:
            if ready.has_commands:
                self._shared.urgency.commands_came(time.monotonic())
            self._take(ready.step, is_light=not ready.has_commands)

    def _has_new_commands(self) -> bool:
        """Return whether commands have come that can be answered at once, and observations may wait for them."""
        if self._times_postponed >= _MOST_POSTPONED or self._commands.is_held:
            return False
        self._control.read(COMMANDS_AT_ONCE, 0)
        return self._commands.have_come()

    def _turn_other(self, name: str, step: type[Archives | Queues]) -> None:
        if self._in_hand is None and (fetched := self._control.take(name, COMMANDS_AT_ONCE)) is not None:
            self._take(step(fetched))

    def _turn_observations(self) -> None:
        if self._in_hand is not None:
            return
        if not self._barrier.is_closed:
            if self._postponed is not None:
                self._take(self._postponed)
                return
            if (fetched := self._fetched()) is None:
                return
            if not self._has_strangers:
                self._take(fetched)
                return
            # Where some were a moment ago there will be some again: the step waits before it is computed, not after.
            self._barrier.close(AtBarrier(fetched, is_everywhere=False), self._observations.end_beside)
        if (step := self._barrier.open(self._commands.in_effect(self._in_hand), self._has_carried_over)) is not None:
            self._take(step)

    def _fetched(self) -> Observations | None:
        """Return the observations that have come, if it is time to look for some."""
        if time.monotonic() < self._pace.look_at:
            return None
        if self._is_behind_the_log:
            self._observations.close()
            self._observations, self._is_behind_the_log = self._observation_reader(), False
        began = time.monotonic()
        try:
            if not self._frames["observations"].is_waiting:
                self._observations.read(self._pace.limit)
        except PositionLostError as lost:
            self._go_on_behind(lost)
            return None
        read = self._frames["observations"].take(lambda: self._observations.take(self._pace.limit))
        self._pace.looked(began, 0 if read is None else len(read[0].messages), self._observations.lag())
        return None if read is None else Observations(*read)

    def _has_carried_over(self, end: int) -> bool:
        """Return whether the commands below this offset of their own topic are on the control topic."""
        is_pending = self._frames["commands"].is_waiting or isinstance(self._in_hand, Commands)
        return not is_pending and self._control.taken("commands") >= end

    def _go_on_behind(self, lost: PositionLostError) -> None:
        """Mark every live run and go on where the log begins: what was deleted cannot come back by waiting."""
        first = self._memory.positions["observations"]
        if lost.next <= first:  # the log has lost its end, not its beginning: no place is right to go on
            raise lost
        _log.critical("records_deleted", partition=self.partition, first=first, next=lost.next, error=str(lost))
        self._shared.instruments.overtook(lost.input)
        self._is_behind_the_log = True
        self._take(Gone(first, lost.next, time.time_ns() // 1000))

    def _turn_clock(self) -> None:
        """Let the clock end runs, once the observations were read to where they ended after the due time."""
        if self._in_hand is not None or self._postponed is not None or self._barrier.is_closed:
            return
        topic = self._config.topics.observations
        if self._clock is None:
            now = time.time_ns() // 1000
            if not self._is_due(now):
                return
            self._clock = (now, self._shared.watermarks.end(topic, self.partition))
        at, end = self._clock
        if self._observations.reached >= end and not self._frames["observations"].is_waiting:
            self._clock = None
            self._take(Clock(at))

    def _is_due(self, now: int) -> bool:
        """Return whether the clock may end a run now; the exact look at all experiments is rare."""
        looked = time.monotonic()
        if self._due is None or self._due > now or looked - self._due_checked < _DUE_SECONDS:
            return False
        self._due, self._due_checked = next_due(self._memory), looked
        return self._due is not None and self._due <= now

    def _take(self, step: Step, *, is_light: bool = False) -> bool:
        """Have the step computed and commit it; False if it stays in hand because the thread was parked.

        A light step need not queue up behind those of other partitions.
        """
        if is_light:
            outcome: Done | AtBarrier | None = compute(self._config.topics, self._memory, step)
        else:
            outcome = self._shared.ask(self._memory, step, self._is_parked, self._has_new_commands)
        if isinstance(step, Observations):
            self._postponed, self._times_postponed = (step, self._times_postponed + 1) if outcome is None else (None, 0)
        elif outcome is None:
            self._in_hand = step
        if outcome is None:
            return False
        if isinstance(outcome, AtBarrier):
            self._barrier.close(outcome, self._observations.end_beside)
            return True
        if outcome.outgoing is not None:
            self._transactions.commit(outcome.outgoing)
        self._memory = outcome.memory
        sooner = next_due_among(self._memory, outcome.emissions.cold)
        self._due = min((it for it in (self._due, sooner) if it is not None), default=None)
        if isinstance(step, Observations):
            self._has_strangers = not _OF_STRANGERS.isdisjoint(outcome.emissions.counts)
            touched, known = len(outcome.emissions.hot), len(self._memory.experiments)
            self._pace.computed(time.monotonic(), len(step.fetched.messages), touched, outcome.seconds, known)
        if outcome.outgoing is not None:
            self._shared.instruments.committed(self.partition, outcome)
        for event in outcome.emissions.control:
            if isinstance(event, events.Decision):
                _log.info("decided", id=event.id, outcome=event.outcome, reason=event.reason, n=event.n)
        return True

    def _tell_of_registry(self, name: str, problem: str | None) -> None:
        """Raise or end the alarm that a partition waits for the schema registry."""
        topic = getattr(self._config.topics, name)
        self._shared.instruments.waits_for_registry(topic, self.partition, problem is not None)
        if problem is not None:
            _log.error("partition_waits_for_registry", topic=topic, partition=self.partition, error=problem)
        else:
            _log.info("registry_answers", topic=topic, partition=self.partition)

    def _turn_progress(self) -> None:
        """Tell how far this partition has come: soon where others may wait for it, else once in a while."""
        forwarded, now = self._commands.forwarded(self._in_hand), time.monotonic()
        self._shared.progress.note(self.partition, forwarded)
        if now < self._progress_at - (0 if forwarded == self._published else _PROGRESS_SECONDS - _NEWS_SECONDS):
            return
        self._progress_at = now + _PROGRESS_SECONDS
        for name, silence in self._silences.items():
            silence.look(now, self._control.reached(name))
        for name, lag in (("observations", self._observations.lag()), ("control", self._control.lag("control"))):
            self._shared.instruments.lags(getattr(self._config.topics, name), self.partition, lag)
        self._publish(forwarded)

    def _publish(self, control: int) -> None:
        """Commit a copy of the positions, for tools that watch the lag of a group; no reader ever begins at it."""
        self._published = control
        positions = {**self._memory.positions, "control": control}
        topics, read = self._config.topics, ("observations", *self._control.names)
        offsets = [TopicPartition(getattr(topics, name), self.partition, positions[name]) for name in read]
        self._consumer.commit(offsets=offsets, asynchronous=True)
