"""One run's source at work: a thread that sends its records at the pace of the definition until it is told to end.

Every way a source can end is said on the control topic: `source_done` when it is exhausted, `source_failed` when it
breaks. Only an end that was asked for, by a decision or the runner's own end, is silent.
"""

import threading
import time
from pathlib import Path

import structlog

from producers.client import Client
from producers.errors import SourceError
from producers.instruments import Instruments
from producers.runs import Wanted
from producers.sources import open_source
from schemas import avro, events

log = structlog.get_logger()

#: Behind by more than this, the pace starts anew: an outage is not followed by a burst.
_PATIENCE_SECONDS = 1.0
#: Waits shorter than this are not worth a system call.
_RESOLUTION_SECONDS = 0.002


class Feed(threading.Thread):
    """The source of one run; `client` is shared and sends everything."""

    def __init__(self, client: Client, wanted: Wanted, files: Path, instruments: Instruments) -> None:
        super().__init__(name=f"source {wanted.experiment_id}/{wanted.run}", daemon=True)
        self._client = client
        self._wanted = wanted
        self._files = files
        self._instruments = instruments
        self._ended = threading.Event()
        self._may_go = threading.Event()
        self.pause(wanted.is_paused)

    def pause(self, is_paused: bool) -> None:
        """Hold the source back, or let it go on."""
        if is_paused:
            self._may_go.clear()
        else:
            self._may_go.set()

    def end(self) -> None:
        """Tell the source to end; it does so after the record in hand."""
        self._ended.set()
        self._may_go.set()

    def run(self) -> None:
        """Send records until the source is exhausted, breaks, or is told to end."""
        run, kind, how = self._wanted, self._wanted.section["kind"], "failed"
        self._instruments.began(kind)
        try:
            last = self._send_all()
            how = "ended" if last is None else "exhausted"
        except Exception as error:  # whatever breaks a source has to end its run, or the run would wait for ever
            if not isinstance(error, SourceError):
                log.exception("source_broke", experiment_id=run.experiment_id, run=run.run)
            message = str(error) if isinstance(error, SourceError) else f"{type(error).__name__}: {error}"
            self._say(
                events.SourceFailed(
                    id=run.command_id, experiment_id=run.experiment_id, actor="runner", message=message[:2000]
                )
            )
        else:
            if last is not None:
                self._say(
                    events.SourceDone(
                        id=run.command_id,
                        experiment_id=run.experiment_id,
                        actor="runner",
                        source=run.source,
                        last_sequence=last,
                    )
                )
        finally:
            self._instruments.ended(kind, how)

    def _send_all(self) -> int | None:
        """Return the last sequence number of an exhausted source, None if it was told to end."""
        run = self._wanted
        source = open_source(run.definition, run.run, self._files)
        first = self._client.next_sequence(run.experiment_id, source=run.source, start=run.offset)
        log.info(
            "source_started", experiment_id=run.experiment_id, run=run.run, kind=run.section["kind"], sequence=first
        )
        kind = run.section["kind"]
        interval, due, last = 1.0 / run.section["rate"], time.monotonic(), first - 1
        for values, arm in source.records(first):
            due = self._await_turn(due)
            if self._ended.is_set():
                return None
            last = self._client.observe(run.experiment_id, values, arm=arm, source=run.source)
            self._instruments.sent(kind)
            due += interval
        self._client.flush()
        if last < 0:
            raise SourceError(f"source.{run.section['kind']}: holds no value; allowed: one or more")
        return last

    def _await_turn(self, due: float) -> float:
        """Return when this record was due, after waiting for it and for the end of a pause."""
        while not self._ended.is_set():
            if not self._may_go.is_set():
                self._may_go.wait()
                due = time.monotonic()
                continue
            now = time.monotonic()
            if due - now < _RESOLUTION_SECONDS:
                return due if now - due < _PATIENCE_SECONDS else now
            self._ended.wait(min(due - now, 0.2))  # short enough to notice a pause
        return due

    def _say(self, event: events.SourceDone | events.SourceFailed) -> None:
        run = self._wanted
        log.info("source_ended", experiment_id=run.experiment_id, run=run.run, how=avro.event_name(type(event)))
        self._client.submit(event)
