"""The catalog of topics: names, keys and configuration, the only place where they are written.

Every topic has the same number of partitions, fixed for life, so that one worker owns all of an experiment.
"""

from dataclasses import dataclass

_MIB = 1024 * 1024
#: The largest record value a producer may send; rejected records carry headers on top of it.
MAX_RECORD_BYTES = _MIB
_REJECTED_HEADROOM = 64 * 1024
#: The largest value that is read: one sent compressed may be larger than the log takes, and could not be sent on.
MAX_VALUE_BYTES = MAX_RECORD_BYTES - 4 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: what it is for, what its key is, and its configuration in Kafka's own words."""

    name: str
    key: str
    purpose: str
    config: tuple[tuple[str, str], ...]

    @property
    def cleanup(self) -> str:
        """Return the cleanup policy, `delete` or `compact`."""
        return dict(self.config)["cleanup.policy"]


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one installation.

    Parameters
    ----------
    prefix
        First part of every name; sets several installations apart on one cluster.
    commands_name
        A topic of its own for commands, so that only workers need to write the control topic; they are carried over
        to it. None where commands are sent to the control topic itself.
    """

    prefix: str = "sprt"
    commands_name: str | None = None

    @property
    def observations(self) -> str:
        """Return the topic of measured values."""
        return f"{self.prefix}.observations"

    @property
    def control(self) -> str:
        """Return the topic of commands, replies, lifecycle events and decisions."""
        return f"{self.prefix}.control"

    @property
    def commands(self) -> str:
        """Return the topic that commands are sent to."""
        return self.commands_name or self.control

    @property
    def has_own_commands(self) -> bool:
        """Return whether commands have a topic of their own."""
        return self.commands != self.control

    @property
    def walks(self) -> str:
        """Return the topic of thinned points of the walks."""
        return f"{self.prefix}.walks"

    @property
    def queues(self) -> str:
        """Return the topic of slot requests and releases."""
        return f"{self.prefix}.queues"

    @property
    def rejected(self) -> str:
        """Return the topic of records that could not be applied, bytes untouched."""
        return f"{self.prefix}.rejected"

    @property
    def archives(self) -> str:
        """Return the topic that says which archives stand."""
        return f"{self.prefix}.archives"

    @property
    def state(self) -> str:
        """Return the compacted topic of state and position rows."""
        return f"{self.prefix}.state"

    def all(self) -> tuple[Topic, ...]:
        """Return every topic with its configuration."""
        stamped = (("message.timestamp.type", "LogAppendTime"), ("max.message.bytes", str(MAX_RECORD_BYTES)))
        forever = (("cleanup.policy", "delete"), ("retention.ms", "-1"))
        large = ("max.message.bytes", str(4 * _MIB))
        passing = (("cleanup.policy", "delete"), ("retention.ms", str(90 * 24 * 3600 * 1000)))
        own = (
            Topic(self.commands, "experiment id", "commands, on their way to the control topic", (*passing, *stamped)),
        )
        return (
            Topic(
                self.observations,
                "experiment id",
                "measured values",
                (("cleanup.policy", "delete"), ("retention.ms", str(365 * 24 * 3600 * 1000)), *stamped),
            ),
            Topic(
                self.control,
                "experiment id",
                "commands, replies, lifecycle events, decisions",
                (*forever, *stamped),
            ),
            Topic(
                self.walks,
                "experiment id",
                "thinned points of the walks",
                (("cleanup.policy", "delete"), ("retention.ms", str(90 * 24 * 3600 * 1000))),
            ),
            Topic(
                self.queues,
                "queue name",
                "slot requests and releases",
                (("cleanup.policy", "delete"), ("retention.ms", str(90 * 24 * 3600 * 1000)), *stamped),
            ),
            Topic(
                self.rejected,
                "as the source",
                "records that could not be applied, bytes untouched, the reason in headers",
                (
                    ("cleanup.policy", "delete"),
                    ("retention.ms", str(90 * 24 * 3600 * 1000)),
                    ("max.message.bytes", str(MAX_RECORD_BYTES + _REJECTED_HEADROOM)),
                ),
            ),
            Topic(self.archives, "experiment id", "which archives stand, with manifest digest", (*forever, *stamped)),
            Topic(
                self.state,
                "experiment id",
                "state rows and position rows",
                (("cleanup.policy", "compact"), ("min.compaction.lag.ms", "60000"), large),
            ),
            *(own if self.has_own_commands else ()),
        )
