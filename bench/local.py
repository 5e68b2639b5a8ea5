"""A whole installation for a benchmark: `waldstream up` in a folder of its own, ended with the block."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

_START_SECONDS: Final = 300.0


@dataclass(frozen=True)
class Local:
    """Where the installation is: address of the console, of Kafka, of Redis with its password, and its folder."""

    url: str
    kafka: str
    redis_url: str
    folder: Path

    def until(self, condition: Any, what: str, seconds: float = 120.0) -> Any:
        """Return the condition's first true value.

        Raises
        ------
        TimeoutError
            If there is none in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.05)  # between two looks
        raise TimeoutError(f"not within {seconds:g} s: {what}")

    def command(self, kind: str, experiment_id: str, **more: Any) -> dict[str, Any]:
        """Return the reply to a command sent through the API.

        Raises
        ------
        httpx.HTTPStatusError
            If it is not accepted.
        """
        body = {"type": kind, "experiment_id": experiment_id, "actor": "bench", **more}
        answer = httpx.post(f"{self.url}/api/v1/commands", json=body, timeout=60)
        answer.raise_for_status()
        return dict(answer.json())

    def list(self, **query: Any) -> dict[str, Any]:
        """Return a page of the API's list of runs."""
        return dict(httpx.get(f"{self.url}/api/v1/experiments", params=query, timeout=60).json())


@contextlib.contextmanager
def local() -> Iterator[Local]:
    """Inside the block the whole system runs on this machine, with an empty log.

    Raises
    ------
    TimeoutError
        If it does not come up within five minutes.
    """
    with tempfile.TemporaryDirectory(prefix="waldstream-bench-") as name:
        folder = Path(name)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("WALDSTREAM_")}
        environment = kept | {
            "WALDSTREAM_DATA": str(folder / "data"),
            "WALDSTREAM_ARCHIVES": str(folder / "archives"),
            "PYTHONPATH": str(Path(__file__).parent.parent),
        }
        command = (sys.executable, "-m", "waldstream", "up")
        with (folder / "up.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)  # noqa: S603  our own command
            try:
                yield _found(process, folder)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)


def _found(process: "subprocess.Popen[bytes]", folder: Path) -> Local:
    running = folder / "data" / "running.toml"
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise TimeoutError(f"waldstream up ended: {(folder / 'up.log').read_text('utf-8', 'replace')}")
        if running.exists():
            given = tomllib.loads(running.read_text("utf-8"))
            url = f"http://{given['console_host']}:{given['console_port']}"
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/api/v1/experiments", timeout=5).status_code == 200:
                    return Local(url, given["kafka_bootstrap_servers"], given["redis_url"], folder)
        time.sleep(0.1)  # between two looks
    raise TimeoutError(f"waldstream up has not come up within {_START_SECONDS:g} s")
