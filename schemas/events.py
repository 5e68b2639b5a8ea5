"""Every event as a frozen struct: one class per type, the only place where wire fields are named.

Rules: commands are orders (`Start`), lifecycle events are facts (`Started`); a field is never renamed or reused; a new
field has a default. The Avro schemas in `avsc/` are generated from these classes and committed, version by version.
"""

from datetime import datetime
from typing import Annotated, Any

import msgspec

#: A point in time with its zone; a time without one could be any of two dozen.
Time = Annotated[datetime, msgspec.Meta(tz=True)]

#: JSON that stays text in the struct, to be read by whoever knows what it holds.
JsonText = Annotated[str, msgspec.Meta(description="JSON text")]


class Observation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Kafka record of `sprt.observations`: 1 to 10 000 values of one experiment.

    `observed_at` is in microseconds since the epoch; in JSON it may also be RFC 3339. `sequence` counts the records of
    one `source` for one experiment, +1 each.
    """

    experiment_id: str
    values: list[float]
    arm: str | None = None
    observed_at: int | None = None
    source: str | None = None
    sequence: int | None = None


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What every order carries: an idempotency key, its experiment, who claims to ask, and why."""

    id: str
    experiment_id: str
    actor: str | None = None
    reason: str | None = None
    expected_version: int | None = None
    expires_at: Time | None = None


class Define(Command, frozen=True, kw_only=True, tag="define"):
    """Register or revise a definition; nothing starts."""

    experiment: dict[str, Any]


class Run(Command, frozen=True, kw_only=True, tag="run"):
    """Define and start in one step."""

    experiment: dict[str, Any]


class Start(Command, frozen=True, kw_only=True, tag="start"):
    """Open a new run of a defined experiment."""


class Pause(Command, frozen=True, kw_only=True, tag="pause"):
    """Leave out the observations from here on, until `resume`."""


class Resume(Command, frozen=True, kw_only=True, tag="resume"):
    """Apply observations again."""


class Stop(Command, frozen=True, kw_only=True, tag="stop"):
    """End the live run by hand: inconclusive, reason `manual`."""


class Cancel(Command, frozen=True, kw_only=True, tag="cancel"):
    """End the experiment, and the live run if there is one (manual)."""


class Retry(Command, frozen=True, kw_only=True, tag="retry"):
    """Try a run that ended once more: a new run, linked to it."""


class Hold(Command, frozen=True, kw_only=True, tag="hold"):
    """Withhold the decision of the live run, when it comes, until `release`."""


class Release(Command, frozen=True, kw_only=True, tag="release"):
    """Let a held run decide, at its own observation if it has crossed."""


class Archive(Command, frozen=True, kw_only=True, tag="archive"):
    """Have the archive of the newest run written now if it is missing, and announced again if it stands."""


class Unblind(Command, frozen=True, kw_only=True, tag="unblind"):
    """Show the walk of a blinded run before its decision; it asks for a `reason`."""


class SourceDone(Command, frozen=True, kw_only=True, tag="source_done"):
    """A run's own source has ended; it counts once `last_sequence` was applied."""

    source: str
    last_sequence: int


class SourceFailed(Command, frozen=True, kw_only=True, tag="source_failed"):
    """A run's own source broke."""

    message: str


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reply"):
    """The one answer to a command record."""

    command_id: str
    experiment_id: str
    status: str  # accepted | rejected | duplicate
    code: str
    message: str
    version: int
    at: Time


class Lifecycle(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A fact in the life of an experiment.

    `id` is deterministic; `version` grows by one with each event of the experiment; `partition` and `offset` say at
    which observation record the fact takes effect (the first record that sees it), so that a replay is exact.
    """

    id: str
    experiment_id: str
    run: int
    version: int
    at: Time
    cause: str | None = None
    actor: str | None = None
    reason: str | None = None
    partition: int | None = None
    offset: int | None = None


class Defined(Lifecycle, frozen=True, kw_only=True, tag="defined"):
    """The design as it will be used: thresholds as exact floats (nats), null where there is no such boundary."""

    definition: dict[str, Any]
    definition_revision: int
    design_digest: str
    definition_digest: str
    lower: float | None
    upper: float | None
    certificate: dict[str, Any]


class Scheduled(Lifecycle, frozen=True, kw_only=True, tag="scheduled"):
    """When the next run is due, null if the schedule has ended; `note` explains a firing that led to no run."""

    due: Time | None
    note: str | None = None


class Queued(Lifecycle, frozen=True, kw_only=True, tag="queued"):
    """The run waits for a slot of `queue`; a higher priority goes first, then who came first."""

    queue: str
    priority: int
    attempt: int = 1
    retry_of: int | None = None


class Started(Lifecycle, frozen=True, kw_only=True, tag="started"):
    """Observations from `offset` on are applied; `deadline` is when `max_duration` runs out.

    `attempt` counts the tries of one run, `retry_of` is the run before it in that count.
    """

    definition_revision: int
    design_digest: str
    deadline: Time | None = None
    attempt: int = 1
    retry_of: int | None = None


class Paused(Lifecycle, frozen=True, kw_only=True, tag="paused"):
    """Observations from `offset` on are left out."""


class Resumed(Lifecycle, frozen=True, kw_only=True, tag="resumed"):
    """Observations from `offset` on are applied again; the deadline has moved by the length of the pause."""

    deadline: Time | None = None


class Held(Lifecycle, frozen=True, kw_only=True, tag="held"):
    """The verdict is withheld: by command before it was reached, or by the health checks when it was.

    `withheld` is the decision that was reached (a `decision` without id and version), null if there is none yet.
    """

    checks: dict[str, Any]
    withheld: dict[str, Any]


class Released(Lifecycle, frozen=True, kw_only=True, tag="released"):
    """The verdict is free; a withheld decision follows."""


class Unblinded(Lifecycle, frozen=True, kw_only=True, tag="unblinded"):
    """The walk of a blinded run may be seen from here on, before its decision; `reason` says why."""


class Failed(Lifecycle, frozen=True, kw_only=True, tag="failed"):
    """Something other than the statistics ended the run; the decision follows."""

    message: str


class Decision(Lifecycle, frozen=True, kw_only=True, tag="decision"):
    """How a run ended; exactly one per started run, id `<experiment>/<run>`.

    `reason` is why the run stopped, from the closed list; a manual stop's own words are in `comment`. `offset` is the
    deciding record and `index` the value inside it; where no observation decided, `index` is null and `offset` is the
    first record that was not applied. `llr`, `lower`, `upper` in nats.
    """

    outcome: str  # accept_h1 | accept_h0 | inconclusive
    direction: str | None = None
    n: int
    llr: float
    p_value: float
    p_kind: str
    index: int | None = None
    lower: float | None
    upper: float | None
    design_digest: str
    estimate: dict[str, Any]
    counts: dict[str, int]
    health: dict[str, Any] = msgspec.field(default_factory=dict)
    comment: str | None = None


class Retrying(Lifecycle, frozen=True, kw_only=True, tag="retrying"):
    """The run is tried again at `due`: attempt `attempt` of `max_attempts`."""

    due: Time
    attempt: int
    max_attempts: int


class Cancelled(Lifecycle, frozen=True, kw_only=True, tag="cancelled"):
    """The experiment takes no further runs."""


class Archived(Lifecycle, frozen=True, kw_only=True, tag="archived"):
    """The run's archive is complete."""

    manifest_digest: str
    location: str
    disputed: bool = False


class SlotGranted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="slot_granted"):
    """A queue's owner lets a run start; id `<experiment>/<run>`."""

    id: str
    experiment_id: str
    run: int
    queue: str
    at: Time


class SlotRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="slot_request"):
    """A run asks for a slot of its queue; id `<experiment>/<run>`."""

    id: str
    queue: str
    experiment_id: str
    run: int
    priority: int
    at: Time


class SlotRelease(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="slot_release"):
    """A run has ended, or no longer wants its slot."""

    id: str
    queue: str
    at: Time


class SlotLimit(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="slot_limit"):
    """How many runs of a queue may be live at once, from now on."""

    queue: str
    limit: int
    actor: str | None = None


class WalkPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point of the walk, thinned: after observation `n` of a run. `total` is the sum of the applied values."""

    experiment_id: str
    run: int
    n: int
    llr: float
    p_value: float
    total: float
    offset: int
    at: Time


class ArchiveWritten(msgspec.Struct, frozen=True, kw_only=True):
    """An archive stands complete at `location`; `manifest_digest` is the SHA-256 of its manifest."""

    experiment_id: str
    run: int
    decision_id: str
    manifest_digest: str
    location: str
    disputed: bool
    at: Time


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where a partition's owner goes on: the next offset of each input, and the records counted so far by result."""

    positions: dict[str, int]
    counts: dict[str, int]


class ColdRow(msgspec.Struct, frozen=True, kw_only=True):
    """What changes rarely in an experiment: `body` is the row's content at `row_version`, as JSON text."""

    row_version: int
    experiment_id: str
    body: JsonText


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """Which sequence numbers of one source were seen: all of lowest..highest but `missing` and `lost` older ones."""

    source: str
    lowest: int
    highest: int
    missing: list[int]
    lost: int


class ShareRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many observations came from one source or arm, and their sum."""

    name: str
    observations: int
    total: float


class MarkRow(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of the first `observations` of a run: what the drift check compares the rest with."""

    observations: int
    total: float


class QueueRow(msgspec.Struct, frozen=True, kw_only=True):
    """A queue: its limit, the runs that hold a slot, and the requests that wait, in the order of their arrival."""

    row_version: int
    queue: str
    limit: int
    holding: list[str]
    waiting: list[SlotRequest]


class StatisticRow(msgspec.Struct, frozen=True, kw_only=True):
    """The walk of the live run as `sprt.State` writes it: numbers that give the same bits back."""

    n: int
    llr: float
    max_llr: float
    counts: list[int]
    sums: list[float]
    waiting: str


class HotRow(msgspec.Struct, frozen=True, kw_only=True):
    """What every observation changes: the statistic of the live run, the counts, the sources."""

    row_version: int
    experiment_id: str
    run: int
    statistic: StatisticRow
    observations: int
    total: float
    counts: dict[str, int]
    earlier: dict[str, int]
    sources: list[SourceRow]
    shares: list[ShareRow]
    marks: list[MarkRow]
    last_applied_us: int
    last_point_us: int
    last_point_n: int


QueueEvent = SlotRequest | SlotRelease | SlotLimit

COMMANDS: tuple[type[Command], ...] = (
    Define, Run, Start, Pause, Resume, Stop, Cancel, Retry, Hold, Release, Archive, Unblind,
    SourceDone, SourceFailed,
)  # fmt: skip
LIFECYCLE: tuple[type[Lifecycle], ...] = (
    Defined, Scheduled, Queued, Started, Paused, Resumed, Held, Released, Unblinded, Failed, Decision, Retrying,
    Cancelled, Archived,
)  # fmt: skip
CONTROL: tuple[type[msgspec.Struct], ...] = (*COMMANDS, Reply, *LIFECYCLE, SlotGranted)
QUEUE: tuple[type[SlotRequest], type[SlotRelease], type[SlotLimit]] = (SlotRequest, SlotRelease, SlotLimit)
ROWS: tuple[type[msgspec.Struct], ...] = (PositionRow, ColdRow, HotRow, QueueRow)
ALL: tuple[type[msgspec.Struct], ...] = (Observation, *CONTROL, *QUEUE, WalkPoint, ArchiveWritten, *ROWS)

ControlEvent = Command | Reply | Lifecycle | SlotGranted
