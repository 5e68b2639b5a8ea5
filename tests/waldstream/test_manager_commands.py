"""Templates, queues, rejected records and verdicts from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.waldstream.installation import System, run_waldstream, until

_COIN = """
id = "{key}"
[model]
family = "bernoulli"
h0 = {{ p = 0.5 }}
h1 = {{ p = 0.6 }}
[errors]
alpha = 0.05
beta = 0.05
thresholds = "wald"
{more}
"""


def _file(folder: Path, key: str, more: str = "") -> str:
    path = folder / f"{key}.toml"
    path.write_text(_COIN.format(key=key, more=more), "utf-8")
    return str(path)


def _alone(*arguments: str, text: str = "") -> Any:
    return run_waldstream(arguments, {"PATH": "/usr/bin", "COLUMNS": "200"}, text)


def test_a_template_can_be_shown_and_validated_as_it_stands() -> None:
    listed = json.loads(_alone("template", "list", "--json").stdout)
    shown = _alone("template", "show", "acceptance")

    assert {"name": "acceptance", "family": "bernoulli"}.items() <= listed[0].items()
    said = _alone("validate", "-", text=shown.stdout).stdout

    assert said.startswith("acceptance: a valid definition; planned: boundaries -2.2439 and 2.3945 nats; ")
    assert "mean n 81.4 under H0" in said


def test_an_unknown_template_is_code_2_with_those_there_are() -> None:
    result = _alone("template", "show", "horoscope")

    assert result.returncode == 2
    assert "random-numbers" in result.stderr


def test_schemas_are_checked_against_each_other() -> None:
    result = _alone("schemas", "check", "--json")

    assert (result.returncode, json.loads(result.stdout)["problems"]) == (0, [])


@pytest.mark.stack
def test_a_queue_shows_who_runs_who_waits_and_why_and_its_limit_changes_live(system: System, tmp_path: Path) -> None:
    for key in ("bench-a", "bench-b"):
        system.waldstream("run", _file(tmp_path, key, '[schedule]\nqueue = "bench"'))

    def queue() -> Any:
        found = json.loads(system.waldstream("queue", "list", "--json").stdout)
        return next((each for each in found if each["queue"] == "bench"), None)

    until(lambda: (queue() or {}).get("waiting"))
    shown = system.waldstream("queue", "list").stdout
    assert (queue()["limit"], queue()["holding"]) == (1, ["bench-a/1"])
    assert [(it["position"], it["id"]) for it in queue()["waiting"]] == [(1, "bench-b/1")]
    assert "1 of 1 slots are taken" in shown
    assert system.waldstream("queue", "limit", "bench", "2").stdout == "bench: at most 2 runs at once\n"

    until(lambda: not queue()["waiting"])
    assert (queue()["limit"], queue()["holding"]) == (2, ["bench-a/1", "bench-b/1"])


@pytest.mark.stack
def test_rejected_records_are_sent_again_and_count_once(system: System, tmp_path: Path) -> None:
    system.waldstream("observe", "early", "1", "1", "1", "--source", "lab")
    until(lambda: len(json.loads(system.waldstream("rejected", "list", "--experiment", "early", "--json").stdout)) == 3)
    system.waldstream("run", _file(tmp_path, "early"))
    for _ in range(2):
        again = system.waldstream("rejected", "replay", "--experiment", "early", "--json")
        assert json.loads(again.stdout) == {"sent": 3, "unnumbered": 0}, again.stderr
    system.waldstream("observe", "early", *["1"] * 30, "--source", "other", "--batch", "30")

    def run() -> Any:
        return json.loads(system.waldstream("show", "early", "--json").stdout)["runs"][0]

    until(lambda: run()["outcome"])
    decision = json.loads(system.waldstream("watch", "early", "--json").stdout)
    assert decision["counts"] == {"applied": 4, "duplicate": 3}
    assert decision["n"] == 17


@pytest.mark.stack
def test_the_verdict_is_shown_as_a_block_to_copy(system: System, tmp_path: Path) -> None:
    system.waldstream("run", _file(tmp_path, "block", '[stop]\nboundaries = "both"'))
    system.waldstream("observe", "block", *["1"] * 30, "--batch", "30")
    until(lambda: "VERDICT" in system.waldstream("show", "block").stdout)
    shown = system.waldstream("show", "block").stdout

    assert "VERDICT  | H1 ACCEPTED (boundary_upper) at n = 17" in shown
    assert "NOT adjusted for the stop" in shown
