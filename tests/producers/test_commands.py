"""Commands against a real worker: each gets its reply, and what follows can be followed."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from processors.topics import create_topics
from producers.client import Client
from producers.errors import NotAllowedError, ReplyTimeoutError
from schemas import events
from schemas.topics import Topics
from tests.waldstream.installation import System

pytestmark = pytest.mark.stack


@pytest.fixture
def client(with_worker: System) -> Iterator[Client]:
    with Client(with_worker.kafka, with_worker.topics, actor="tester") as client:
        yield client


def _coin(key: str) -> dict[str, Any]:
    return {
        "id": key,
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
        "errors": {"alpha": 0.05, "beta": 0.05, "thresholds": "wald"},
    }


def _history(client: Client, key: str, ended: Callable[[events.ControlEvent], bool]) -> list[events.ControlEvent]:
    found = []
    for event in client.follow(key, timeout=60):
        found.append(event)
        if ended(event):
            return found
    pytest.fail(f"the end did not come; there was {found}")


def test_a_run_is_decided_at_the_exact_observation_and_can_be_followed(client: Client) -> None:
    assert client.run(_coin("exact")).status == "accepted"
    client.observe("exact", [1.0] * 10)
    client.observe("exact", [1.0] * 10)
    client.flush()

    history = _history(client, "exact", lambda event: isinstance(event, events.Decision))

    decision = history[-1]
    assert isinstance(decision, events.Decision)
    # log(19) / log(1.2) = 16.15: the seventeenth one decides, the seventh of the second record
    assert (decision.outcome, decision.reason, decision.n, decision.index) == ("accept_h1", "boundary_upper", 17, 6)
    assert [type(event).__name__ for event in history] == ["Run", "Defined", "Started", "Reply", "Decision"]


def test_a_repeated_command_gets_the_first_answer(client: Client) -> None:
    first = client.define(_coin("repeated"), id="the-one")
    second = client.define(_coin("repeated"), id="the-one")

    assert (first.status, second.status) == ("accepted", "duplicate")
    assert first.version == second.version


def test_every_helper_is_answered(client: Client) -> None:
    client.define(_coin("helped"))
    replies = [
        client.start("helped"),
        client.pause("helped"),
        client.resume("helped"),
        client.stop("helped", reason="enough"),
        client.cancel("helped"),
    ]

    assert [reply.status for reply in replies] == ["accepted"] * 5


def test_a_refusal_says_what_is_allowed(client: Client) -> None:
    client.define(_coin("refused"))

    reply = client.resume("refused")

    assert (reply.status, reply.code) == ("rejected", "not_allowed")
    assert "resume: not allowed while DEFINED; allowed: define, run, start" in reply.message


def test_a_wrong_definition_is_refused_with_every_field(client: Client) -> None:
    reply = client.define(_coin("wrong") | {"errors": {"alpha": 2, "beta": 0.05}, "colour": "red"})

    assert (reply.status, reply.code) == ("rejected", "invalid_definition")
    assert "errors.alpha: given 2" in reply.message
    assert "colour" in reply.message


def test_an_id_that_cannot_be_one_is_not_even_sent(client: Client) -> None:
    with pytest.raises(NotAllowedError, match=r"experiment_id: 'Bad Id'; allowed: \[a-z0-9\]"):
        client.start("Bad Id")


def test_no_worker_is_a_timeout_that_says_so(kafka: str) -> None:
    lonely = Topics(f"t{uuid4().hex[:8]}")
    create_topics({"bootstrap.servers": kafka}, lonely, 1)

    said = r"start of coin: no reply within 1 s; does a worker run\?"
    with Client({"bootstrap.servers": kafka}, lonely) as client, pytest.raises(ReplyTimeoutError, match=said):
        client.start("coin", timeout=1.0)
