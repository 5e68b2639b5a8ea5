"""A transactional producer that takes many records in one call, by the C interface of librdkafka.

confluent-kafka, which brings the library, takes them one at a time, and takes the interpreter's lock once more for the
delivery report of each. A busy batch has tens of thousands, and nobody asks for reports: a transaction is committed or
fails as a whole.
"""

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import c_char, c_char_p, c_int, c_int32, c_size_t, c_ssize_t, c_void_p
from typing import Any, Final

import numpy as np
from confluent_kafka import KafkaError, KafkaException, cimpl

_LIBRARY: Final = ctypes.CDLL(cimpl.__file__)  # finds what the module is linked with
_PRODUCER: Final = 0
_COPY: Final = 2  # the library keeps a copy of its own
_TOPIC, _PARTITION, _VALUE, _KEY, _FLAGS, _HEADER = 1, 3, 4, 5, 7, 9  # of `rd_kafka_vtype_t`

#: `rd_kafka_message_t`.
_MESSAGE: Final = np.dtype(
    [
        ("error", np.int32),
        ("topic", np.uintp),
        ("partition", np.int32),
        ("value", np.uintp),
        ("value_size", np.uintp),
        ("key", np.uintp),
        ("key_size", np.uintp),
        ("offset", np.int64),
        ("opaque", np.uintp),
    ],
    align=True,
)


class _Bytes(ctypes.Structure):
    _fields_ = (("at", c_char_p), ("size", c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (("name", c_char_p), ("at", c_char_p), ("size", c_ssize_t))


class _Content(ctypes.Union):
    _fields_ = (
        ("text", c_char_p),
        ("number", c_int32),
        ("bytes", _Bytes),
        ("header", _Header),
        ("reserved", c_char * 64),
    )


class _Part(ctypes.Structure):
    """`rd_kafka_vu_t`: one part of a record."""

    _fields_ = (("kind", c_int), ("content", _Content))


def _function(name: str, result: Any, *arguments: Any) -> Any:
    found = getattr(_LIBRARY, f"rd_kafka_{name}")
    found.restype, found.argtypes = result, arguments
    return found


_conf_new = _function("conf_new", c_void_p)
_conf_set = _function("conf_set", c_int, c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)
_conf_destroy = _function("conf_destroy", None, c_void_p)
_new = _function("new", c_void_p, c_int, c_void_p, c_char_p, c_size_t)
_destroy = _function("destroy", None, c_void_p)
_topic_new = _function("topic_new", c_void_p, c_void_p, c_char_p, c_void_p)
_topic_destroy = _function("topic_destroy", None, c_void_p)
_init = _function("init_transactions", c_void_p, c_void_p, c_int)
_begin = _function("begin_transaction", c_void_p, c_void_p)
_commit = _function("commit_transaction", c_void_p, c_void_p, c_int)
_flush = _function("flush", c_int, c_void_p, c_int)
_produce = _function("produceva", c_void_p, c_void_p, c_void_p, c_size_t)
_produce_batch = _function("produce_batch", c_int, c_void_p, c_int32, c_int, c_void_p, c_int)
_error_code = _function("error_code", c_int, c_void_p)
_error_string = _function("error_string", c_char_p, c_void_p)
_error_is_fatal = _function("error_is_fatal", c_int, c_void_p)
_error_is_retriable = _function("error_is_retriable", c_int, c_void_p)
_error_requires_abort = _function("error_txn_requires_abort", c_int, c_void_p)
_error_destroy = _function("error_destroy", None, c_void_p)


class TransactionalProducer:
    """A producer with the given properties of librdkafka; what goes wrong is raised as `KafkaException`.

    Raises
    ------
    KafkaException
        If there is no such property, or it cannot have this value.
    """

    def __init__(self, properties: Mapping[str, object]) -> None:
        self._topics: dict[str, int] = {}
        said = ctypes.create_string_buffer(512)
        settings = _conf_new()
        are_set = all(
            _conf_set(settings, name.encode(), str(value).encode(), said, len(said)) == 0
            for name, value in properties.items()
        )
        self._client = _new(_PRODUCER, settings, said, len(said)) if are_set else None
        if self._client is None:
            _conf_destroy(settings)
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, said.value.decode()))  # noqa: SLF001  the library's name

    def init_transactions(self, seconds: float) -> None:
        """Fence whoever had the transactional id before."""
        _check(_init(self._client, _milliseconds(seconds)))

    def begin_transaction(self) -> None:
        """Begin a transaction."""
        _check(_begin(self._client))

    def commit_transaction(self, seconds: float) -> None:
        """Return once everything that was produced is committed."""
        _check(_commit(self._client, _milliseconds(seconds)))

    def flush(self, seconds: float) -> None:
        """Return once everything that was produced is in the log."""
        code = _flush(self._client, _milliseconds(seconds))
        if code != KafkaError.NO_ERROR:
            raise KafkaException(KafkaError(code))

    def produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
    ) -> None:
        """Produce one record."""
        parts = [
            _Part(_TOPIC, _Content(text=topic.encode())),
            _Part(_PARTITION, _Content(number=partition)),
            _Part(_FLAGS, _Content(number=_COPY)),
            _Part(_KEY, _Content(bytes=_Bytes(key, len(key or b"")))),
            _Part(_VALUE, _Content(bytes=_Bytes(value, len(value or b"")))),
        ]
        for name, content in headers:
            parts.append(_Part(_HEADER, _Content(header=_Header(name.encode(), content, len(content or b"")))))
        _check(_produce(self._client, (_Part * len(parts))(*parts), len(parts)))

    def produce_all(self, topic: str, partition: int, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """Produce records of these keys and values, without headers."""
        if not pairs:
            return
        keys, values = zip(*pairs, strict=True)
        messages = np.zeros(len(pairs), _MESSAGE)
        messages["key"], messages["key_size"], all_keys = _side_by_side(keys)
        messages["value"], messages["value_size"], all_values = _side_by_side(values)
        if topic not in self._topics:
            self._topics[topic] = _topic_new(self._client, topic.encode(), None)
        taken = _produce_batch(self._topics[topic], partition, _COPY, messages.ctypes.data, len(messages))
        del all_keys, all_values  # until here the library was reading them
        if taken < len(messages):
            refused = messages["error"][messages["error"] != KafkaError.NO_ERROR]
            raise KafkaException(KafkaError(int(refused[0])))

    def close(self) -> None:
        """End the client; what is not committed never will be."""
        for topic in self._topics.values():
            _topic_destroy(topic)
        _destroy(self._client)


def _side_by_side(texts: Sequence[bytes]) -> tuple[Any, Any, bytes]:
    """Return where each text lies and how long it is, in one text of all, which has to outlive the addresses."""
    joined = b"".join(texts)
    begin = ctypes.cast(c_char_p(joined), c_void_p).value or 0
    sizes = np.fromiter(map(len, texts), np.uintp, len(texts))
    return begin + np.cumsum(sizes, dtype=np.uintp) - sizes, sizes, joined


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _check(error: int | None) -> None:
    """Raise what the library says has gone wrong, if anything has."""
    if error is None:
        return
    told = KafkaError(
        _error_code(error),
        _error_string(error).decode(),
        fatal=bool(_error_is_fatal(error)),
        retriable=bool(_error_is_retriable(error)),
        txn_requires_abort=bool(_error_requires_abort(error)),
    )
    _error_destroy(error)
    raise KafkaException(told)
