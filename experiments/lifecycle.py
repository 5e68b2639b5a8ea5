"""The life cycle as a page: every move of an experiment, found by carrying out each entry of the transition table.

What observations, the clock, queues and archives bring about is listed in `BY_THEMSELVES`; a test compares both with
random lives.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import Any

from experiments import facts
from experiments.definition import parse
from experiments.evolve import evolve
from experiments.experiment import Experiment, State
from experiments.facts import Moment
from experiments.planning import Solution, solve
from experiments.transitions import TRANSITIONS, Order
from schemas import events


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """From a state to a state: what brings it about, and the events that tell of it."""

    before: str
    cause: str
    told: tuple[str, ...]
    after: str


_IDLE = ("DEFINED", "DECIDED", "ARCHIVED")
_BUSY = ("QUEUED", "RUNNING", "PAUSED", "HELD")
_VERDICT = "a verdict (boundary, p rule, limit, deadline, end of the source)"

#: What nobody commands.
BY_THEMSELVES: tuple[Move, ...] = (
    *(Move(state, "the schedule is due", ("started", "scheduled"), "RUNNING") for state in _IDLE),
    *(Move(state, "the schedule is due", ("queued", "scheduled"), "QUEUED") for state in _IDLE),
    *(Move(state, "the schedule is due, no run", ("scheduled",), state) for state in (*_IDLE, *_BUSY)),
    *(Move(state, "another try is due", ("started",), "RUNNING") for state in _IDLE[1:]),
    *(Move(state, "another try is due", ("queued",), "QUEUED") for state in _IDLE[1:]),
    Move("QUEUED", "a slot is granted", ("started",), "RUNNING"),
    Move("RUNNING", _VERDICT, ("decision",), "DECIDED"),
    Move("RUNNING", f"{_VERDICT} that is held", ("held",), "HELD"),
    Move("PAUSED", f"{_VERDICT} by observations from before the pause", ("decision",), "DECIDED"),
    Move("PAUSED", f"{_VERDICT} by observations from before the pause, held", ("held",), "HELD"),
    Move("RUNNING", "a stall", ("failed", "decision"), "DECIDED"),
    Move("RUNNING", "a stall (with tries left)", ("failed", "decision", "retrying"), "DECIDED"),
    Move("DECIDED", "the archive stands", ("archived",), "ARCHIVED"),
)


def commanded() -> tuple[Move, ...]:
    """Return the moves that commands bring about, each found by carrying it out on an experiment in that state."""
    found: dict[Move, None] = {}
    for (state, kind), handler in TRANSITIONS.items():
        for experiment, order in product(_in_state(state), _orders(kind)):
            after, told = handler(experiment, order)
            names = tuple(str(event.__struct_config__.tag) for event in told)
            found[Move(state or "", str(kind.__struct_config__.tag), names, str(after.cold.state))] = None
    return tuple(found)


def page() -> str:
    """Return the page of the documentation, in Markdown with a Mermaid diagram."""
    moves = commanded()
    return "\n".join(
        [
            "# 8 Life cycle",
            "",
            "Generated from the transition table by `python -m experiments`; a test compares it with random lives.",
            "An outcome is not a state: accepting H0 is no failure. Every started run ends in exactly one `decision`.",
            "",
            "```mermaid",
            *_diagram(moves + BY_THEMSELVES),
            "```",
            "",
            "## What commands do",
            "",
            "A command that is not listed for a state is rejected, naming the state and what is allowed there.",
            "",
            "| command | state | events | state afterwards |",
            "|---|---|---|---|",
            *_rows(moves),
            "",
            "`run` defines, where the definition is new, and starts. A run starts at once, or is `queued` where its",
            "definition names a queue; `scheduled` follows where it has a schedule. `source_done` counts once its last",
            "sequence has come. A verdict that is held, or withheld by a health check, is `held` and not a `decision`.",
            "",
            "## What happens by itself",
            "",
            "| what | state | events | state afterwards |",
            "|---|---|---|---|",
            *_rows(BY_THEMSELVES),
            "",
            "## Events",
            "",
            "| event | what it says |",
            "|---|---|",
            *(f"| `{kind.__struct_config__.tag}` | {_first_line(kind)} |" for kind in events.LIFECYCLE),
            "",
        ]
    )


def _diagram(moves: tuple[Move, ...]) -> Iterator[str]:
    yield "stateDiagram-v2"
    labels: dict[tuple[str, str], dict[str, None]] = {}
    for move in moves:
        if move.before != move.after:
            labels.setdefault((move.before, move.after), {})[move.cause.partition(" (")[0]] = None
    for (before, after), causes in labels.items():
        yield f"    {before or '[*]'} --> {after}: {', '.join(causes)}"
    yield "    CANCELLED --> [*]"


def _rows(moves: tuple[Move, ...]) -> Iterator[str]:
    """Yield the moves as rows, states that move alike together."""
    alike: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for move in moves:
        after = "the same" if move.after == move.before else move.after
        alike.setdefault((move.cause, move.told, after), []).append(move.before or "(not defined)")
    for (cause, told, after), states in sorted(alike.items()):
        names = ", ".join(f"`{name}`" for name in told) or "none yet"
        yield f"| {cause if ' ' in cause else f'`{cause}`'} | {', '.join(states)} | {names} | {after} |"


def _first_line(kind: type[events.Lifecycle]) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


_AT = datetime(2026, 12, 1, 9, tzinfo=UTC)
_NOW = Moment(_AT, 0, 0)
_QUEUED = {"schedule": {"queue": "lab"}}


@cache
def _solve(given: str) -> Solution:
    return solve(parse(given))


def _solution(**parts: Any) -> Solution:
    given = {
        "id": "example",
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.8}},
        "errors": {"alpha": 0.05, "beta": 0.05, "thresholds": "wald"},
        "stop": {"max_samples": 30},
        **parts,
    }
    return _solve(json.dumps(given))


def _orders(kind: type[events.Command]) -> Iterator[Order]:
    """Yield commands of a kind that differ in what matters to a move."""
    own: tuple[dict[str, Any], ...] = ({},)
    definitions: tuple[dict[str, Any], ...] = ({},)
    if kind in (events.Define, events.Run):
        own, definitions = ({"experiment": {}},), ({}, _QUEUED, {"schedule": {"every": "1d"}})
    elif kind is events.SourceDone:
        own = tuple({"source": "s", "last_sequence": last} for last in (-1, 5))
    elif kind is events.SourceFailed:
        own = ({"message": "broken"},)
    for fields, parts in product(own, definitions):
        yield Order(kind(id="c", experiment_id="example", **fields), _NOW, _solution(**parts))


def _in_state(state: State | None) -> Iterator[Experiment | None]:
    """Yield experiments in the state that differ in what matters to a move: a queue, a hold, tries that are left."""
    if state is None:
        yield None
        return
    for parts in ({}, _QUEUED, {"retry": {"max_attempts": 2}}):
        defined = facts.defined(None, "example", _solution(**parts), _NOW)
        idle = evolve(None, defined)
        live = replace(idle, cold=replace(idle.cold, state=State.RUNNING, run=1))
        if state in (State.RUNNING, State.PAUSED):
            for is_held, end in product((False, True), (None, ("s", -1))):
                cold = replace(live.cold, state=state, pause_began=_AT, is_held=is_held, source_end=end)
                yield replace(live, cold=cold)
        elif state is State.HELD:
            verdict = facts.decided(_NOW, "max_samples")(live)
            assert isinstance(verdict, events.Decision)  # noqa: S101 the maker of a decision makes nothing else
            yield facts.follow(live, facts.held(_NOW, {}, verdict))[0]
        else:
            yield replace(live, cold=replace(live.cold, state=state))
