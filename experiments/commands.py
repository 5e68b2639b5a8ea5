"""How a command record is answered: exactly one reply each, and the lifecycle events that follow from it.

The order of the checks is the order in which a sender would want to hear of them: a repeated id first (it gets the
first answer again), then form, expiry, version, state, definition.
"""

from dataclasses import replace

from experiments import facts, transitions
from experiments.batch import ControlRecord, Malformed
from experiments.columns import RATE_LIMITED
from experiments.experiment import Answer, Experiment, State
from experiments.facts import Moment
from experiments.planning import Refusal, Solution, in_words
from experiments.texts import shown
from experiments.times import micros
from schemas import events

REMEMBERED_ANSWERS = 1000
#: Bytes of a reply's message, and of what is remembered of it: a thousand of these go into one row.
_LONGEST_MESSAGE = 6_000
_LONGEST_REMEMBERED = 600


def answer(
    experiment: Experiment | None, record: ControlRecord, now: Moment
) -> tuple[Experiment | None, list[events.Reply | events.Lifecycle]]:
    """Return the experiment after the command, its reply, and the events that follow; an unknown id leaves no state."""
    command = record.command
    if isinstance(command, events.SlotGranted):
        return _granted(experiment, command, now)
    command_id = command.command_id if isinstance(command, Malformed) else command.id
    earlier = None if experiment is None else dict(experiment.cold.answers).get(command_id)
    if earlier is not None:
        repeated = replace(earlier, status="duplicate")
        return experiment, [_reply(command_id, command.experiment_id, repeated, now)]
    refusal = _refusal(experiment, record)
    if refusal is not None:
        given = Answer("rejected", refusal.code, refusal.message, _version(experiment))
        if refusal.code == RATE_LIMITED:
            return experiment, [_reply(command_id, command.experiment_id, given, now)]
        return _remember(experiment, command_id, given), [_reply(command_id, command.experiment_id, given, now)]
    assert not isinstance(command, Malformed)  # noqa: S101 `_refusal` has turned it away
    handler = transitions.TRANSITIONS[_state(experiment), type(command)]
    solution = record.solution if isinstance(record.solution, Solution) else None
    after, emitted = handler(experiment, transitions.Order(command, now, solution, record.horizon))
    given = Answer("accepted", "ok", _in_words(emitted), after.cold.version)
    return _remember(after, command_id, given), [*emitted, _reply(command_id, command.experiment_id, given, now)]


def _granted(
    experiment: Experiment | None, grant: events.SlotGranted, now: Moment
) -> tuple[Experiment | None, list[events.Reply | events.Lifecycle]]:
    """Return the experiment started if it still waits for this slot; one that no longer does has given it back."""
    if experiment is None or experiment.cold.state is not State.QUEUED or experiment.cold.run != grant.run:
        return experiment, []
    after, emitted = facts.follow(experiment, facts.granted(now, grant))
    return after, list(emitted)


def _refusal(experiment: Experiment | None, record: ControlRecord) -> Refusal | None:
    command = record.command
    assert not isinstance(command, events.SlotGranted)  # noqa: S101 a grant is not answered
    if isinstance(command, Malformed):
        return Refusal(command.code, command.message)
    if command.expires_at is not None and micros(command.expires_at) < record.timestamp:
        return Refusal(
            "expired", f"expires_at: {command.expires_at.isoformat()} is past; allowed: a later time, or none"
        )
    if command.expected_version not in (None, _version(experiment)):
        given, version = command.expected_version, _version(experiment)
        return Refusal("version_conflict", f"expected_version: {given}; the experiment's version is {version}")
    name, state = str(command.__struct_config__.tag), _state(experiment)
    if (state, type(command)) not in transitions.TRANSITIONS:
        possible = ", ".join(transitions.allowed(state)) or "nothing"
        if state is None:
            return Refusal(
                "unknown_experiment", f"{name}: no experiment {command.experiment_id!r}; allowed: {possible}"
            )
        return Refusal("not_allowed", f"{name}: not allowed while {state}; allowed: {possible}")
    if (objection := transitions.objection(experiment, command)) is not None:
        return Refusal("not_allowed", objection)
    if isinstance(record.solution, Refusal):
        return record.solution
    if isinstance(record.solution, Solution) and record.solution.definition["id"] != command.experiment_id:
        given = record.solution.definition["id"]
        return Refusal("malformed", f"experiment.id: {given!r}; allowed: the experiment_id {command.experiment_id!r}")
    return None


def _remember(experiment: Experiment | None, command_id: str, given: Answer) -> Experiment | None:
    if experiment is None:
        return None
    kept = replace(given, message=shown(given.message, _LONGEST_REMEMBERED))
    answers = (*experiment.cold.answers, (command_id, kept))[-REMEMBERED_ANSWERS:]
    return replace(experiment, cold=replace(experiment.cold, answers=answers))


def _reply(command_id: str, experiment_id: str, given: Answer, now: Moment) -> events.Reply:
    return events.Reply(
        command_id=command_id,
        experiment_id=experiment_id,
        status=given.status,
        code=given.code,
        message=shown(given.message, _LONGEST_MESSAGE),
        version=given.version,
        at=now.at,
    )


def _in_words(emitted: list[events.Lifecycle]) -> str:
    told = ", ".join(str(event.__struct_config__.tag) for event in emitted) or "noted"
    defined = [event for event in emitted if isinstance(event, events.Defined)]
    planned = [f"; planned: {in_words(event)}" for event in defined]
    cautions = [f"; warning: {it['message']}" for event in defined for it in event.certificate.get("warnings", ())]
    return told + "".join(cautions + planned)


def _state(experiment: Experiment | None) -> State | None:
    return None if experiment is None else experiment.cold.state


def _version(experiment: Experiment | None) -> int:
    return 0 if experiment is None else experiment.cold.version
