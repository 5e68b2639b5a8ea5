"""Prometheus, where it is installed, starts with the given configuration and refuses a wrong one with its own words."""

import json
import shutil
import urllib.request
from pathlib import Path

import pytest

from stack.errors import ProgramNotFoundError, StartFailedError
from stack.prometheus import PrometheusServer, find_prometheus

installed = pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus on PATH")


@installed
def test_it_answers_with_the_given_configuration(tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_text("global: {scrape_interval: 7s}\n")
    with (
        PrometheusServer(tmp_path / "data", config) as server,
        urllib.request.urlopen(f"{server.url}/api/v1/status/config") as answer,  # noqa: S310  our own server on loopback
    ):
        assert "scrape_interval: 7s" in json.load(answer)["data"]["yaml"]
    assert not server.running


@installed
def test_a_wrong_configuration_is_refused_with_the_reason(tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_text("nonsense: true\n")
    with pytest.raises(StartFailedError, match="field nonsense not found"):
        PrometheusServer(tmp_path / "data", config).start()


def test_a_missing_program_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramNotFoundError, match="no `prometheus` on PATH"):
        find_prometheus()
