"""The scrape configuration names every role's job, and Prometheus takes it."""

from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are a distribution of their own

from grafana.build import COMPOSE
from grafana.scrape import ScrapeError, config, services
from schemas.metrics import ROLES
from tests.grafana.promtool import installed, promtool


def test_a_port_is_one_of_this_machine_and_every_role_has_its_job() -> None:
    found = config({"worker": [9001, "10.0.0.7:9002"], "console": [9003]})["scrape_configs"]

    assert found == [
        {"job_name": "waldstream-worker", "static_configs": [{"targets": ["127.0.0.1:9001", "10.0.0.7:9002"]}]},
        {"job_name": "waldstream-console", "static_configs": [{"targets": ["127.0.0.1:9003"]}]},
    ]


@pytest.mark.parametrize("address", [0, 65_536, -1, "9001", ":9001", "host:", "host:http", ""])
def test_what_is_no_address_is_refused_with_the_role(address: str | int) -> None:
    with pytest.raises(ScrapeError, match=r"worker: given .*; allowed: a port, or host:port"):
        config({"worker": [address]})


def test_a_role_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        ScrapeError, match="role: given 'werker'; allowed: worker, runner, projector, exporter, console"
    ):
        config({"werker": [9001]})


@installed
@pytest.mark.parametrize("kind", ["addresses", "services"])
def test_prometheus_accepts_the_configuration(tmp_path: Path, kind: str) -> None:
    made = config({role: [9000 + i] for i, role in enumerate(ROLES)}) if kind == "addresses" else services(COMPOSE)
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(made))

    assert "SUCCESS" in promtool("check", "config", file)
