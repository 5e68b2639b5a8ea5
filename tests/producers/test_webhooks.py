"""Webhooks against a real receiver: signed, told at least once, tried again, and sent nowhere else."""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from processors.topics import create_topics
from producers.connection import producer
from producers.instruments import Instruments
from producers.webhooks import WebhookConfig, WebhookError, kind_of, message, telling
from schemas import codecs, events
from schemas.topics import Topics
from tests.waldstream.installation import until

SECRET = "a secret of sixteen"  # noqa: S105 only these tests sign with it
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent; answers with the statuses in `answers` first, then with 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.refused: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.taken]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
        status = self.server.answers.pop(0) if self.server.answers else 204
        status = 410 if self.headers["webhook-id"] in self.server.refused else status
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _config(url: str, **changes: Any) -> WebhookConfig:
    given = {"secret": SECRET, "allowed_hosts": ("127.0.0.1",), "first_wait": 0.05, "longest_wait": 0.2, **changes}
    return WebhookConfig(url, **given)


def _head(run: int, version: int) -> dict[str, Any]:
    return {"id": f"coin/{run}/{version}", "experiment_id": "coin", "run": run, "version": version, "at": NOW}


def _decision(run: int) -> events.Decision:
    body: dict[str, Any] = {"outcome": "accept_h1", "n": 17, "llr": 3.0, "p_value": 0.04, "p_kind": "always valid"}
    rest: dict[str, Any] = {"lower": -2.9, "upper": 2.9, "design_digest": "0" * 64, "estimate": {}, "counts": {}}
    return events.Decision(**_head(run, 3) | {"id": f"coin/{run}"}, reason="boundary_upper", **body, **rest)


def _archived(run: int, *, disputed: bool) -> events.Archived:
    return events.Archived(**_head(run, 4), manifest_digest="0" * 64, location="coin", disputed=disputed)


def test_what_is_told_is_decisions_failures_holds_and_disputes() -> None:
    told = [
        kind_of(event)
        for event in (
            _decision(1),
            events.Failed(**_head(1, 2), message="cable"),
            events.Held(**_head(1, 2), checks={}, withheld={}),
            _archived(1, disputed=True),
            _archived(1, disputed=False),
            events.Paused(**_head(1, 2)),
            None,
        )
    ]

    assert told == ["decision", "failed", "held", "disputed", None, None, None]


def test_a_receiver_can_check_the_signature_with_the_secret_alone() -> None:
    headers, body = message("decision", _decision(1), SECRET, NOW)
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()

    assert headers["webhook-signature"] == f"v1,{expected}"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("coin/1", str(int(NOW.timestamp())))
    assert json.loads(body)["data"]["outcome"] == "accept_h1"


@pytest.mark.parametrize(
    ("url", "changes", "words"),
    [
        ("https://evil.example/", {}, "webhook host: evil.example given; allowed: 127.0.0.1"),
        ("https://127.0.0.1.evil.example/", {}, "allowed: 127.0.0.1"),
        ("https://127.0.0.1@evil.example/", {}, "webhook host: evil.example given"),
        ("http://lab.example/", {"allowed_hosts": ("lab.example",)}, "allowed: https://"),
        ("file:///etc/passwd", {}, "webhook host: None given"),
        ("http://127.0.0.1/", {"secret": "short"}, "webhook secret: 5 characters"),
        ("http://127.0.0.1/", {"events": ("horoscope",)}, "webhook events: horoscope given; allowed: decision"),
    ],
)
def test_a_webhook_that_leads_elsewhere_is_refused(url: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(WebhookError) as caught:
        _config(url, **changes)

    assert words in str(caught.value)


def test_a_configuration_does_not_show_its_secret() -> None:
    assert SECRET not in repr(_config("http://127.0.0.1/"))


class Log:
    """Topics of their own on the session's broker."""

    def __init__(self, kafka: str) -> None:
        self.kafka = {"bootstrap.servers": kafka}
        self.topics = Topics(f"t{uuid4().hex[:8]}")
        create_topics(self.kafka, self.topics, 1)

    def put(self, *told: events.Lifecycle) -> None:
        sender = producer(self.kafka)
        for event in told:
            sender.produce(self.topics.control, key=b"coin", value=codecs.encode_json(event))
        assert sender.flush(30) == 0

    @contextlib.contextmanager
    def telling(self, config: WebhookConfig) -> Iterator[None]:
        """Inside the block webhooks are told; on entry the group stands at the end of the log."""
        with telling(
            config,
            self.kafka,
            self.topics,
            f"{self.topics.prefix}-webhooks",
            threading.Event(),
            instruments=Instruments(CollectorRegistry()),
        ):
            yield


@pytest.mark.stack
def test_what_is_not_taken_is_told_again_in_order_with_the_same_id(kafka: str, receiver: Receiver) -> None:
    log = Log(kafka)
    with log.telling(_config(receiver.url)):
        _wait_for_the_group(log, receiver)
        begin = len(receiver.taken)
        receiver.answers = [500, 302, 503]
        log.put(_decision(1), events.Paused(**_head(2, 9)), _decision(2))
        until(lambda: len(receiver.taken) >= begin + 5)

    assert receiver.ids()[begin:] == ["coin/1"] * 4 + ["coin/2"]
    assert len({headers["webhook-signature"] for headers, _ in receiver.taken[begin:]}) >= 2


@pytest.mark.stack
def test_what_was_not_taken_before_a_restart_is_told_after_it(kafka: str, receiver: Receiver) -> None:
    log = Log(kafka)
    with log.telling(_config(receiver.url)):
        _wait_for_the_group(log, receiver)
        receiver.answers = [500] * 1_000
        log.put(_decision(1), _decision(2))
        until(lambda: "coin/1" in receiver.ids())
    receiver.answers.clear()
    before = len(receiver.taken)
    with log.telling(_config(receiver.url)):
        until(lambda: "coin/2" in receiver.ids())

    assert receiver.ids()[before:] == ["coin/1", "coin/2"]


@pytest.mark.stack
def test_a_message_that_nobody_takes_is_given_up_and_the_next_is_told(kafka: str, receiver: Receiver) -> None:
    log = Log(kafka)
    with log.telling(_config(receiver.url, give_up=0.5)):
        _wait_for_the_group(log, receiver)
        receiver.refused.add("coin/1")
        log.put(_decision(1), _decision(2))
        until(lambda: "coin/2" in receiver.ids())

    tried = receiver.ids().count("coin/1")
    assert tried >= 2
    assert receiver.ids()[-1 - tried :] == ["coin/1"] * tried + ["coin/2"]


def _wait_for_the_group(log: Log, receiver: Receiver) -> None:
    """Put failures until one is told: then the group is assigned and its first position committed."""
    receiver.answers = []
    number = 1_000

    def told() -> bool:
        nonlocal number
        number += 1
        log.put(events.Failed(**_head(number, 2), message="is anybody there?"))
        return bool(receiver.taken)

    until(told)
    until(lambda: f"coin/{number}/2" in receiver.ids())
