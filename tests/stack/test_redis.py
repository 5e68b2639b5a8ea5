"""Redis, from the system or from the wheel, asks for its password and keeps it where only its user can read."""

import socket
from pathlib import Path

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from stack.errors import PortTakenError, ProgramNotFoundError
from stack.ports import LOOPBACK
from stack.redis import RedisServer, bundled_redis, find_redis

pytestmark = pytest.mark.stack

PROGRAMS = [pytest.param(bundled_redis(), id="wheel"), pytest.param(None, id="found")]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_password_is_needed(program: Path | None, tmp_path: Path) -> None:
    with RedisServer(tmp_path, program=program) as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.set("key", "value")
            assert client.get("key") == b"value"
        for wrong in (None, "guess"):
            once = Retry(NoBackoff(), 0)
            stranger = redis.Redis(LOOPBACK, server.port, password=wrong, retry=once)
            with stranger as client, pytest.raises(redis.AuthenticationError):
                client.get("key")


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_password_is_in_a_file_of_the_user_alone(program: Path | None, tmp_path: Path) -> None:
    with RedisServer(tmp_path, program=program) as server:
        password = server.url.split(":")[2].split("@")[0]
        assert len(password) >= 32
        assert password not in " ".join(psutil.Process(server.pid).cmdline())
        config = tmp_path / "redis.conf"
        assert password in config.read_text()
        assert config.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_listens_on_loopback_alone_and_leaves_no_data(program: Path | None, tmp_path: Path) -> None:
    with RedisServer(tmp_path, program=program) as server:
        listening = [c for c in psutil.Process(server.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert {c.laddr for c in listening} == {(LOOPBACK, server.port)}
        with redis.Redis.from_url(server.url) as client:
            client.set("key", "value")
    assert not server.running
    assert {path.name for path in tmp_path.iterdir()} == {"redis.conf", "redis.log"}


def test_port_and_password_survive_a_kill(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        url = server.url
        server.kill()
        server.start()
        assert server.url == url
        with redis.Redis.from_url(url) as client:
            assert client.ping()


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"Redis: port {port}"):
            RedisServer(tmp_path, port=port).start()


def test_a_missing_program_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotFoundError, match="absent is not a file"):
        find_redis(tmp_path / "absent")
