import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.ground import NODES, Ground
from tests.faults.report import Report
from tests.faults.scene import Scene
from tests.faults.warm import WarmWorker
from tests.processors.installation import Installation

_report = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_report] = Report()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the rows on to `make faults`, or show them to who runs a part."""
    report = session.config.stash[_report]
    if part := os.environ.get("FAULTS_PART"):
        Path(part).write_text(report.dump())
    elif report.rows:
        print("\n" + report.text())  # noqa: T201  for who runs a part


@pytest.fixture
def installation(kafka: str, tmp_path: Path) -> Iterator[Installation]:
    """An installation without a worker on the session's one broker; whatever a test starts in it is ended."""
    made = Installation(kafka, tmp_path, launch=WarmWorker)
    yield made
    made.close()


@pytest.fixture(scope="session", params=NODES, ids=["one-node", "three-nodes"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The brokers of the fault runs, which a scenario may hurt."""
    made = Ground(tmp_path_factory.mktemp("ground"), request.param)
    yield made
    made.close()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """The table that `make faults` writes."""
    return request.config.stash[_report]


@pytest.fixture
def scene(ground: Ground, report: Report, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Make scenes: an installation and a workload on the brokers of the fault runs."""
    ground.heal()
    made: list[Scene] = []

    def make(name: str, **options: Any) -> Scene:
        folder = tmp_path / f"scene-{len(made)}"
        folder.mkdir()
        made.append(Scene(ground, folder, name, report, **options))
        return made[-1]

    yield make
    ground.heal()
    for it in made:
        it.close()
