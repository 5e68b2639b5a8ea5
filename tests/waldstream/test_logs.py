"""Log lines: what must not be in them, and that programs can read them."""

import json
from collections.abc import Iterator

import pytest
import structlog

from waldstream import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave structlog as other tests expect it."""
    import logging

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def _fail(password: str) -> None:
    kafka = {"sasl.password": password}
    raise RuntimeError(f"{len(kafka)} property")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_shows_no_local_variable(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    logs.configure(log_format)  # type: ignore[arg-type]  # a parameter
    try:
        _fail("hu" + "sh")
    except RuntimeError:
        structlog.get_logger().exception("broken")

    written = capsys.readouterr().err
    assert "RuntimeError: 1 property" in written
    assert "hush" not in written


def test_json_lines_are_one_object_each(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    structlog.get_logger().info("decided", experiment_id="coin", n=17)

    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["experiment_id"], line["n"], line["level"]) == ("decided", "coin", 17, "info")
