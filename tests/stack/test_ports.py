"""Free ports are free and distinct; a taken one is named with its owner."""

import os
import socket

import pytest

from stack.errors import PortTakenError, StackError
from stack.ports import LOOPBACK, _first_ephemeral, free_port, listens, require_free


def test_free_ports_are_distinct_and_no_client_is_given_them() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert max(ports) < _first_ephemeral()


def test_a_taken_port_is_named_with_its_owner() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert listens(os.getpid(), port)
        with pytest.raises(PortTakenError, match=rf"Kafka: port {port} on 127.0.0.1 is taken by process {os.getpid()}"):
            require_free(port, "Kafka")
    assert not listens(os.getpid(), port)
    require_free(port, "Kafka")


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(StackError, match=f"port {port} is not between 1 and 65535"):
        require_free(port, "Redis")
