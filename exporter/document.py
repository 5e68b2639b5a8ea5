"""`experiment.json`: everything of an archive but the table, exact, and the way back to an `Archive`.

The JSON Schema of the document is generated from `Document`.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from exporter.archive import Archive, Dispute, Entry, Offsets, decision_of, defined_of, started_of
from exporter.numbers import Value, values
from exporter.observations import COLUMNS, Observations
from exporter.words import verdict
from schemas import events

FORMAT: Final = "waldstream.archive/1"


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """The test as it was frozen before the first observation: thresholds in nats, null where there is none."""

    design_digest: str
    definition_digest: str
    definition_revision: int
    lower: float | None
    upper: float | None
    certificate: dict[str, Any]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What the observation table holds."""

    rows: int
    columns: tuple[str, ...]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of `experiment.json`."""

    format: str
    experiment_id: str
    run: int
    verdict: str
    definition: dict[str, Any]
    design: Design
    decision: events.Decision
    dispute: Dispute | None
    estimates: dict[str, Any]
    numbers: dict[str, Value]
    counts: dict[str, int]
    offsets: Offsets
    versions: dict[str, str]
    observations: Table
    timeline: tuple[Entry, ...]


class DocumentError(ValueError):
    """A document that is none, or contradicts itself."""


def document(archive: Archive) -> Document:
    """Return the document of the archive."""
    defined = archive.defined
    return Document(
        format=FORMAT,
        experiment_id=archive.experiment_id,
        run=archive.run,
        verdict=verdict(archive),
        definition=archive.definition,
        design=Design(
            design_digest=defined.design_digest,
            definition_digest=defined.definition_digest,
            definition_revision=defined.definition_revision,
            lower=defined.lower,
            upper=defined.upper,
            certificate=defined.certificate,
        ),
        decision=archive.decision,
        dispute=archive.dispute,
        estimates=dict(archive.estimates),
        numbers=values(archive),
        counts=dict(archive.counts),
        offsets=archive.offsets,
        versions=dict(archive.versions),
        observations=Table(rows=archive.observations.rows, columns=COLUMNS),
        timeline=archive.timeline,
    )


def encoded(archive: Archive) -> bytes:
    """Return the document as indented UTF-8 JSON, keys in the order of `Document`."""
    return msgspec.json.format(msgspec.json.encode(document(archive)), indent=2) + b"\n"


def decoded(data: bytes) -> Document:
    """Return the document that the bytes hold.

    Raises
    ------
    DocumentError
        If they are not the JSON of a document of this format.
    """
    try:
        read = msgspec.json.decode(data, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"experiment.json: {error}") from error
    if read.format != FORMAT:
        raise DocumentError(f"experiment.json: format is {read.format!r}; allowed: {FORMAT!r}")
    return read


def archive_of(read: Document, table: Path) -> Archive:
    """Return the archive that a document and its table describe.

    Raises
    ------
    DocumentError
        If the timeline lacks the events that the document's own parts come from.
    """
    try:
        defined, started, decision = defined_of(read.timeline), started_of(read.timeline), decision_of(read.timeline)
    except ValueError as error:
        raise DocumentError(str(error)) from error
    return Archive(
        defined=defined,
        started=started,
        decision=decision,
        timeline=read.timeline,
        counts=read.counts,
        offsets=read.offsets,
        versions=read.versions,
        observations=Observations(table),
        estimates=read.estimates,
        dispute=read.dispute,
    )
