"""Real servers for tests marked `stack`: started at first use, shared by the session, gone with it however it ends.

Where several processes run the tests, one of them has all that need servers, so that these are started once.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings

from stack.kafka import KafkaNode
from stack.redis import RedisServer

settings.register_profile("laws", deadline=None)  # how long an example takes is no law
settings.load_profile("laws")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what needs servers."""
    for item in items:
        if any(item.get_closest_marker(name) for name in ("stack", "browser")):
            item.add_marker(pytest.mark.xdist_group("servers"))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of the session's one broker: use topics and group ids of your own, never stop it."""
    node = KafkaNode(tmp_path_factory.mktemp("kafka"))
    node.start()
    yield node.bootstrap_servers
    node.kill()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address, with password, of the session's one Redis: use key prefixes of your own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., KafkaNode]]:
    """Start brokers for this test alone, which it may kill and start again; arguments are those of KafkaNode."""
    nodes: list[KafkaNode] = []

    def start(**arguments: Any) -> KafkaNode:
        node = KafkaNode(tmp_path_factory.mktemp("own-kafka"), **arguments)
        nodes.append(node)
        node.start()
        return node

    yield start
    for node in nodes:
        node.kill()
