"""How fast the Python client sends what lies in arrays: the time ends when Kafka has taken every record."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from bench.backlog import PARTITIONS
from bench.running import own_topics
from processors.topics import create_topics
from processors.watermarks import Watermarks
from producers.client import Client
from schemas.topics import Topics

_TOPICS: Final = Topics("sending")
_EXPERIMENTS: Final = 8  # one after the other, as a client does that has their arrays


@dataclass(frozen=True)
class Sent:
    """Records sent and found in the log, records per second, seconds of processor time for each."""

    encoding: Literal["avro", "json"]
    values: int
    records: int
    in_log: int
    rate: float
    cpu_per_record: float

    @property
    def what(self) -> str:
        """Return what was sent, as the tables name it."""
        plural = "" if self.values == 1 else "s"
        return f"{self.values} observation{plural}, {'Avro' if self.encoding == 'avro' else 'JSON'}"


def sent(kafka: Mapping[str, str], records: int, values: int, encoding: Literal["avro", "json"] = "avro") -> Sent:
    """Return how `Client.observe_many` sends about so many records of so many observations."""
    each = records // _EXPERIMENTS
    column = (np.random.default_rng(7).random(each * values) < 0.5).astype(np.float64)
    with own_topics(kafka):
        create_topics(kafka, _TOPICS, PARTITIONS)
        with Client(kafka, _TOPICS, encoding=encoding) as client:
            began, spent = time.monotonic(), time.process_time()
            for number in range(_EXPERIMENTS):
                client.observe_many(f"exp-{number}", column, per_record=values)
            client.flush()
            seconds, spent = time.monotonic() - began, time.process_time() - spent
        in_log = sum(Watermarks(kafka).ends(_TOPICS.observations, range(PARTITIONS)).values())
    done = each * _EXPERIMENTS
    return Sent(encoding, values, done, in_log, done / seconds, spent / done)
