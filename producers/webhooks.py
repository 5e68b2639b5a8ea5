"""Signed webhooks: a decision, a failure, a verdict held, an archive in dispute is told to one address, at least once.

Each message has an id that stays the same when it is sent again, so a receiver can drop repetitions, and a signature
over id, time and body by the scheme of Standard Webhooks. What is not taken is tried again with growing waits; the
group commits what was taken, so a restart goes on where it stopped.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, Final

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from producers import reading
from producers.connection import closing, consumer, end_of
from producers.errors import ProducerError
from producers.instruments import Instruments
from schemas import events
from schemas.topics import Topics

log = structlog.get_logger()

EVENTS: Final = ("decision", "failed", "held", "disputed")
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}
_SHORTEST_SECRET: Final = 16
_COMMIT_SECONDS: Final = 5.0
_MOST_WAITING: Final = 1_000  # messages of a partition; what comes after waits in Kafka


class WebhookError(ProducerError, ValueError):
    """A webhook that may not be used as it is configured."""


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """Where messages go.

    Parameters
    ----------
    url
        `https://`, or `http://` on this machine.
    secret
        Key of the signatures, 16 characters or more.
    allowed_hosts
        The only hosts that may be called; redirections are never followed.
    events
        Which of `EVENTS` are told.
    timeout, first_wait, longest_wait, give_up
        Seconds: for one answer, before the second try (then twice as long each), at most between tries, and after
        which a message is given up and logged.
    """

    url: str
    secret: str = field(repr=False)
    allowed_hosts: tuple[str, ...]
    events: tuple[str, ...] = EVENTS
    timeout: float = 10.0
    first_wait: float = 1.0
    longest_wait: float = 300.0
    give_up: float = 86_400.0

    def __post_init__(self) -> None:
        """Refuse what would send secrets or verdicts to the wrong place."""
        parts = urllib.parse.urlsplit(self.url)
        if parts.hostname is None or parts.hostname not in self.allowed_hosts:
            allowed = ", ".join(self.allowed_hosts) or "none"
            raise WebhookError(f"webhook host: {parts.hostname} given; allowed: {allowed}")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise WebhookError(f"webhook: {parts.scheme}:// given; allowed: https://, or http:// on this machine")
        if len(self.secret) < _SHORTEST_SECRET:
            raise WebhookError(f"webhook secret: {len(self.secret)} characters; allowed: {_SHORTEST_SECRET} or more")
        if unknown := sorted(set(self.events) - set(EVENTS)):
            raise WebhookError(f"webhook events: {', '.join(unknown)} given; allowed: {', '.join(EVENTS)}")


def kind_of(event: events.ControlEvent | None) -> str | None:
    """Return which of `EVENTS` an event is, None if it is nothing to tell."""
    if isinstance(event, events.Decision):
        return "decision"
    if isinstance(event, events.Failed):
        return "failed"
    if isinstance(event, events.Held):
        return "held"
    return "disputed" if isinstance(event, events.Archived) and event.disputed else None


def message(kind: str, event: events.Lifecycle, secret: str, at: datetime) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body that tell of an event, signed at that moment."""
    body = json.dumps({"type": kind, "timestamp": event.at.isoformat(), "data": msgspec.to_builtins(event)}).encode()
    stamp = str(int(at.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "waldstream",
        "webhook-id": event.id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{signature(secret, event.id, stamp, body)}",
    }
    return headers, body


def signature(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    """Return the HMAC-SHA256 over `<id>.<timestamp>.<body>` in base64: what a receiver compares."""
    signed = f"{message_id}.{stamp}.".encode() + body
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


@contextmanager
def telling(
    config: WebhookConfig | None,
    kafka: Mapping[str, str],
    topics: Topics,
    group: str,
    ended: threading.Event,
    *,
    instruments: Instruments,
) -> Iterator[None]:
    """Inside the block a thread tells of events, if a webhook is configured; its failure sets `ended` and is raised."""
    if config is None:
        yield
        return
    failure: list[BaseException] = []

    def tell() -> None:
        try:
            _Teller(config, kafka, topics, group, instruments).follow(ended)
        except BaseException as error:  # noqa: BLE001  raised again by whoever started the thread
            failure.append(error)
            ended.set()

    thread = threading.Thread(target=tell, name="webhooks")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failure:
        raise failure[0]


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass
class _Message:
    offset: int
    kind: str
    event: events.Lifecycle
    tries: int = 0
    first_at: float = 0.0
    next_at: float = 0.0


class _Teller:
    """One member of the group: messages of a partition wait behind one another, partitions do not."""

    def __init__(
        self, config: WebhookConfig, kafka: Mapping[str, str], topics: Topics, group: str, instruments: Instruments
    ) -> None:
        self._instruments = instruments
        self._config, self._kafka, self._topic, self._group = config, kafka, topics.control, group
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirection)
        self._waiting: dict[int, deque[_Message]] = {}
        self._read: dict[int, int] = {}  # the next offset of each partition that is owned
        self._commit_at = 0.0

    def follow(self, ended: threading.Event) -> None:
        """Follow the control topic until told to end."""
        with closing(consumer(self._kafka, group_id=self._group, session_timeout_ms=10_000)) as reader:
            reader.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked)
            log.info("webhooks_ready", group=self._group, host=urllib.parse.urlsplit(self._config.url).hostname)
            while not ended.is_set():
                for record in reader.consume(500, 0.1):
                    if (error := record.error()) is not None:
                        raise KafkaException(error)
                    self._see(reading.to_record(record))
                for partition, waiting in list(self._waiting.items()):
                    if waiting and waiting[0].next_at <= time.monotonic() and not ended.is_set():
                        self._try(waiting)
                        self._commit(reader, partition)
                    part = [TopicPartition(self._topic, partition)]
                    (reader.pause if len(waiting) >= _MOST_WAITING else reader.resume)(part)
                if time.monotonic() >= self._commit_at:
                    self._commit_at = time.monotonic() + _COMMIT_SECONDS
                    for partition in list(self._read):
                        self._commit(reader, partition)
            for partition in list(self._read):
                self._commit(reader, partition, is_last=True)

    def _see(self, record: reading.Record) -> None:
        if record.partition not in self._read:
            return
        self._read[record.partition] = record.offset + 1
        event = reading.control_event(record.value, events.Decision, events.Failed, events.Held, events.Archived)
        kind = kind_of(event)
        if kind in self._config.events and isinstance(event, events.Lifecycle):
            self._waiting[record.partition].append(_Message(record.offset, str(kind), event))

    def _try(self, waiting: deque[_Message]) -> None:
        """Send the first message that waits; it leaves the queue when it was taken, or is given up."""
        it, now = waiting[0], time.monotonic()
        it.tries += 1
        it.first_at = it.first_at or now
        problem = self._send(it)
        if problem is None:
            self._instruments.told("delivered")
            waiting.popleft()
            return
        wait = min(self._config.first_wait * 2 ** min(it.tries - 1, 30), self._config.longest_wait)
        if now - it.first_at + wait > self._config.give_up:
            self._instruments.told("given_up")
            log.error("webhook_given_up", id=it.event.id, kind=it.kind, tries=it.tries, problem=problem)
            waiting.popleft()
            return
        self._instruments.told("refused")
        log.warning("webhook_not_taken", id=it.event.id, kind=it.kind, tries=it.tries, problem=problem, again_in=wait)
        it.next_at = time.monotonic() + wait

    def _send(self, it: _Message) -> str | None:
        """Return what went wrong, None if the receiver answered with success."""
        headers, body = message(it.kind, it.event, self._config.secret, datetime.now(UTC))
        request = urllib.request.Request(self._config.url, body, headers, method="POST")  # noqa: S310  checked by the config
        try:
            with self._opener.open(request, timeout=self._config.timeout):
                return None
        except urllib.error.HTTPError as error:
            error.close()
            return f"the receiver answers {error.code}"
        except (OSError, HTTPException) as error:
            return f"{type(error).__name__}: {error}"

    def _commit(self, reader: Consumer, partition: int, *, is_last: bool = False) -> None:
        """Commit up to the first message that was not taken."""
        waiting = self._waiting.get(partition)
        if partition in self._read:
            offset = waiting[0].offset if waiting else self._read[partition]
            with suppress(KafkaException):  # lost with the partition: its next owner tells again
                place = [TopicPartition(self._topic, partition, offset)]
                reader.commit(offsets=place, asynchronous=False) if is_last else reader.commit(offsets=place)

    def _assigned(self, reader: Consumer, partitions: list[TopicPartition]) -> None:
        """Go on where the group stopped; a group that is new begins at the end, and remembers that at once."""
        for part in reader.committed(partitions, timeout=30.0):
            if part.offset < 0:
                _, part.offset = end_of(reader, self._topic, part.partition)
                reader.commit(offsets=[part], asynchronous=False)
            self._read[part.partition] = part.offset
            self._waiting[part.partition] = deque()
        reader.assign([TopicPartition(self._topic, part.partition, self._read[part.partition]) for part in partitions])

    def _revoked(self, _reader: Consumer, partitions: list[TopicPartition]) -> None:
        for part in partitions:
            self._read.pop(part.partition, None)
            self._waiting.pop(part.partition, None)
