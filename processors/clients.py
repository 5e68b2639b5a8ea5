"""How the worker talks to Kafka: by librdkafka for the data, by Faust for membership, from one set of properties.

The limits of the queues keep memory flat under any backlog; the short back-off keeps them from starving the reader.
"""

import math
import ssl
import time
from collections.abc import Mapping
from typing import Any

import faust
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processors.librdkafka import TransactionalProducer

#: A record's value as the log takes it, state rows included; what is larger never reaches a producer.
_LARGEST_MESSAGE = 4 * 1024 * 1024
_TRANSACTION_TIMEOUT_MS = 30_000
_REQUEST_TIMEOUT_MS = 10_000

#: What a read answers while a partition's leader moves or restarts; the client asks again by itself. Everything else
#: ends the worker: after a record that cannot be read, for one, the client would go on behind it.
TRANSIENT = frozenset(
    {
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError._TRANSPORT,  # noqa: SLF001  the library's names for its local errors
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001  same
        KafkaError._TIMED_OUT,  # noqa: SLF001  same
    }
)

#: What the worker's lasting clients of librdkafka are given. Its lines to stderr, one per client and attempt,
#: would bury ours: only what is critical. And a broker that has come back is found at once, not after the ten
#: seconds that its pauses may grow to.
QUICK_AND_QUIET = {"log_level": 2, "reconnect.backoff.max.ms": 1000}
_NOT_KNOWN_YET = frozenset({KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART})  # noqa: SLF001  same
_OUTAGE_SECONDS = 10.0
_PATIENCE_SECONDS = 20.0

_log = structlog.get_logger("worker")
_last_outage = -math.inf


def edges(consumer: Consumer, part: TopicPartition) -> tuple[int, int]:
    """Return where a partition begins and ends; one that was just created, or whose leader moves, is asked again.

    Raises
    ------
    KafkaException
        If there is no answer for long, or another error.
    """
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            low, end = consumer.get_watermark_offsets(part, timeout=_PATIENCE_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in TRANSIENT | _NOT_KNOWN_YET or time.monotonic() > give_up:
                raise
            time.sleep(0.1)  # the leader moves, or the broker hears of the topic, meanwhile
        else:
            return low, end


def transactional(kafka: Mapping[str, str], transactional_id: str) -> dict[str, str | int]:
    """Return the properties of a producer that fences whoever had this id, once its transactions are initialised."""
    return {
        "compression.type": "lz4",
        "linger.ms": 100,  # a commit flushes at once; until then records gather into large batches
        "queue.buffering.max.messages": 0,  # one transaction at a time: its batch is the bound
        "message.max.bytes": _LARGEST_MESSAGE,
        **QUICK_AND_QUIET,
        **kafka,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
    }


def transactional_producer(kafka: Mapping[str, str], transactional_id: str) -> TransactionalProducer:
    """Return the producer of a partition."""
    return TransactionalProducer(transactional(kafka, transactional_id))


def reader(kafka: Mapping[str, str], group: str) -> Consumer:
    """Return a consumer of committed records that is only ever assigned; `group` holds no members, just offsets."""
    return Consumer(
        {
            "queued.min.messages": 50_000,
            "queued.max.messages.kbytes": 32_768,
            "max.partition.fetch.bytes": 262_144,
            "fetch.queue.backoff.ms": 5,  # with the default of 1 s the small queues above would make the reader sleep
            **QUICK_AND_QUIET,
            "error_cb": _tell_outage,
            **kafka,
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",  # retention that overtook the position is an alarm, never a jump
        }
    )


def loader(kafka: Mapping[str, str], group: str) -> Consumer:
    """Return a reader for a log that is read to its end, which is told by an answer without records: none is late."""
    return reader({"fetch.wait.max.ms": "10", **kafka}, group)


def _tell_outage(error: KafkaError) -> None:
    """Say that no broker answers, once in a while for all clients; they go on trying by themselves."""
    global _last_outage  # noqa: PLW0603  one rhythm for all clients of the process
    if error.code() == KafkaError._ALL_BROKERS_DOWN and time.monotonic() > _last_outage + _OUTAGE_SECONDS:  # noqa: SLF001  the library's name for a local error
        _last_outage = time.monotonic()
        _log.warning("kafka_unreachable", error=error.str())


def fetching_settings(kafka: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings by which aiokafka's client talks to the same cluster, as of `faust_settings`."""
    credentials = _credentials(kafka)
    protocol = kafka.get("security.protocol", "PLAINTEXT").upper()
    settings = {
        "bootstrap_servers": kafka["bootstrap.servers"],
        "request_timeout_ms": _REQUEST_TIMEOUT_MS,
        "security_protocol": protocol,
        "ssl_context": _tls(kafka) if protocol in ("SSL", "SASL_SSL") else None,
    }
    if isinstance(credentials, faust.SASLCredentials):
        settings |= {
            "sasl_mechanism": credentials.mechanism.value,
            "sasl_plain_username": credentials.username,
            "sasl_plain_password": credentials.password,
        }
    return settings


def faust_settings(kafka: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings by which Faust's own client joins the same cluster.

    Raises
    ------
    ValueError
        If the security properties are none that both clients know.
    """
    servers = [server.strip() for server in kafka["bootstrap.servers"].split(",")]
    return {"broker": [f"kafka://{server}" for server in servers], "broker_credentials": _credentials(kafka)}


def _credentials(kafka: Mapping[str, str]) -> faust.SASLCredentials | faust.SSLCredentials | None:
    protocol = kafka.get("security.protocol", "PLAINTEXT").upper()
    if protocol == "PLAINTEXT":
        return None
    if protocol == "SSL":
        return faust.SSLCredentials(_tls(kafka))
    if protocol not in ("SASL_PLAINTEXT", "SASL_SSL"):
        raise ValueError(f"security.protocol: {protocol}; allowed: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL")
    mechanism = kafka.get("sasl.mechanism") or kafka.get("sasl.mechanisms") or "PLAIN"
    if mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        raise ValueError(f"sasl.mechanism: {mechanism}; allowed: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512")
    return faust.SASLCredentials(
        username=kafka.get("sasl.username"),
        password=kafka.get("sasl.password"),
        mechanism=mechanism,
        ssl_context=_tls(kafka) if protocol == "SASL_SSL" else None,
    )


def _tls(kafka: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=kafka.get("ssl.ca.location"))
    if certificate := kafka.get("ssl.certificate.location"):
        context.load_cert_chain(certificate, kafka.get("ssl.key.location"), kafka.get("ssl.key.password"))
    if kafka.get("ssl.endpoint.identification.algorithm", "https") == "none":
        context.check_hostname = False
    if kafka.get("enable.ssl.certificate.verification", "true") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
