"""What can go wrong for a client, drawn as one tree.

    ProducerError
    +-- UnreachableError         no Kafka broker answers, or it refuses us
    +-- MissingTopicError        the broker answers, but a topic of the installation is not there
    +-- NotAllowedError          a value or field that may not be sent; names it and what is allowed
    +-- DeliveryError            Kafka did not take a record
    +-- ReplyTimeoutError        a command was sent and not answered in time
    +-- SourceError              a built-in source cannot be opened or read

Every message names what was given and what is allowed or to be done.
"""


class ProducerError(Exception):
    """A client's request could not be carried out; the message says why."""


class UnreachableError(ProducerError):
    """No Kafka broker answers at the given address, or it refuses the connection."""


class MissingTopicError(ProducerError):
    """Kafka answers, but a topic of the installation does not exist there."""


class NotAllowedError(ProducerError, ValueError):
    """A value or field outside what the wire format allows; nothing was sent."""


class DeliveryError(ProducerError):
    """Kafka did not take at least one record that was handed over earlier."""


class ReplyTimeoutError(ProducerError):
    """A command was sent, but no reply came before the deadline: it may still be carried out."""


class SourceError(ProducerError):
    """A built-in source cannot be opened, or broke while it was read."""
