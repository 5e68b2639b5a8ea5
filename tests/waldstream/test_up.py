"""`waldstream up` as a user sees it: where it is, that other commands find it, and that it leaves nothing behind."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.children import tied
from tests.grafana.asking import values
from tests.waldstream.installation import environment, run_waldstream, until

pytestmark = pytest.mark.stack


#: Where a Prometheus is installed, one of the two starts it, too.
_WITH_PROMETHEUS = ("--prometheus",) if shutil.which("prometheus") else ()


@contextlib.contextmanager
def starting(folder: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Inside the block `up` runs, or is about to; what it says is in `printed`."""
    command = tied(sys.executable, "-m", "waldstream", "up", *options)
    with (folder / "printed").open("w") as file:
        process = subprocess.Popen(command, env=environment(folder), stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("number", "options"), [(signal.SIGINT, ()), (signal.SIGTERM, _WITH_PROMETHEUS)], ids=["ctrl-c", "sigterm"]
)
def test_up_can_be_used_from_its_folder_and_ends_with_everything_it_started(
    tmp_path: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    own, printed = environment(tmp_path), tmp_path / "printed"
    with starting(tmp_path, *options) as process:
        until(lambda: process.poll() is not None or "Ctrl-C ends everything" in printed.read_text(), 120)
        words = dict(
            line.split(maxsplit=1)
            for line in printed.read_text().splitlines()
            if line.startswith(("console", "metrics"))
        )
        with urllib.request.urlopen(words["console"], timeout=10) as answer:  # noqa: S310  loopback
            assert answer.status == 200
        if options:
            prometheus = words["metrics"].split()[0]
            until(lambda: values(prometheus, 'sum(up{job=~"waldstream-.+"})') == [5.0])
        listed = run_waldstream(("list", "--json"), own)
        assert (listed.returncode, json.loads(listed.stdout)) == (0, []), listed.stderr
        origins = json.loads(run_waldstream(("settings", "--json"), own).stdout)
        assert {entry["origin"] for entry in origins if entry["name"] == "redis_url"} == {"local stack"}
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 7  # Kafka, Redis, five roles
        ports = [c.laddr.port for child in children for c in child.net_connections("tcp") if c.status == "LISTEN"]

        process.send_signal(number)

        assert process.wait(60) == 128 + number
        assert [child for child in children if child.is_running() and child.status() != "zombie"] == []
        listening = [c.laddr.port for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr]
        assert not set(ports) & set(listening)
        assert not (tmp_path / "data" / "running.toml").exists()
        assert run_waldstream(("list",), own | {"WALDSTREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}).returncode == 3


def test_without_a_prometheus_it_is_said_how_to_get_one_before_anything_starts(tmp_path: Path) -> None:
    done = run_waldstream(("up", "--prometheus"), environment(tmp_path) | {"PATH": str(tmp_path)})

    assert done.returncode == 1
    assert "install it (Debian: apt install prometheus)" in done.stderr
    assert not (tmp_path / "data").exists()


def test_up_takes_another_port_if_its_own_is_taken_meanwhile_and_a_second_one_is_told_that_it_is_there(
    tmp_path: Path,
) -> None:
    running = tmp_path / "data" / "running.toml"
    with starting(tmp_path) as first, contextlib.ExitStack() as held:
        until((tmp_path / "data" / "kafka" / "server.properties").exists, 120)  # so the port was found to be free
        with contextlib.suppress(OSError):  # another process has it
            held.enter_context(socket.create_server(("127.0.0.1", 9092)))
        until(running.exists, 120)
        assert tomllib.loads(running.read_text())["kafka_bootstrap_servers"] != "127.0.0.1:9092"

        second = run_waldstream(("up",), environment(tmp_path))

        assert second.returncode == 1
        assert "in use by another local stack" in second.stderr
        assert os.stat(running).st_mode & 0o777 == 0o600  # noqa: PTH116  as the system says it
        first.terminate()
        assert first.wait(60) == 128 + signal.SIGTERM
