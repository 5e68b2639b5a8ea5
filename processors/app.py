"""The Faust app: membership of the group, assignment of partitions, and the agent that computes.

Faust's own consumer stays in the group with its partitions paused, so it never fetches; its commits, tables and web
server are off. Where its parts are bent, they are bent here.
"""

from typing import Any, ClassVar

import faust
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver

from processors import clients
from processors.config import WorkerConfig


class _RebalanceListener(driver.ConsumerRebalanceListener):
    """Pauses every assigned partition before the first fetch of the new assignment."""

    async def on_partitions_assigned(self, assigned: Any) -> None:
        if assigned:  # an empty set would mean all of them
            self._thread._ensure_consumer().pause(*assigned)  # noqa: SLF001  aiokafka's consumer has no public way in
        await super().on_partitions_assigned(assigned)


class _Consumer(driver.Consumer):
    RebalanceListener: ClassVar[Any] = _RebalanceListener

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Say nothing: the watch for consumers that never fetch would take ours for dead."""


class _Transport(driver.Transport):
    Consumer: ClassVar[Any] = _Consumer


class _NoTables(TableManager):
    """There are none: Faust's wait of a second for their registration would delay every start by as much."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class _App(faust.App):
    def _new_transport(self) -> _Transport:
        return _Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Make none: nothing is kept on disk."""


def create_app(config: WorkerConfig) -> faust.App:
    """Return the app that joins the group `app_id` for the partitions of the observations.

    A partition stands for all inputs of that number. The app has no agent yet; nothing is connected to its signals.
    """
    app = _App(
        config.app_id,
        **clients.faust_settings(config.kafka),
        TableManager=_NoTables,
        web_enabled=False,
        topic_disable_leader=True,  # no election topic: nothing here needs a leader
        topic_allow_declare=False,  # topics are created by `waldstream topics create` alone
        stream_wait_empty=False,  # nothing is lost when the channel is cleared
        broker_session_timeout=config.session_seconds,
        broker_heartbeat_interval=config.session_seconds / 5,
        consumer_group_instance_id=config.instance_id,
    )
    app.topics.add(app.topic(config.topics.observations))
    return app
