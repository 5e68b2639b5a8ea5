"""The API on the whole system: real worker, runner, exporter and projector behind it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from playwright.sync_api import Browser, expect

from producers.client import Client
from stack.ports import free_port
from stack.process import Child
from tests.waldstream.installation import System, installed, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


COIN = {
    "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
    "errors": {"alpha": 0.01, "beta": 0.01, "thresholds": "wald"},
}


@dataclass(frozen=True)
class Whole:
    """The system, where its console is, and how to start another worker."""

    system: System
    url: str


@pytest.fixture(scope="module")
def whole(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """Everything but the worker, which tests start and kill."""
    folder, port = tmp_path_factory.mktemp("whole"), free_port()
    with installed(kafka, redis_url, folder, ("runner", "exporter", "projector")) as system:
        own = system.environment | {"WALDSTREAM_CONSOLE_PORT": str(port)}
        argv = (sys.executable, "-m", "waldstream", "console")
        with Child("console", argv, log=folder / "logs" / "console.log", env=own):
            url = f"http://127.0.0.1:{port}"
            until(lambda: _answers(url), 180)
            yield Whole(system, url)


def worker(whole: Whole) -> Child:
    argv = (sys.executable, "-m", "waldstream", "worker")
    return Child("worker", argv, log=whole.system.folder / "logs" / "worker.log", env=whole.system.environment)


def test_the_curl_lines_of_the_documentation_do_what_they_say(whole: Whole, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    page = (Path(__file__).parents[2] / "docs" / "10-api.md").read_text("utf-8")
    blocks = [block for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if "curl" in block]

    def shell(block: str) -> bytes:
        command = ("bash", "-c", f"URL={whole.url}\n{block}")
        return subprocess.run(command, capture_output=True, check=True, timeout=120, cwd=tmp_path).stdout

    run, refused, listed, experiment, one_run, path, zipped, manifest = blocks
    with worker(whole):
        until(lambda: _can_command(whole.url), 120)
        replied = json.loads(shell(run))
        assert replied["status"] == "accepted"
        assert {error["field"] for error in json.loads(shell(refused))["errors"]} >= {"model.h0.p"}
        until(lambda: json.loads(shell(listed))["items"][0]["state"] == "ARCHIVED", 120)
        decided = json.loads(shell(one_run))
        kinds = [entry["type"] for entry in json.loads(shell(experiment))["timeline"] if entry["kind"] == "event"]
        shell(zipped)

    assert decided["decision"]["counts"]["applied"] == decided["run"]["n"]
    assert json.loads(shell(path))["points"][-1]["n"] == decided["run"]["n"]
    assert kinds[:2] == ["defined", "started"]
    assert "report.pdf" in json.loads(shell(manifest))["files"]
    assert any(name.endswith("manifest.json") for name in ZipFile(tmp_path / "curl-coin.zip").namelist())


@pytest.mark.browser
def test_a_page_outlives_a_killed_worker_and_goes_on_by_itself(whole: Whole, browser: Browser) -> None:
    system, name = whole.system, "outlives"
    context = browser.new_context(base_url=whole.url)
    page = context.new_page()
    applied = page.get_by_role("region", name="Numbers").locator(".figure").first.locator(".value")
    with Client(system.kafka, system.topics, actor="ana") as client:
        with worker(whole) as doomed:
            until(lambda: _can_command(whole.url), 120)
            client.run({"id": name, **COIN})
            client.observe(name, [1.0, 0.0] * 10)
            client.flush()
            page.goto(f"/experiments/{name}")
            expect(applied).to_have_text("20", timeout=60_000)
            page.evaluate("window.stillTheSamePage = true")
            os.kill(doomed.pid, signal.SIGKILL)
            doomed.wait(30)
        client.observe(name, [1.0, 0.0] * 7)
        client.flush()
        expect(page.get_by_role("status").filter(has_text="Running")).to_be_visible()
        with worker(whole):
            expect(applied).to_have_text("34", timeout=60_000)
    assert page.evaluate("window.stillTheSamePage") is True
    context.close()


def test_schemathesis_finds_no_breach_of_the_contract(whole: Whole) -> None:
    if not SCHEMATHESIS.exists():
        pytest.skip(f"schemathesis is not there, in an environment of its own; install it with: {_INSTALL}")
    with worker(whole):
        until(lambda: _can_command(whole.url), 120)
        command = (str(SCHEMATHESIS), "run", f"{whole.url}/api/v1/openapi.json", *_HOW)
        found = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=540)

    assert found.returncode == 0, found.stdout[-6000:]


#: Not in our own environment: its requests would meet the urllib3 that grafana-client brings.
SCHEMATHESIS = Path(__file__).parents[2] / ".waldstream" / "schemathesis" / "bin" / "st"
_INSTALL = "python3 -m venv .waldstream/schemathesis && .waldstream/schemathesis/bin/pip install schemathesis"
_HOW = (
    "--checks=all",
    "--phases=examples,coverage,fuzzing",
    "--max-examples=15",
    "--no-color",
    "--request-timeout=40",
    "--suppress-health-check=all",
)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/experiments", timeout=20).status_code == 200
    except httpx.TransportError:
        return False


def _can_command(url: str) -> Any:
    body = {"type": "start", "experiment_id": "nobody"}
    return httpx.post(f"{url}/api/v1/commands", json=body, timeout=60).status_code == 409
