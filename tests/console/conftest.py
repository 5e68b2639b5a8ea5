"""Stories on real topics: what a worker would publish for an experiment, event by event; and projectors."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import numpy as np
import pytest
import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from playwright.sync_api import Browser, sync_playwright
from prometheus_client import CollectorRegistry

import sprt
from console.instruments import ProjectorInstruments
from console.keys import Keys
from console.projector import Projector, ProjectorConfig
from experiments.definition import parse
from experiments.planning import digest
from processors.topics import create_topics
from schemas import events
from schemas.codecs import decode, encode_avro, encode_json
from schemas.partitions import partition_of
from schemas.topics import Topics
from stack.ports import free_port
from tests.children import tied

PARTITIONS = 2
ROOT = Path(__file__).parents[2]
BEGIN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@dataclass
class Teller:
    """Produces the events of stories; `teller.story(id)` begins one."""

    kafka: str
    topics: Topics
    producer: Producer = field(init=False)

    def __post_init__(self) -> None:
        self.producer = Producer({"bootstrap.servers": self.kafka, "linger.ms": 1, "log_level": 0})

    def send(self, topic: str, event: msgspec.Struct, *, avro: bool = False, partition: int | None = None) -> None:
        experiment_id: str = event.experiment_id  # type: ignore[attr-defined]  # every event told here has one
        value = encode_avro(event) if avro else encode_json(event)
        where = partition_of(experiment_id, PARTITIONS) if partition is None else partition
        self.producer.produce(topic, value, experiment_id, where)

    def limit(self, queue: str, limit: int) -> None:
        """Set how many runs of a queue may be live."""
        value = encode_json(events.SlotLimit(queue=queue, limit=limit))
        self.producer.produce(self.topics.queues, value, queue, partition_of(queue, PARTITIONS))

    def flush(self) -> None:
        assert self.producer.flush(20) == 0

    def next_command(self, experiment_id: str) -> events.Command:
        """Return the first command for the experiment, as a worker would read it."""
        group = f"{self.topics.prefix}-{uuid4().hex}"
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": group, "auto.offset.reset": "earliest"})
        try:
            where = TopicPartition(self.topics.control, partition_of(experiment_id, PARTITIONS), OFFSET_BEGINNING)
            consumer.assign([where])
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                message = consumer.poll(1)
                if message is None or message.error() is not None:
                    continue
                event = decode(message.value(), *events.CONTROL)
                if isinstance(event, events.Command) and event.experiment_id == experiment_id:
                    return event
            raise AssertionError("no command came within 30 s")
        finally:
            consumer.close()

    def story(self, experiment_id: str, **definition: Any) -> "Story":
        return Story(self, experiment_id, definition)


class Story:
    """One experiment; each method tells one more event."""

    def __init__(self, teller: Teller, experiment_id: str, definition: dict[str, Any]) -> None:
        self.teller = teller
        self.id = experiment_id
        self.definition = {
            "id": experiment_id,
            "title": f"Story of {experiment_id}",
            "owner": "ana",
            "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
            "errors": {"alpha": 0.01, "beta": 0.05, "thresholds": "wald"},
            "stop": {"max_samples": 5000},
            **definition,
        }
        self.stored = parse(self.definition).stored()
        self.design = sprt.Design(sprt.Bernoulli(0.5, 0.6), 0.01, 0.05, thresholds="wald")
        self.version = 0
        self.run = 0
        self.bits: list[float] = []
        self.clock = BEGIN

    def _head(self, **more: Any) -> dict[str, Any]:
        self.version += 1
        self.clock += timedelta(seconds=1)
        return {
            "id": f"{self.id}/{self.run}/{self.version}",
            "experiment_id": self.id,
            "run": self.run,
            "version": self.version,
            "at": self.clock,
            "partition": partition_of(self.id, PARTITIONS),
            "offset": len(self.bits),
            **more,
        }

    def control(self, event: msgspec.Struct, **how: Any) -> "Story":
        self.teller.send(self.teller.topics.control, event, **how)
        return self

    def define(self, **why: Any) -> "Story":
        return self.control(
            events.Defined(
                **self._head(**why),
                definition=self.stored,
                definition_revision=1,
                design_digest=digest(self.stored["model"]),
                definition_digest=digest(self.stored),
                lower=self.design.lower,
                upper=self.design.upper,
                certificate={},
            )
        )

    def queue(self, name: str, priority: int = 0) -> "Story":
        fields = self._head() | {"run": self.run + 1}
        return self.control(events.Queued(**fields, queue=name, priority=priority))

    def schedule(self, due: datetime) -> "Story":
        return self.control(events.Scheduled(**self._head(), due=due))

    def start(self, **why: Any) -> "Story":
        self.run += 1
        self.bits = []
        head = self._head(**why)
        return self.control(events.Started(**head, definition_revision=1, design_digest=digest(self.stored["model"])))

    def walk(self, count: int, p: float = 0.55, seed: int = 7) -> "Story":
        fresh = (np.random.default_rng(seed + len(self.bits)).random(count) < p).astype(float)
        begin = len(self.bits)
        self.bits += fresh.tolist()
        llrs = sprt.path(self.design, np.array(self.bits))
        highest = np.maximum.accumulate(llrs)
        for k in range(begin, len(self.bits)):
            point = events.WalkPoint(
                experiment_id=self.id,
                run=self.run,
                n=k + 1,
                llr=float(llrs[k]),
                p_value=float(min(1.0, np.exp(-highest[k]))),
                total=float(sum(self.bits[: k + 1])),
                offset=k,
                at=self.clock + timedelta(milliseconds=k),
            )
            self.teller.send(self.teller.topics.walks, point, avro=True)
        return self

    def pause(self, **why: Any) -> "Story":
        return self.control(events.Paused(**self._head(**why)))

    def unblind(self, **why: Any) -> "Story":
        return self.control(events.Unblinded(**self._head(**why)))

    def resume(self, **why: Any) -> "Story":
        return self.control(events.Resumed(**self._head(**why)))

    def decide(self, outcome: str = "accept_h1", reason: str = "boundary_upper", **more: Any) -> "Story":
        llr = float(sprt.path(self.design, np.array(self.bits))[-1]) if self.bits else 0.0
        n = len(self.bits)
        fields: dict[str, Any] = {
            **self._head(),
            "id": f"{self.id}/{self.run}",
            "outcome": outcome,
            "reason": reason,
            "n": n,
            "llr": llr,
            "p_value": float(min(1.0, np.exp(-llr))),
            "p_kind": "always-valid p of a simple likelihood ratio (Ville's inequality)",
            "index": 0,
            "lower": self.design.lower,
            "upper": self.design.upper,
            "design_digest": digest(self.stored["model"]),
            "estimate": {"naive": sum(self.bits) / n if n else None},
            "counts": {"applied": n},
            **more,
        }
        return self.control(events.Decision(**fields))

    def archive(self, location: str = "") -> "Story":
        written = events.ArchiveWritten(
            experiment_id=self.id,
            run=self.run,
            decision_id=f"{self.id}/{self.run}",
            manifest_digest="ab" * 32,
            location=location or f"{self.id}/{self.run}",
            disputed=False,
            at=self.clock,
        )
        self.teller.send(self.teller.topics.archives, written)
        head = self._head(cause=f"{self.id}/{self.run}")
        return self.control(events.Archived(**head, manifest_digest="ab" * 32, location=written.location))


def _own_topics(kafka: str) -> Topics:
    own = Topics(prefix=f"t{uuid4().hex[:8]}")
    create_topics({"bootstrap.servers": kafka}, own, PARTITIONS)
    return own


@pytest.fixture
def topics(kafka: str) -> Topics:
    """Topics of this test alone."""
    return _own_topics(kafka)


@pytest.fixture
def teller(kafka: str, topics: Topics) -> Teller:
    """Tells stories on this test's topics."""
    return Teller(kafka, topics)


@dataclass
class ReadModel:
    """The read model of this test's topics, as its Redis holds it."""

    config: ProjectorConfig
    keys: Keys
    client: Any  # redis-py's answers are typed as unions of all its protocols
    stops: list[Callable[[], None]] = field(default_factory=list)

    def start_projector(self, config: ProjectorConfig | None = None) -> None:
        """Project in a thread until the test ends; its failure fails the test."""
        event = threading.Event()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                Projector(config or self.config, ProjectorInstruments(CollectorRegistry())).run(event)
            except BaseException as error:
                errors.append(error)
                raise

        thread = threading.Thread(target=work, name="projector")
        thread.start()

        def stop() -> None:
            event.set()
            thread.join(20)
            assert not thread.is_alive()
            assert not errors

        self.stops.append(stop)


@contextmanager
def _read_model(kafka: str, redis_url: str, topics: Topics) -> Iterator[ReadModel]:
    config = ProjectorConfig({"bootstrap.servers": kafka}, topics, redis_url, group=topics.prefix)
    with redis.Redis.from_url(redis_url) as client:
        model = ReadModel(config, Keys.of(topics), client)
        yield model
        for stop in model.stops:
            stop()


@pytest.fixture
def model(kafka: str, redis_url: str, topics: Topics) -> Iterator[ReadModel]:
    """The read model of this test's topics; `start_projector` fills it."""
    with _read_model(kafka, redis_url, topics) as model:
        yield model


def _until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


@pytest.fixture
def until() -> Callable[..., Any]:
    """Wait until a condition holds and return its value."""
    return _until


_SERVE = """
import json, sys
from pathlib import Path
from console.app import ConsoleConfig, run
from schemas.topics import Topics
given = json.loads(sys.argv[1])
run(ConsoleConfig(**given | {"topics": Topics(given["topics"]), "archives": Path(given["archives"])}))
"""


@dataclass
class Served:
    """A console in a process of its own."""

    url: str
    archives: Path
    process: "subprocess.Popen[bytes]"


@contextmanager
def _consoles(kafka: str, redis_url: str, topics: Topics, archives: Path) -> Iterator[Callable[..., Served]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(**arguments: Any) -> Served:
        given = {
            "kafka": {"bootstrap.servers": kafka},
            "topics": topics.prefix,
            "partitions": PARTITIONS,
            "redis_url": redis_url,
            "archives": str(archives),
            "port": free_port(),
            **arguments,
        }
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        command = tied(sys.executable, "-c", _SERVE, json.dumps(given))
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        running.append(process)
        url = f"http://127.0.0.1:{given['port']}"
        _until(lambda: process.poll() is not None or _is_up(url), "the console answers", 180)
        assert process.poll() is None
        return Served(url, archives, process)

    yield start
    for process in running:
        process.terminate()
        assert process.wait(60) == 0  # it ends in a second or two; a busy machine may need more


@pytest.fixture
def serve(kafka: str, redis_url: str, topics: Topics, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start consoles on this test's topics; arguments replace those of their configuration."""
    with _consoles(kafka, redis_url, topics, tmp_path / "archives") as start:
        yield start


@dataclass
class Installation:
    """What tests that only add experiments of their own share: a projector, a console, and a teller of stories."""

    kafka: str
    console: Served
    teller: Teller


@pytest.fixture(scope="session")
def installation(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One projector and one console for the session; tell stories under ids of your own."""
    topics = _own_topics(kafka)
    archives = tmp_path_factory.mktemp("archives")
    with _read_model(kafka, redis_url, topics) as model, _consoles(kafka, redis_url, topics, archives) as start:
        model.start_projector()
        yield Installation(kafka, start(reply_seconds=5.0), Teller(kafka, topics))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless; not kept for others, as this thread can turn no other loop beside Playwright's."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium on PATH; install it with: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*flags, "--disable-sync", "--no-first-run"]
        )
        yield browser
        browser.close()


@pytest.fixture
def own() -> str:
    """A word that no other test's ids begin with."""
    return f"e{uuid4().hex[:8]}"


def _is_up(url: str) -> bool:
    try:
        httpx.get(f"{url}/static/console.css")
    except httpx.TransportError:
        return False
    return True
