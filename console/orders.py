"""Commands from people and programs: sent to `sprt.control`, answered when the worker's reply has reached the board."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from console.board import Board
from console.model import ReadModelAwayError
from schemas import events
from schemas.codecs import encode_json
from schemas.topics import Topics

_DELIVERY_SECONDS = 8.0


class KafkaAwayError(Exception):
    """Kafka did not take the command; nothing was sent."""


class NoReplyError(Exception):
    """The command is on the log, but no worker has answered in time; it will still be answered when one does."""


def new_id() -> str:
    """Return an idempotency key that nobody else has."""
    return f"console-{uuid4().hex}"


class Orders:
    """The console's producer of commands."""

    def __init__(self, kafka: Mapping[str, str], topics: Topics, board: Board, reply_seconds: float) -> None:
        self._topic = topics.commands
        self._board = board
        self._reply_seconds = reply_seconds
        properties: dict[str, Any] = {
            **kafka,
            "partitioner": "murmur2_random",  # as Java and Faust; librdkafka's own default is another
            "enable.idempotence": True,
            "message.timeout.ms": int(_DELIVERY_SECONDS * 1000),
            "log_level": 2,
        }
        self._producer = Producer(properties)

    async def send(self, command: events.Command) -> events.Reply:
        """Return the reply to the command.

        Raises
        ------
        KafkaAwayError
            If Kafka did not take it.
        NoReplyError
            If no reply was seen in time.
        """
        expected = self._board.expect_reply(command.experiment_id, command.id)
        try:
            await asyncio.to_thread(self._produce, command.experiment_id, encode_json(command))
            return await asyncio.wait_for(asyncio.shield(expected), self._reply_seconds)
        except TimeoutError:
            return await self._late(command)
        finally:
            expected.cancel()

    async def _late(self, command: events.Command) -> events.Reply:
        """Return the reply if it came while nobody was listening."""
        try:
            reply = await self._board.model.reply(command.experiment_id, command.id)
        except ReadModelAwayError as error:
            raise NoReplyError(f"the command was sent, but its reply cannot be seen: {error}") from error
        if reply is None:
            raise NoReplyError(
                f"no worker has answered within {self._reply_seconds:g} s; the command is on {self._topic} and will be "
                f"answered as soon as one does (repeating it with the id {command.id} is safe)"
            )
        return reply

    def _produce(self, experiment_id: str, value: bytes) -> None:
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error)

        try:
            self._producer.produce(self._topic, value, experiment_id, on_delivery=delivered)
        except (KafkaException, BufferError) as error:
            raise KafkaAwayError(f"Kafka did not take the command: {error}") from error
        left = self._producer.flush(_DELIVERY_SECONDS + 1)
        if failures or left:
            what = failures[0].str() if failures else "no answer"
            raise KafkaAwayError(f"Kafka did not take the command: {what}")
