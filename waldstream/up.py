"""The whole system on this machine: real Kafka and Redis, and every role as a supervised child process.

Whatever ends the block ends them all, in order; whatever kills this process kills them too.
"""

import contextlib
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from processors.topics import create_topics
from stack.errors import PortTakenError, StartFailedError
from stack.local import LocalStack
from stack.ports import free_port, require_free
from stack.prometheus import PrometheusServer, find_prometheus
from stack.supervisor import Exit, Program, Supervisor
from waldstream.settings import Settings, child_environment, running_file
from waldstream.terminal import err

#: The first are started at once; the others when the worker has come up, so that counting begins as soon as it can.
FIRST_ROLES, OTHER_ROLES = ("worker", "runner"), ("projector", "exporter", "console")
_WORKER_SECONDS = 20.0
_CONSOLE_SECONDS = 60.0


@dataclass(frozen=True)
class Installation:
    """The running system: `settings` are those that hold in it."""

    settings: Settings
    console_url: str
    logs: Path
    prometheus_url: str | None = None


@contextlib.contextmanager
def installation(settings: Settings, *, with_prometheus: bool = False) -> Iterator[Installation]:
    """Inside the block the whole system runs; the roles come up while the block goes on.

    Raises
    ------
    stack.errors.StackError
        If Kafka, Redis or the Prometheus that is asked for cannot be started.
    """
    if with_prometheus:
        find_prometheus()  # said before anything is started
    data, logs = settings.data, settings.data / "logs"
    with contextlib.ExitStack() as opened:
        try:
            stack = opened.enter_context(LocalStack(data, console=err, kafka_port=9092))
        except PortTakenError:  # by another process, or while Kafka started
            stack = opened.enter_context(LocalStack(data, console=err))
        changed: dict[str, Any] = {
            "kafka_bootstrap_servers": stack.bootstrap_servers,
            "kafka_security_protocol": "plaintext",
            "kafka_properties": {},
            "replication_factor": 1,
            "redis_url": SecretStr(stack.redis_url),
            "console_host": "127.0.0.1",
            "console_port": _port(settings.console_port),
            "console_token": None,
            "console_viewer_token": None,
            "worker_instance_id": "local",
        }
        ports = {
            role: getattr(settings, f"{role}_metrics_port") or free_port() for role in (*FIRST_ROLES, *OTHER_ROLES)
        }
        changed |= {f"{role}_metrics_port": port for role, port in ports.items()}
        here = settings.model_copy(update=changed)
        with err.status("creating the topics"):
            create_topics(here.kafka(), here.topics(), here.partitions)
        opened.enter_context(_announced(running_file(data), changed))
        supervisor = opened.enter_context(Supervisor(logs, on_exit=_report))
        environment = child_environment(changed)
        for roles in (FIRST_ROLES, OTHER_ROLES):
            for role in roles:
                argv = (sys.executable, "-m", "waldstream", role)
                supervisor.start(Program(role, argv, env=environment, restart=True))
            _wait_for_port(here.worker_metrics_port, _WORKER_SECONDS)
        watching = opened.enter_context(_prometheus(data / "prometheus", ports)) if with_prometheus else None
        yield Installation(here, f"http://{here.console_host}:{here.console_port}", logs, watching)


@contextlib.contextmanager
def _prometheus(folder: Path, ports: Mapping[str, int]) -> Iterator[str]:
    """Yield the address of a Prometheus that scrapes the roles on these ports and evaluates our rules."""
    import yaml  # type: ignore[import-untyped]  # its stubs are a distribution of their own

    from grafana import GENERATED
    from grafana.scrape import config

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "prometheus.yml"
    targets = {role: [port] for role, port in ports.items()}
    file.write_text(yaml.safe_dump(config(targets, rules=[str(GENERATED / "prometheus" / "alerts.yml")])), "utf-8")
    with PrometheusServer(folder, file, port=_port(9090)) as server:
        yield server.url


def wait_for_console(running: Installation) -> None:
    """Return once the console answers.

    Raises
    ------
    StartFailedError
        If it does not within a minute.
    """
    deadline = time.monotonic() + _CONSOLE_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(running.console_url, timeout=5):  # noqa: S310  our own loopback address
                return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            time.sleep(0.1)
    raise StartFailedError(f"the console did not answer at {running.console_url}; its log is in {running.logs}")


def _wait_for_port(port: int | None, seconds: float) -> None:
    """Return once somebody listens there, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port or 0), timeout=1):
            return
        time.sleep(0.05)


def _port(wanted: int) -> int:
    """Return the wanted port, or a free one if another process has it."""
    try:
        require_free(wanted, "")
    except PortTakenError:
        return free_port()
    return wanted


@contextlib.contextmanager
def _announced(file: Path, changed: dict[str, Any]) -> Iterator[None]:
    """Inside the block the file tells other commands where the stack is; it holds a password, so it is ours alone."""
    lines = []
    for name, value in changed.items():
        if value is None or isinstance(value, dict):
            continue
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        lines.append(f"{name} = {json.dumps(plain)}\n")  # a JSON string or number is one of TOML too
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.writelines(lines)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _report(end: Exit) -> None:
    again = "" if end.restart_in is None else f"; starting again in {end.restart_in:g} s"
    err.print(f"{end.name} ended with code {end.code}{again} (log: {end.log})")
