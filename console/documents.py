"""What the read model holds: frozen documents, stored as JSON.

`RunDocument` is all that a list shows of a run, and the head of its page. It is written by the projection of
`sprt.control` alone: the walk and the archive have keys of their own, so that no two partitions ever write one key.
"""

from datetime import datetime
from typing import Any, Final

import msgspec

#: States of a run that is still going on.
ACTIVE: Final = ("QUEUED", "STARTING", "RUNNING", "PAUSED", "HELD")
#: States of a run that has ended.
ENDED: Final = ("DECIDED", "ARCHIVED")
#: All states a list can show; the first and the last are those of an experiment without a run.
STATES: Final = ("DEFINED", *ACTIVE, *ENDED, "CANCELLED")


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Observations from offset `paused_from` on were left out, until `resumed_from`."""

    paused_at: datetime
    paused_from: int | None
    resumed_at: datetime | None = None
    resumed_from: int | None = None


class RunDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A run as lists show it; `run` is 0 for an experiment that has not run yet.

    `next_due` is when the schedule fires next, `retry_due` when the run is tried again; `is_held` means that a verdict
    is or will be withheld, `is_cancelled` that the experiment takes no further runs, `is_blinded` that neither sign nor
    size of the walk may be shown before the decision. `schedule` is the definition's, without its defaults.
    `truth` is the hypothesis that is known to hold, `h0` or `h1`, where the run's own source is made that way.
    `lower` and `upper` are the lines that are in force, in nats: the p rule is an upper line at log(1/p_value).
    `mean_n_h0` and `mean_n_h1` are the planned mean numbers of observations under each hypothesis.
    """

    experiment_id: str
    run: int
    state: str
    since: datetime
    version: int
    created_at: datetime
    title: str = ""
    owner: str = ""
    tags: list[str] = []
    source: str = "external"
    definition_revision: int = 1
    design_digest: str = ""
    model: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    stop: dict[str, Any] = {}
    lower: float | None = None
    upper: float | None = None
    schedule: dict[str, Any] = {}
    truth: str | None = None
    is_blinded: bool = False
    mean_n_h0: float | None = None
    mean_n_h1: float | None = None
    queue: str | None = None
    priority: int | None = None
    attempt: int = 1
    retry_of: int | None = None
    retry_due: datetime | None = None
    next_due: datetime | None = None
    started_at: datetime | None = None
    deadline: datetime | None = None
    pauses: list[Pause] = []
    failure: str | None = None
    is_held: bool = False
    is_cancelled: bool = False
    decided_at: datetime | None = None
    outcome: str | None = None
    direction: str | None = None
    reason: str | None = None
    comment: str | None = None
    n: int | None = None
    llr: float | None = None
    p_value: float | None = None
    disputed: bool = False

    @property
    def is_active(self) -> bool:
        """Whether the run is going on."""
        return self.state in ACTIVE

    @property
    def name(self) -> str:
        """What people call it: its title, or else its id."""
        return self.title or self.experiment_id


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One record of `sprt.control`: who did what, when and why.

    `kind` is `command`, `reply` or `event`; `body` is the record itself without the fields that are shown beside it.
    """

    kind: str
    type: str
    experiment_id: str
    at: datetime
    id: str
    run: int | None = None
    version: int | None = None
    actor: str | None = None
    reason: str | None = None
    cause: str | None = None
    body: dict[str, Any] = {}


class LivePoint(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The newest point of a run's walk."""

    experiment_id: str
    run: int
    n: int
    llr: float
    p_value: float
    total: float
    offset: int
    at: int


class ArchiveDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run's archive stands and the digest that proves it."""

    experiment_id: str
    run: int
    manifest_digest: str
    location: str
    disputed: bool
    at: datetime


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The projector lives, and this many records lay before it."""

    at: datetime
    behind: int


class QueueLimit(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs of a queue may be live at once."""

    queue: str
    limit: int


class Changes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one committed batch changed; the newest version of each document."""

    runs: list[RunDocument] = []
    points: list[LivePoint] = []
    entries: list[TimelineEntry] = []
    archives: list[ArchiveDocument] = []
    limits: list[QueueLimit] = []
    heartbeat: Heartbeat | None = None
