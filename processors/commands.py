"""The commands on one partition's control: read, their definitions solved one behind the other, then ready as steps.

What lies between is remembered here, so that others can be told up to where control has taken effect.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from experiments.batch import Malformed
from experiments.columns import control_record
from processors.config import WorkerConfig
from processors.frames import Frames, Known
from processors.inputs import Fetched, Reader, raw
from processors.rates import Rates
from processors.solving import Solved, Solver
from processors.steps import Control, Step
from processors.watermarks import Watermarks
from schemas import events
from schemas.partitions import partition_of

COMMANDS_AT_ONCE: Final = 200


class Ready(NamedTuple):
    """A step of control; without commands it only repeats what workers have told, and nothing comes of it."""

    step: Control
    has_commands: bool


@dataclass(frozen=True, slots=True)
class _Solving:
    """Commands whose definitions are being solved: the answers to each record; the rest as in `Control`.

    Without any command among them they are what workers have told.
    """

    fetched: Fetched
    has_commands: bool
    schemas: Known | None
    answers: list[list[Solved | None]]
    over_rate: frozenset[int]
    horizons: dict[int, int]


class ControlCommands:
    """The commands of one partition that are on their way from the log to a step."""

    def __init__(
        self,
        partition: int,
        config: WorkerConfig,
        control: Reader,
        frames: Frames,
        *,
        solver: Solver,
        watermarks: Watermarks,
    ) -> None:
        self._partition = partition
        self._config = config
        self._control = control
        self._frames = frames
        self._solver = solver
        self._watermarks = watermarks
        self._rates = Rates(config.command_rate)
        self._solving: _Solving | None = None
        self._strays: list[int] = []  # commands of other partitions, as far as control was taken

    @property
    def is_held(self) -> bool:
        """Return whether some wait until their definitions are solved, or until a registry answers."""
        return self._solving is not None or self._frames.is_waiting

    def have_come(self) -> bool:
        """Return whether there are some among what was read and is not taken."""
        return any(control_record(record) is not None for record in raw(self._control.waiting("control")))

    def ready(self) -> Ready | None:
        """Return the next step, as far as the definitions in it are solved; None if there is none."""
        if self._solving is None:
            read = self._frames.take(lambda: self._control.take("control", COMMANDS_AT_ONCE))
            if read is None:
                return None
            self._solving = self._begun(*read)
        solving = self._solving
        ready = 0
        while ready < len(solving.answers) and all(it is None or it.done() for it in solving.answers[ready]):
            ready += 1
        if ready == 0:
            return None
        head, rest = solving.fetched.split(ready)
        self._solving = None if rest is None else replace(solving, fetched=rest, answers=solving.answers[ready:])
        done = [answer for some in solving.answers[:ready] for answer in some]
        solutions = tuple(None if answer is None else answer.result() for answer in done)
        step = Control(head, solutions, solving.schemas, solving.over_rate, solving.horizons)
        return Ready(step, solving.has_commands)

    def in_effect(self, in_hand: Step | None) -> int:
        """Return the offset below which everything has taken effect; `in_hand` is what is ready but not computed."""
        if isinstance(in_hand, Control):
            return in_hand.fetched.first
        return self._taken() if self._solving is None else self._solving.fetched.first

    def forwarded(self, in_hand: Step | None) -> int:
        """Return the offset below which everything that belongs to other partitions was forwarded."""
        done = self.in_effect(in_hand)
        return next((it for it in self._strays if it >= done), self._taken())

    def _taken(self) -> int:
        held_back = self._frames.first
        return self._control.taken("control") if held_back is None else held_back

    def _begun(self, fetched: Fetched, schemas: Known | None) -> _Solving:
        """Let the definitions among commands be solved; not those that are forwarded, or of a flood."""
        answers: list[list[Solved | None]] = []
        over_rate, horizons, self._strays = set(), {}, []
        has_commands = False
        for record in fetched.records():
            command, mine = control_record(record, schemas), True
            has_commands |= command is not None
            if isinstance(command, events.Command | Malformed):
                mine = partition_of(command.experiment_id, self._config.partitions) == self._partition
                if not mine:
                    self._strays.append(record.offset)
                elif self._rates.is_over(command, record.timestamp):
                    over_rate.add(record.offset)
            is_solved = mine and record.offset not in over_rate
            answers.append([])
            if isinstance(command, events.Define | events.Run) and record.offset not in over_rate:
                answers[-1].append(self._solver.solve(command.experiment) if is_solved else None)
            elif isinstance(command, events.Pause | events.Resume) and mine:
                horizons[record.offset] = self._first_after(record.timestamp)
        return _Solving(fetched, has_commands, schemas, answers, frozenset(over_rate), horizons)

    def _first_after(self, at: int) -> int:
        """Return the first observation that the log took after a moment in microseconds."""
        topic = self._config.topics.observations
        return self._watermarks.first_after(topic, self._partition, at // 1000)
