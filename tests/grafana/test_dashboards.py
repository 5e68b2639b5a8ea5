"""The rules of Grafana's dashboard-linter and of the house, for every dashboard and panel.

An exception stands in `grafana.build.LINT` with its reason; the linter itself reads the same ones from `.lint`.
"""

import inspect
import json
import re
from collections.abc import Iterator
from itertools import combinations
from types import ModuleType
from typing import Any

import pytest

from console.bodies import PathPoint
from console.documents import RunDocument
from grafana import infinity
from grafana.build import DASHBOARDS
from grafana.dashboards import archives, experiments, operations

MODULES = (experiments, operations, archives)
BOARDS = {uid: contents() for uid, contents in DASHBOARDS.items()}
UNITS = {"none", "s", "ops", "bytes", "Bps", "percentunit"}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


PANELS = [pytest.param(panel, id=f"{uid}-{panel['title']}") for uid, board in BOARDS.items() for panel in panels(board)]
QUERIES = [
    pytest.param(target["expr"], id=f"{uid}-{panel['title']}-{target['refId']}")
    for uid, board in BOARDS.items()
    for panel in panels(board)
    for target in panel["targets"]
    if "expr" in target
]
each_board = pytest.mark.parametrize("board", [pytest.param(board, id=uid) for uid, board in BOARDS.items()])
each_panel = pytest.mark.parametrize("panel", PANELS)
each_query = pytest.mark.parametrize("expr", QUERIES)


@each_board
def test_a_dashboard_cannot_be_edited_and_has_its_fixed_uid(board: dict[str, Any]) -> None:
    assert board["editable"] is False
    assert DASHBOARDS.keys() >= {board["uid"]}
    assert "id" not in board


@each_board
def test_every_datasource_is_one_of_the_two_variables(board: dict[str, Any]) -> None:
    names = {variable["name"] for variable in board["templating"]["list"] if variable["type"] == "datasource"}

    assert "datasource" in names
    assert names <= {"datasource", "infinity"}
    used = {panel["datasource"]["uid"] for panel in panels(board)}
    used |= {target["datasource"]["uid"] for panel in panels(board) for target in panel["targets"]}
    assert used <= {"$datasource", "$infinity", "${infinity}"}
    assert {name for name in names if f"${name}" in used or f"${{{name}}}" in used} == names


@each_board
@pytest.mark.parametrize("name", ["job", "instance"])
def test_targets_are_chosen_by_job_and_instance(board: dict[str, Any], name: str) -> None:
    variable = next(each for each in board["templating"]["list"] if each["name"] == name)

    assert variable["datasource"]["uid"] == "$datasource"
    assert variable["label"] == name.title()
    assert (variable["type"], variable["multi"], variable["allValue"]) == ("query", True, ".+")


@each_board
def test_variables_are_read_again_with_the_time_range_and_say_what_they_are(board: dict[str, Any]) -> None:
    for variable in board["templating"]["list"]:
        assert variable["label"]
        assert variable["description"].endswith(".")
        if variable["type"] == "query":
            assert variable["refresh"] == 2


@each_board
def test_variables_of_prometheus_ask_for_label_values(board: dict[str, Any]) -> None:
    for variable in board["templating"]["list"]:
        if variable["type"] == "query" and variable["datasource"]["uid"] == "$datasource":
            assert re.fullmatch(r"label_values\(\w+\{.+\}, \w+\)", variable["query"])


@each_board
def test_every_variable_that_is_used_is_there_and_every_one_there_is_used(board: dict[str, Any]) -> None:
    text = json.dumps(board)
    named = {variable["name"] for variable in board["templating"]["list"]}
    used = {found for found in re.findall(r"\$\{?([a-z]\w*)", text) if not found.startswith("__")}

    assert named == used - {"string", "contains"}  # functions of JSONata


@each_board
def test_panels_are_numbered_once_and_do_not_overlap(board: dict[str, Any]) -> None:
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))
    for one, other in combinations([panel["gridPos"] for panel in board["panels"]], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])


@each_panel
def test_a_panel_asks_a_question_and_says_what_good_looks_like(panel: dict[str, Any]) -> None:
    assert panel["title"].endswith("?")
    assert panel["title"][0].isupper()
    if panel["type"] != "table":
        assert "Good: " in panel["description"]
    assert panel["description"].endswith(".")


@each_panel
def test_a_panel_has_a_unit_and_at_least_one_query(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    references = [target["refId"] for target in panel["targets"]]
    assert len(references) == len(set(references))


@each_query
def test_every_selector_narrows_to_job_and_instance(expr: str) -> None:
    selectors = re.findall(r"[a-z_]+\{([^}]*)\}", expr)

    assert selectors
    for matchers in selectors:
        assert matchers.startswith('job=~"$job", instance=~"$instance"')


@each_query
def test_rates_use_the_rate_interval_and_counters_are_never_shown_bare(expr: str) -> None:
    for function, window in re.findall(r"(\w+)\(\w+\{[^}]*\}\[([^\]]+)\]\)", expr):
        assert (function, window) in {("rate", "$__rate_interval"), ("increase", "$__range")}
    # a counter that is younger than the window counts in full, beside its increase
    young = re.compile(r"(?P<it>\w+\{[^}]*\}) unless (?P=it) offset \$__range or (?=increase\((?P=it)\[\$__range\]\))")
    rest = young.sub("", expr)
    for position in (found.start() for found in re.finditer(r"\w+(_total|_bucket|_count)\{", rest)):
        assert re.search(r"(rate|increase)\($", rest[:position])


def test_every_function_that_makes_a_panel_is_on_its_dashboard() -> None:
    for module in MODULES:
        made = {function().build().title for function in _panel_functions(module)}
        assert made == {panel["title"] for panel in panels(BOARDS[module.UID])}


def test_the_walk_against_n_reads_what_the_console_serves() -> None:
    panel = next(panel for panel in panels(BOARDS[experiments.UID]) if panel["type"] == "trend")
    (target,) = panel["targets"]

    assert (panel["options"]["xField"], target["root_selector"], target["parser"]) == ("n", "points", "backend")
    assert {column["selector"] for column in target["columns"]} <= set(PathPoint.__struct_fields__)


def test_tables_and_annotations_of_the_console_read_fields_that_it_serves() -> None:
    asked = [target for board in BOARDS.values() for target in _infinity(board) if target["root_selector"] == "items"]
    assert asked
    for target in asked:
        assert {column["selector"] for column in target["columns"]} <= set(RunDocument.__struct_fields__)


def test_addresses_of_the_console_are_routes_that_it_has() -> None:
    for board in BOARDS.values():
        for target in _infinity(board):
            assert re.match(r"/api/v1/experiments(/\$\{walk:raw\}/path)?\?", target["url"])


def _infinity(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (target for panel in panels(board) for target in panel["targets"] if target.get("parser") == "backend")
    yield from (each["target"] for each in board["annotations"]["list"] if each["target"].get("parser") == "backend")
    for variable in board["templating"]["list"]:
        if variable["type"] == "query" and variable["datasource"]["type"] == infinity.PLUGIN:
            yield variable["query"]["infinityQuery"]


def _panel_functions(module: ModuleType) -> list[Any]:
    functions = [
        each for _, each in inspect.getmembers(module, inspect.isfunction) if each.__module__ == module.__name__
    ]
    return [each for each in functions if "Panel" in str(inspect.signature(each).return_annotation)]
