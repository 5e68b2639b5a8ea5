"""Hands records over to Kafka: waits while the client library has no room, and tells what Kafka did not take."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message

from producers.connection import producer
from producers.errors import DeliveryError

PATIENCE_SECONDS: Final = 60.0

Headers = Sequence[tuple[str, str | bytes | None]]


class Sender:
    """Sends in the background, in order; what failed is raised once, by the next `check` or `flush`.

    Parameters
    ----------
    kafka
        librdkafka properties: `bootstrap.servers` and whatever security needs.
    """

    def __init__(self, kafka: Mapping[str, str]) -> None:
        self._producer = producer(kafka, delivery_report_only_error=True)
        self._failure: KafkaError | None = None
        self._failed = 0

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """Hand over one record.

        Raises
        ------
        DeliveryError
            If it cannot be sent, or Kafka takes none for a minute.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._producer.produce(topic, key=key, value=value, headers=list(headers), on_delivery=self._failing)
            except BufferError:  # the queue is full: Kafka is slower than the caller, who waits here
                self._wait(deadline)
            except KafkaException as error:
                raise DeliveryError(f"{topic}: {error.args[0].str()}") from error
            else:
                self._producer.poll(0)
                return

    def send_many(self, topic: str, partition: int, key: bytes, values: Sequence[bytes]) -> None:
        """Hand over records without headers, several times as fast; raises as `send`."""
        messages: list[dict[str, Any]] = [{"key": key, "value": value} for value in values]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._producer.produce_batch(topic, messages, partition, self._failing) < len(messages):
            errors = [message.pop("_error", None) for message in messages]
            if error := next((it for it in errors if it is not None and it.code() != KafkaError._QUEUE_FULL), None):  # noqa: SLF001  librdkafka's own code
                raise DeliveryError(f"{topic}: {error.str()}")
            messages = [message for message, error in zip(messages, errors, strict=True) if error is not None]
            self._wait(deadline)
        self._producer.poll(0)

    def check(self) -> None:
        """Raise a `DeliveryError` if Kafka did not take a record that was handed over."""
        if self._failure is not None:
            error, count = self._failure, self._failed
            self._failure, self._failed = None, 0
            raise DeliveryError(f"Kafka did not take {count} of the records: {error.str()}")

    def flush(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Kafka has taken everything that was handed over.

        Raises
        ------
        DeliveryError
            If it did not, within `timeout` seconds.
        """
        left = self._producer.flush(timeout)
        self.check()
        if left:
            raise DeliveryError(f"Kafka has not taken {left} records within {timeout:g} s")

    def _wait(self, deadline: float) -> None:
        self._producer.poll(0.1)
        if time.monotonic() > deadline:
            raise DeliveryError(f"Kafka has taken no record for {PATIENCE_SECONDS:g} s")

    def _failing(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failure = self._failure or error
            self._failed += 1
