"""The local stack leaves nothing behind, however the process that holds it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from confluent_kafka.admin import AdminClient

from stack.errors import DataFolderError, PortTakenError
from stack.local import LocalStack
from stack.ports import require_free
from tests.stack.polling import eventually, gone

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
PARENT = """
import json, signal, sys
from pathlib import Path
from stack.local import LocalStack
from stack.process import sigterm_unwinds

with sigterm_unwinds(), LocalStack(Path(sys.argv[1])) as stack:
    print(json.dumps([stack.kafka.pid, stack.kafka.port, stack.redis.pid, stack.redis.port]), flush=True)
    signal.pause()
"""
HANGING_TEST = """
import os, signal

def test_hangs(kafka, redis_url):
    print(kafka.split(":")[1], redis_url.split(":")[3].split("/")[0], flush=True)
    signal.pause()
"""


def test_both_servers_work_inside_the_block_and_are_gone_after_it(tmp_path: Path) -> None:
    with LocalStack(tmp_path) as stack:
        pids = stack.kafka.pid, stack.redis.pid
        assert AdminClient({"bootstrap.servers": stack.bootstrap_servers}).list_topics(timeout=30).brokers
        with redis.Redis.from_url(stack.redis_url) as client:
            assert client.ping()
        with pytest.raises(DataFolderError, match="in use by another local stack"):
            LocalStack(tmp_path).__enter__()
    assert all(map(gone, pids))


def test_a_failed_start_leaves_nothing_running(tmp_path: Path) -> None:
    with LocalStack(tmp_path / "one") as one:
        two = LocalStack(tmp_path / "two", redis_port=one.redis.port)
        with pytest.raises(PortTakenError, match=f"Redis: port {one.redis.port}"):
            two.__enter__()
        assert not two.kafka.running
        assert one.kafka.running


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_process_that_started_it(number: signal.Signals, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as parent:
        assert parent.stdout is not None
        kafka, kafka_port, redis_server, redis_port = json.loads(parent.stdout.readline())
        parent.send_signal(number)
        parent.wait(60)
    assert eventually(lambda: gone(kafka) and gone(redis_server))
    assert eventually(lambda: free(kafka_port) and free(redis_port))
    cleanly = (tmp_path / "kafka" / "data" / ".kafka_cleanshutdown").exists()
    assert cleanly == (number != signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_servers_of_the_tests_are_gone_when_the_test_run_is_interrupted(
    number: signal.Signals,
    tmp_path: Path,
) -> None:
    (tmp_path / "test_hanging.py").write_text(HANGING_TEST)
    command = (sys.executable, "-m", "pytest", "-q", "-s", "-p", "tests.conftest", "-c", ROOT / "pyproject.toml")
    options = ("--rootdir", ROOT, "--basetemp", tmp_path / "base", tmp_path / "test_hanging.py")
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, cwd=ROOT) as run:
        assert run.stdout is not None
        ports = run.stdout.readline().split()
        assert len(ports) == 2
        run.send_signal(number)
        run.communicate(timeout=60)
    for port in ports:
        assert eventually(lambda port=int(port): free(port))  # type: ignore[misc]  # bound in the loop on purpose


def free(port: int) -> bool:
    try:
        require_free(port, "server")
    except PortTakenError:
        return False
    return True
