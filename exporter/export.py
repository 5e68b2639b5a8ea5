"""One decided run from Kafka to its folder."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
from confluent_kafka import KafkaException, TopicPartition

from exporter import document, formats
from exporter.archive import Archive, Entry, decision_of, defined_of, started_of
from exporter.collect import collect, span
from exporter.document import DocumentError
from exporter.folder import Progress, Written, aside, existing, publish
from exporter.parting import parting
from exporter.source import Range, StoppedError, committed_reader, observations
from schemas import events
from schemas.codecs import Resolver, decode
from schemas.topics import Topics


@dataclass(frozen=True, slots=True)
class Exported:
    """An archive that stands; `differences` says how the replica's decision differs where it is disputed."""

    written: Written
    result: Literal["written", "disputed", "existing"]
    differences: tuple[str, ...] = ()


class Exporter:
    """Reads the observations of a run and writes its archive."""

    def __init__(
        self,
        kafka: Mapping[str, str],
        topics: Topics,
        archives: Path,
        group: str,
        stop: threading.Event,
        *,
        paper: formats.Paper = "a4",
        registry: Resolver | None = None,
    ) -> None:
        self._paper = paper
        self._topics = topics
        self._archives = archives
        self._stop = stop
        self._registry = registry
        self._reader = committed_reader(kafka, group)

    def export(
        self,
        timeline: tuple[Entry, ...],
        chosen: tuple[str, ...] | None = None,
        progress: Progress = lambda _: None,
    ) -> Exported:
        """Return the run's archive, written now unless it stands already for the same decision.

        Parameters
        ----------
        timeline
            The run's control records, the decision last.
        chosen
            The formats; None takes those of the definition.
        progress
            Called with the name of each step as it is done: `begun`, `folded`, those of `folder.publish`.

        Raises
        ------
        OSError
            If the folder cannot be written, another exporter is writing it, or the observations are not there yet.
        StoppedError
            If the process is to end.
        """
        decision = decision_of(timeline)
        wanted = chosen or tuple(defined_of(timeline).definition["export"]["formats"])
        if (found := self._standing(decision, wanted)) is not None:
            return Exported(found, "existing")
        with aside(self._archives, decision.experiment_id, decision.run) as folder:
            if (found := self._standing(decision, wanted)) is not None:  # another exporter was faster
                return Exported(found, "existing")

            def go_on(step: str) -> None:
                progress(step)
                if self._stop.is_set():
                    raise StoppedError

            go_on("begun")
            started = started_of(timeline)
            part = Range(self._topics.observations, started.partition or 0, *span(started, decision))
            batches = observations(self._reader, part, decision.experiment_id, self._stop)
            topics = (self._topics.observations, self._topics.control)
            archive = collect(timeline, batches, folder / formats.TABLE, *topics, registry=self._registry)
            if archive.dispute is not None:
                told = self._parting(started, archive)
                archive = replace(archive, dispute=msgspec.structs.replace(archive.dispute, parting=told))
            go_on("folded")
            written = publish(archive, folder, self._archives, wanted, progress=go_on, paper=self._paper)
        if archive.dispute is not None:
            return Exported(written, "disputed", archive.dispute.in_words)
        return Exported(written, "written")

    def close(self) -> None:
        """Leave Kafka."""
        self._reader.close()

    def _parting(self, started: events.Started, archive: Archive) -> str:
        """Return where worker and replica part; what cannot be read is said, since it must not hold up the archive."""
        try:
            return parting(self._published_walk(started), archive.observations)
        except (KafkaException, TimeoutError) as error:
            return f"the published walk could not be read: {error}"

    def _published_walk(self, started: events.Started) -> Iterator[events.WalkPoint]:
        """Yield the points of a run's walk that are still on their topic."""
        place = TopicPartition(self._topics.walks, started.partition or 0)
        _, end = self._reader.get_watermark_offsets(place, timeout=60.0)
        part = Range(place.topic, place.partition, 0, end - 1)
        for records in observations(self._reader, part, started.experiment_id, self._stop):
            for record in records:
                point = decode(record.value, events.WalkPoint)
                if point.run == started.run:
                    yield point

    def _standing(self, decision: events.Decision, wanted: tuple[str, ...]) -> Written | None:
        """Return the complete archive of this very decision if there is one, and if it has the formats."""
        found = existing(self._archives, decision.experiment_id, decision.run)
        if found is None:
            return None
        try:
            read = document.decoded((self._archives / found.location / formats.DOCUMENT).read_bytes())
        except (DocumentError, FileNotFoundError):
            return None
        present = {path.name for path in (self._archives / found.location).iterdir()}
        return found if read.decision == decision and formats.files_of(wanted) <= present else None
