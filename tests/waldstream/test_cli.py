"""The command line from outside: what it prints and with which code it ends."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waldstream.installation import System, environment, run_waldstream, until

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
"""


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose Kafka address refuses connections."""
    with socket.socket() as taken:  # bound but not listening
        taken.bind(("127.0.0.1", 0))
        yield environment(tmp_path, kafka_bootstrap_servers=f"127.0.0.1:{taken.getsockname()[1]}")


def _file(folder: Path, key: str) -> str:
    path = folder / f"{key}.toml"
    path.write_text(_COIN.format(key=key), "utf-8")
    return str(path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("observe", "coin", "1"),
        ("topics", "create"),
        ("worker",),
        ("runner",),
        ("exporter",),
        ("projector",),
    ],
    ids=" ".join,
)
def test_an_unreachable_kafka_is_one_line_and_code_3(alone: dict[str, str], arguments: tuple[str, ...]) -> None:
    result = run_waldstream(arguments, alone)

    assert result.returncode == 3, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert alone["WALDSTREAM_KAFKA_BOOTSTRAP_SERVERS"] in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Usage"),
        (("toss",), "No such command 'toss'"),
        (("observe", "coin", "heads"), "heads"),
        (("observe", "coin", "1", "--arm", "c"), "--arm"),
        (("list", "--state", "happy"), "allowed: DEFINED"),
        (("run", "absent.toml"), "absent.toml"),
        (("verify", "absent"), "absent"),
    ],
)
def test_wrong_usage_is_code_2_with_what_is_allowed(
    alone: dict[str, str], arguments: tuple[str, ...], words: str
) -> None:
    result = run_waldstream(arguments, alone)

    assert result.returncode == 2
    assert words in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_wrong_settings_are_code_2(alone: dict[str, str]) -> None:
    result = run_waldstream(("settings",), alone | {"WALDSTREAM_PARTITIONS": "none"})

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("partitions (WALDSTREAM_PARTITIONS): given 'none'; ")


@pytest.mark.parametrize("command", ["validate", "design", "define", "run"])
def test_a_wrong_definition_is_code_1_with_every_field(alone: dict[str, str], tmp_path: Path, command: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(_COIN.format(key="coin").replace("0.05", "7").replace("0.6", "1.6"), "utf-8")

    result = run_waldstream((command, str(path)), alone)

    assert result.returncode == 1
    for field in ("model.h1.p: given 1.6", "errors.alpha: given 7", "errors.beta: given 7"):
        assert field in result.stderr


def test_a_definition_comes_from_standard_input_too(alone: dict[str, str]) -> None:
    result = run_waldstream(("validate", "-"), alone, _COIN.format(key="piped"))

    assert result.returncode == 0
    assert result.stdout.startswith("piped: a valid definition; planned: boundaries -2.9444 and 2.9444 nats; achieved ")


def test_the_problems_of_a_definition_are_json_for_programs(alone: dict[str, str]) -> None:
    result = run_waldstream(("validate", "-", "--json"), alone, _COIN.format(key="Wrong Id"))

    assert result.returncode == 1
    assert [problem["field"] for problem in json.loads(result.stdout)["problems"]] == ["id"]
    assert "id: given 'Wrong Id'; allowed: the pattern [a-z0-9][a-z0-9._-]{0,62}" in result.stderr


def test_a_design_is_shown_with_its_thresholds(alone: dict[str, str], tmp_path: Path) -> None:
    result = run_waldstream(("design", _file(tmp_path, "coin"), "--json"), alone)

    shown = json.loads(result.stdout)
    assert shown["solution"]["upper"] == pytest.approx(2.9444389791664403)  # log(0.95 / 0.05)
    assert shown["solution"]["lower"] == pytest.approx(-2.9444389791664403)
    modes = {mode["mode"]: mode for mode in shown["modes"]}
    assert list(modes) == ["wald", "ville", "siegmund", "exact"]
    assert modes["exact"]["alpha"] <= 0.05
    assert modes["exact"]["mean_n_h0"] < modes["ville"]["mean_n_h0"]


@pytest.mark.parametrize(("ending", "begins"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_design_is_drawn(alone: dict[str, str], tmp_path: Path, ending: str, begins: bytes) -> None:
    drawn = tmp_path / f"design.{ending}"
    result = run_waldstream(("design", _file(tmp_path, "coin"), "--pictures", str(drawn)), alone)

    assert (result.returncode, result.stderr.splitlines()[-1]) == (0, f"pictures written to {drawn}")
    assert drawn.read_bytes().startswith(begins)
    assert "wald (this design)" in result.stdout


def test_pictures_of_no_known_format_are_wrong_usage(alone: dict[str, str], tmp_path: Path) -> None:
    result = run_waldstream(("design", _file(tmp_path, "coin"), "--pictures", str(tmp_path / "a.gif")), alone)

    assert result.returncode == 2
    assert "allowed: .svg, .png, .pdf" in result.stderr


def test_the_committed_schemas_are_those_of_the_events(alone: dict[str, str]) -> None:
    assert run_waldstream(("schemas", "check"), alone).returncode == 0


def _documents(system: System, key: str) -> Any:
    return json.loads(system.waldstream("show", key, "--json").stdout)


@pytest.mark.stack
def test_an_experiment_from_file_to_verified_archive(system: System, tmp_path: Path) -> None:
    started = system.waldstream("run", _file(tmp_path, "whole"), "--reason", "to see it run")
    assert started.returncode == 0, started.stderr
    assert started.stdout.startswith("whole: accepted: defined, started; planned: boundaries ")
    sent = system.waldstream("observe", "whole", *["1"] * 20, "--source", "me", "--batch", "10")
    assert (sent.returncode, sent.stdout) == (0, "whole: 20 observations sent as me\n")
    watched = system.waldstream("watch", "whole")
    assert (watched.returncode, watched.stdout) == (0, "whole run 1: accept_h1 (boundary_upper), n = 17\n")

    archived = until(
        lambda: [entry for entry in _documents(system, "whole")["timeline"] if entry["type"] == "archived"]
    )
    body = archived[0]["body"]
    verified = system.waldstream("verify", body["location"], "--digest", body["manifest_digest"])
    assert verified.returncode == 0, verified.stderr
    assert "verified" in verified.stdout
    other = system.waldstream("verify", body["location"], "--digest", "0" * 64)
    assert other.returncode == 1
    assert "not verified" in other.stderr

    listed = json.loads(system.waldstream("list", "--json", "--state", "archived").stdout)
    mine = [run for run in listed if run["experiment_id"] == "whole"]
    assert [(run["run"], run["outcome"], run["reason"], run["n"]) for run in mine] == [
        (1, "accept_h1", "boundary_upper", 17)
    ]
    first = _documents(system, "whole")["timeline"][0]
    assert (first["type"], first["actor"], first["reason"]) == ("run", "tester", "to see it run")


@pytest.mark.stack
def test_orders_are_answered_and_refusals_say_what_is_allowed(system: System, tmp_path: Path) -> None:
    assert system.waldstream("define", _file(tmp_path, "orders")).returncode == 0
    refused = system.waldstream("pause", "orders")
    assert refused.returncode == 1
    assert "rejected (not_allowed): pause: not allowed while DEFINED; allowed: " in refused.stderr
    for order in ("start", "pause", "resume", "stop"):
        result = system.waldstream(order, "orders", "--reason", "a test", "--json")
        assert (result.returncode, json.loads(result.stdout)["status"]) == (0, "accepted"), result.stderr
    assert system.waldstream("cancel", "orders").returncode == 0
    refused = system.waldstream("start", "orders", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["status"]) == (1, "rejected")


@pytest.mark.stack
@pytest.mark.parametrize("command", ["start", "stop", "show", "watch"])
def test_an_unknown_experiment_is_code_1(system: System, command: str) -> None:
    result = system.waldstream(command, "nobody")

    assert result.returncode == 1
    assert "no experiment 'nobody'" in result.stderr


@pytest.mark.stack
def test_observations_come_from_standard_input_and_files(system: System, tmp_path: Path) -> None:
    system.waldstream("run", _file(tmp_path, "sources"))
    (tmp_path / "rows.csv").write_text("when,x\nnow,1\nthen,0\n", "utf-8")

    piped = system.waldstream("observe", "sources", "--source", "pipe", "--json", text="1\n0 1\n")
    again = system.waldstream("observe", "sources", "--source", "pipe", "--json", text="1\n")
    from_file = system.waldstream("observe", "sources", "--csv", str(tmp_path / "rows.csv"), "--column", "x")
    wrong = system.waldstream("observe", "sources", text="1\nheads\n")

    assert json.loads(piped.stdout)["next_sequence"] == 3
    assert json.loads(again.stdout)["next_sequence"] == 4
    assert from_file.stdout.startswith("sources: 2 observations sent")
    assert (wrong.returncode, wrong.stderr) == (1, "line 2: 'heads'; allowed: finite numbers\n")


@pytest.mark.stack
def test_what_was_turned_down_is_listed_with_its_reason_and_its_bytes(system: System, tmp_path: Path) -> None:
    system.waldstream("run", _file(tmp_path, "turned-down"))
    system.waldstream("observe", "turned-down", "0.5")

    (found,) = until(
        lambda: json.loads(system.waldstream("rejected", "list", "--experiment", "turned-down", "--json").stdout)
    )

    assert found["reason"] == "value_not_allowed"
    assert "0.5" in found["message"]
    assert found["topic"] == system.topics.observations
    assert found["value"]


@pytest.mark.stack
def test_topics_exist_once_and_a_changed_number_of_partitions_is_refused(system: System) -> None:
    again = system.waldstream("topics", "create", "--json")
    assert {entry["status"] for entry in json.loads(again.stdout)} == {"unchanged"}

    refused = run_waldstream(("topics", "create"), system.environment | {"WALDSTREAM_PARTITIONS": "7"})
    assert refused.returncode == 1
    assert "allowed: 7" in refused.stderr
