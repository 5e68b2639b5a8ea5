"""The Python client: observations in, commands and their replies, and what happens to an experiment as it happens.

Observations are numbered per source and experiment, so that whatever is sent twice counts once; a command listens for
its reply before it is sent, so that none is missed. One client may be used from several threads.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, Self

import msgspec
import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from producers import reading
from producers.connection import closing, consumer, end_of, partitions_of, reaching
from producers.errors import DeliveryError, NotAllowedError, ReplyTimeoutError
from producers.numbering import next_number
from producers.observations import numbers, observations
from producers.sending import PATIENCE_SECONDS, Sender
from schemas import avro, bulk, codecs, events
from schemas.partitions import partition_of
from schemas.topics import Topics

_REPLY_SECONDS = 30.0
_SEARCH_SECONDS = 300.0


class Client:
    """A connection to one installation, closed by `close` or the end of a `with` block.

    Parameters
    ----------
    kafka
        librdkafka properties: `bootstrap.servers` and whatever security needs.
    topics
        Names of the installation's topics.
    partitions
        Partitions of each topic; asked from Kafka if None.
    source
        Name of this source of observations, 1 to 128 characters. A name of its own is made if None. A client that goes
        on under an earlier name finds the next sequence number in the log.
    encoding
        How observations travel: `avro` (single-object) or `json`.
    actor
        Who commands claim to come from.

    Raises
    ------
    UnreachableError
        If no broker answers within five seconds.
    MissingTopicError
        If the topics do not exist.
    """

    def __init__(
        self,
        kafka: Mapping[str, str],
        topics: Topics | None = None,
        partitions: int | None = None,
        *,
        source: str | None = None,
        encoding: Literal["avro", "json"] = "avro",
        actor: str | None = None,
    ) -> None:
        self.topics = topics or Topics()
        found = partitions_of(kafka, self.topics.control, self.topics.observations)
        self.partitions = found if partitions is None else partitions
        self.source = source or f"client-{uuid.uuid4().hex[:12]}"
        self.actor = actor
        self._is_new_source = source is None
        self._kafka = dict(kafka)
        self._encode: Callable[[events.Observation], bytes] = (
            codecs.encode_json if encoding == "json" else codecs.encode_avro
        )
        self._next: dict[tuple[str, str], int] = {}
        self._lock = threading.RLock()
        self._sender = Sender(kafka)

    # observations

    def observe(
        self,
        experiment_id: str,
        values: ArrayLike,
        *,
        arm: Literal["a", "b"] | None = None,
        observed_at: datetime | int | None = None,
        source: str | None = None,
    ) -> int:
        """Return the sequence number of the record that was handed over; Kafka takes it in the background.

        Parameters
        ----------
        values
            One number or several; more than 10 000 travel as several records.
        observed_at
            When they were measured: a time with zone, or microseconds since the epoch.
        source
            Another source than the client's own, for this call.

        Raises
        ------
        NotAllowedError
            If a field is outside its limits; nothing was sent.
        DeliveryError
            If Kafka did not take a record that was handed over earlier, or takes none for a minute.
        """
        name = self.source if source is None else source
        with self._lock:
            self._sender.check()
            sequence = self.next_sequence(experiment_id, source=name)
            for event in observations(experiment_id, values, name, sequence, arm=arm, observed_at=observed_at):
                sequence = event.sequence if event.sequence is not None else sequence
                self._send(self.topics.observations, event, self._encode(event), f"{name}-{sequence}")
                self._next[name, experiment_id] = sequence + 1
            return sequence

    def observe_many(
        self,
        experiment_id: str,
        values: ArrayLike,
        *,
        per_record: int = 1,
        arm: Literal["a", "b"] | None = None,
        observed_at: datetime | int | None = None,
        source: str | None = None,
    ) -> int:
        """Return the sequence number of the last of many records, each of `per_record` numbers; several times as fast.

        As `observe` for each of them, but the records carry no headers.

        Raises
        ------
        NotAllowedError
            If a field is outside its limits; nothing was sent.
        DeliveryError
            If Kafka did not take a record that was handed over earlier, or takes none for a minute.
        """
        if not 1 <= per_record <= codecs.MAX_VALUES:
            raise NotAllowedError(f"per_record: {per_record}; allowed: 1 to {codecs.MAX_VALUES}")
        name = self.source if source is None else source
        with self._lock:
            self._sender.check()
            first = self.next_sequence(experiment_id, source=name)
            column = numbers(values)
            pieces: Iterator[tuple[int, list[bytes]]]
            sample = observations(experiment_id, column[:1], name, first, arm=arm, observed_at=observed_at)
            shared = msgspec.structs.asdict(next(sample)) | {"values": None, "sequence": None}
            fields = {field: value for field, value in shared.items() if value is not None}
            if self._encode is codecs.encode_avro:
                pieces = bulk.write_avro(column, per_record, first, **fields)
            else:
                pieces = self._one_by_one(column, per_record, first, fields)
            key, partition = experiment_id.encode(), partition_of(experiment_id, self.partitions)
            for sequence, records in pieces:
                self._sender.send_many(self.topics.observations, partition, key, records)
                self._next[name, experiment_id] = sequence + len(records)
            return self._next[name, experiment_id] - 1

    def _one_by_one(
        self, column: npt.NDArray[np.float64], per_record: int, first: int, fields: dict[str, Any]
    ) -> Iterator[tuple[int, list[bytes]]]:
        for number, begin in enumerate(range(0, len(column), per_record), first):
            values = column[begin : begin + per_record].tolist()
            yield number, [self._encode(events.Observation(values=values, sequence=number, **fields))]

    def next_sequence(self, experiment_id: str, *, source: str | None = None, start: int | None = None) -> int:
        """Return the number that the next record of the source will get, found in the log if this client sent none yet.

        Parameters
        ----------
        start
            Offset from which the log is searched; from its beginning if None.
        """
        name = self.source if source is None else source
        with self._lock:
            known = self._next.get((name, experiment_id))
            if known is None:
                own = self._is_new_source and name == self.source
                known = 0 if own else self._search_sequence(experiment_id, name, start)
                self._next[name, experiment_id] = known
            return known

    def continue_at(self, experiment_id: str, sequence: int, *, source: str | None = None) -> None:
        """Give the next record of the source this sequence number."""
        if sequence < 0:
            raise NotAllowedError(f"sequence: {sequence}; allowed: 0 or more")
        with self._lock:
            self._next[self.source if source is None else source, experiment_id] = sequence

    def flush(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Kafka has taken everything that was handed over.

        Raises
        ------
        DeliveryError
            If it did not, within `timeout` seconds.
        """
        self._sender.flush(timeout)

    # commands

    def command(self, event: events.Command, *, timeout: float = _REPLY_SECONDS) -> events.Reply:
        """Return the reply to a command; a command with the same id may be sent again and is answered alike.

        Raises
        ------
        ReplyTimeoutError
            If none came within `timeout` seconds: the command may still be carried out.
        """
        partition = partition_of(event.experiment_id, self.partitions)
        deadline = time.monotonic() + timeout
        topic = self.topics.control
        with reaching(self._kafka), closing(consumer(self._kafka)) as reader:
            _, end = end_of(reader, topic, partition)
        with closing(reading.assigned(self._kafka, topic, partition, end)) as reader:
            self.submit(event, timeout=timeout)
            for record in reading.following(reader, lambda: time.monotonic() > deadline):
                if record.value is None or b'"reply"' not in record.value:
                    continue
                reply = reading.control_event(record.value, events.Reply)
                if isinstance(reply, events.Reply) and reply.command_id == event.id:
                    return reply
        name = avro.event_name(type(event))
        raise ReplyTimeoutError(
            f"{name} of {event.experiment_id}: no reply within {timeout:g} s; does a worker run? (id {event.id})"
        )

    def submit(self, event: events.Command, *, timeout: float = PATIENCE_SECONDS) -> None:
        """Put a command into the log without waiting for its reply; it is there on return."""
        with self._lock:
            self._send(self.topics.commands, event, codecs.encode_json(event), event.id)
        self.flush(timeout)

    def define(self, experiment: dict[str, Any], *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to a `define` of this experiment (a definition as in its TOML file)."""
        return self._experiment(events.Define, experiment, reason, **options)

    def run(self, experiment: dict[str, Any], *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to a `run`: define and start in one step."""
        return self._experiment(events.Run, experiment, reason, **options)

    def start(self, experiment_id: str, *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to a `start`: a new run of a defined experiment."""
        return self._plain(events.Start, experiment_id, reason, **options)

    def pause(self, experiment_id: str, *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to a `pause`: observations are left out until `resume`."""
        return self._plain(events.Pause, experiment_id, reason, **options)

    def resume(self, experiment_id: str, *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to a `resume`: observations are applied again."""
        return self._plain(events.Resume, experiment_id, reason, **options)

    def stop(self, experiment_id: str, *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to a `stop`: the live run ends inconclusive, by hand."""
        return self._plain(events.Stop, experiment_id, reason, **options)

    def cancel(self, experiment_id: str, *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to a `cancel`: no further runs, and the live one ends by hand."""
        return self._plain(events.Cancel, experiment_id, reason, **options)

    def retry(self, experiment_id: str, *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to a `retry`: a run that ended is tried once more."""
        return self._plain(events.Retry, experiment_id, reason, **options)

    def hold(self, experiment_id: str, *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to a `hold`: the decision is withheld until `release`."""
        return self._plain(events.Hold, experiment_id, reason, **options)

    def release(self, experiment_id: str, *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to a `release`: a held run may decide."""
        return self._plain(events.Release, experiment_id, reason, **options)

    def archive(self, experiment_id: str, *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to an `archive`: the newest run's archive is written if it is missing."""
        return self._plain(events.Archive, experiment_id, reason, **options)

    def unblind(self, experiment_id: str, *, reason: str | None = None, **options: Any) -> events.Reply:
        """Return the reply to an `unblind`: the walk of a blinded run may be seen before its decision."""
        return self._plain(events.Unblind, experiment_id, reason, **options)

    def _plain(
        self,
        kind: type[events.Command],
        experiment_id: str,
        reason: str | None,
        *,
        id: str | None = None,  # noqa: A002  the wire's own name
        timeout: float = _REPLY_SECONDS,
        **fields: Any,
    ) -> events.Reply:
        if not codecs.EXPERIMENT_ID.fullmatch(experiment_id):
            raise NotAllowedError(f"experiment_id: {experiment_id!r}; allowed: {codecs.EXPERIMENT_ID.pattern}")
        key = id or str(uuid.uuid4())
        event = kind(id=key, experiment_id=experiment_id, actor=self.actor, reason=reason, **fields)
        return self.command(event, timeout=timeout)

    def _experiment(
        self, kind: type[events.Command], experiment: dict[str, Any], reason: str | None, **options: Any
    ) -> events.Reply:
        experiment_id = experiment.get("id")
        if not isinstance(experiment_id, str):
            raise NotAllowedError(f"id: {experiment_id!r}; allowed: a string {codecs.EXPERIMENT_ID.pattern}")
        return self._plain(kind, experiment_id, reason, experiment=experiment, **options)

    # what happens

    def follow(
        self,
        experiment_id: str,
        *,
        ended: Callable[[], bool] = lambda: False,
        timeout: float | None = None,
    ) -> Iterator[events.ControlEvent]:
        """Yield the whole history of an experiment in log order, then every event as it is committed.

        Ends when `ended` says so, or after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        partition = partition_of(experiment_id, self.partitions)
        key = experiment_id.encode()
        topic = self.topics.control
        with reaching(self._kafka), closing(consumer(self._kafka)) as reader:
            first, _ = end_of(reader, topic, partition)
        with closing(reading.assigned(self._kafka, topic, partition, first)) as reader:
            over = lambda: ended() or (deadline is not None and time.monotonic() > deadline)  # noqa: E731  one use, reads well
            for record in reading.following(reader, over):
                if record.key == key and (event := reading.control_event(record.value)) is not None:
                    yield event

    def close(self) -> None:
        """Everything handed over has reached Kafka, and the connection is closed; raises as `flush` does."""
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(DeliveryError):  # the one that ends the block matters more
                self._sender.flush(2.0)

    # the wire

    def _send(self, topic: str, event: events.Observation | events.Command, value: bytes, event_id: str) -> None:
        headers = (
            ("ce_specversion", "1.0"),
            ("ce_id", event_id),
            ("ce_type", f"waldstream.{avro.event_name(type(event))}"),
            ("ce_source", f"/waldstream/{self.source}"),
        )
        self._sender.send(topic, event.experiment_id.encode(), value, headers)

    def _search_sequence(self, experiment_id: str, source: str, start: int | None) -> int:
        partition = partition_of(experiment_id, self.partitions)
        where = {} if start is None else {partition: start}
        topic = self.topics.observations
        records = reading.until_end(self._kafka, topic, [partition], start=where, timeout=_SEARCH_SECONDS)
        return next_number(records, experiment_id, source)
