"""The configuration files of a Kafka node as pure text: server.properties and log4j2.properties."""

from collections.abc import Mapping
from pathlib import Path

from stack.ports import LOOPBACK

MESSAGE_MAX_BYTES = 2 * 1024 * 1024
"""Largest batch a topic takes unless it sets its own limit: rows of state and 10 000 values fit."""


def server_properties(
    *,
    node_id: int,
    port: int,
    voters: Mapping[int, int],
    data: Path,
    overrides: Mapping[str, str],
) -> str:
    """Return the properties of one node that is broker and controller at once.

    Parameters
    ----------
    node_id
        This node, one of the voters.
    port
        Where clients connect, on loopback.
    voters
        Controller port of each node of the cluster by node id.
    data
        Folder of the logs.
    overrides
        Properties that replace or follow those chosen here.
    """
    replicas = len(voters)
    in_sync = 2 if replicas > 1 else 1
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{voters[node_id]}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": ",".join(f"{i}@{LOOPBACK}:{p}" for i, p in sorted(voters.items())),
        "log.dirs": str(data),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "default.replication.factor": str(replicas),
        "min.insync.replicas": str(in_sync),
        **{
            f"{topic}.{setting}": str(value)
            for topic in ("transaction.state.log", "share.coordinator.state.topic")
            for setting, value in (("replication.factor", replicas), ("min.isr", in_sync))
        },
        "offsets.topic.replication.factor": str(replicas),
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(MESSAGE_MAX_BYTES),
        "log.cleaner.dedupe.buffer.size": "4194304",  # the default of 128 MB does not fit a small heap
        # A node that was killed may register again only after its last session: this bounds the restart.
        "broker.session.timeout.ms": "6000",
        "num.network.threads": "2",
        "num.io.threads": "2",
    }
    if replicas > 1:
        properties |= {
            "unclean.leader.election.enable": "false",
            "replica.lag.time.max.ms": "5000",
        }
    properties |= overrides
    return "".join(f"{key}={_escaped(value)}\n" for key, value in properties.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def log4j2_properties(log: Path, ready_logger: str) -> str:
    """Return a log4j2 configuration: warnings, and the information of one logger, to a file that is rolled at 20 MB."""
    return f"""\
status=WARN
rootLogger.level=WARN
rootLogger.appenderRef.f.ref=F
appender.f.type=RollingFile
appender.f.name=F
appender.f.fileName={_escaped(str(log))}
appender.f.filePattern={_escaped(str(log))}.%i
appender.f.policies.type=Policies
appender.f.policies.size.type=SizeBasedTriggeringPolicy
appender.f.policies.size.size=20MB
appender.f.strategy.type=DefaultRolloverStrategy
appender.f.strategy.max=3
appender.f.layout.type=PatternLayout
appender.f.layout.pattern=%d %p %c %m%n
logger.s.name={ready_logger}
logger.s.level=INFO
"""
