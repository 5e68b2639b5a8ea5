"""Pictures of the dashboards for the documentation: each panel's own queries, answered by a running system.

They are drawn by matplotlib where Grafana would place the panels, so the documentation shows the same data, titles and
colours without a Grafana. What a panel says is taken from the dashboard's JSON alone.
"""

import math
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import matplotlib as mpl
import matplotlib.dates as mdates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LinearLocator
from matplotlib.transforms import Bbox

from grafana.asked import Series, Sources
from grafana.build import DASHBOARDS

_ROW_INCHES: Final = 0.34
_COLUMN_INCHES: Final = 0.70
_COLUMNS: Final = 24
_COLOURS: Final = {"green": "#56a64b", "yellow": "#e0b400", "red": "#e02f44", "blue": "#3274d9"}
_CYCLE: Final = ("#3274d9", "#56a64b", "#e0b400", "#e02f44", "#8f3bb8", "#ff780a", "#37872d", "#5794f2", "#9e9e9e")
_MOST_ROWS: Final = 7
_MOST_LINES: Final = 9


_Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a panel is about: where the data are, the values of its variables, and the moments of decisions."""

    sources: Sources
    variables: dict[str, str]
    marks: list[datetime]


def draw(sources: Sources, folder: Path) -> list[Path]:
    """Write one picture of each dashboard into the folder and return their paths."""
    mpl.rcParams.update({"font.size": 8, "axes.edgecolor": "#c8c8cc", "axes.linewidth": 0.8})
    folder.mkdir(parents=True, exist_ok=True)
    return [_board(contents(), sources, folder / f"{uid}.png") for uid, contents in DASHBOARDS.items()]


def _board(board: dict[str, Any], sources: Sources, path: Path) -> Path:
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    figure = Figure((_COLUMNS * _COLUMN_INCHES, height * _ROW_INCHES), facecolor="#f4f5f5")
    marks = _decisions(sources) if board["annotations"]["list"] else []
    for panel, variables in _repeated(board, sources):
        place = panel["gridPos"]
        box = (
            place["x"] / _COLUMNS,
            1 - (place["y"] + place["h"]) / height,
            place["w"] / _COLUMNS,
            place["h"] / height,
        )
        if panel["type"] == "row":
            figure.text(box[0] + 0.006, box[1] + box[3] / 2, panel["title"], size=11, weight="bold", va="center")
        else:
            _panel(figure, box, panel, _Shown(sources, variables, marks))
    figure.savefig(path, dpi=80)
    return path


def _repeated(board: dict[str, Any], sources: Sources) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield each panel with its variables; one that repeats is there for the first two values, side by side."""
    runs = sources.of_console("/api/v1/experiments?sort=newest&limit=100")["items"]
    started = [item for item in runs if item["started_at"]]
    known = set(sources.label_values("experiment_id", "sprt_experiment_info"))
    values = {
        "experiment": [item["experiment_id"] for item in started if item["experiment_id"] in known],
        "walk": [f"{item['experiment_id']}/runs/{item['run']}" for item in started],
    }
    for panel in board["panels"]:
        if (name := panel.get("repeat")) is None:
            yield panel, {}
            continue
        for number, value in enumerate(values[name][:2]):
            place = panel["gridPos"] | {"x": number * _COLUMNS // 2, "w": _COLUMNS // 2}
            yield panel | {"gridPos": place}, {name: value}


def _panel(
    figure: Figure,
    box: _Box,
    panel: dict[str, Any],
    shown: _Shown,
) -> None:
    x, y, w, h = box
    gap_x, gap_y = 0.004, 0.05 / figure.get_figheight()
    card = figure.add_axes((x + gap_x, y + gap_y, w - 2 * gap_x, h - 2 * gap_y), facecolor="white")
    card.set_xticks([])
    card.set_yticks([])
    title = re.sub(r"\$\{?(\w+)(:\w+)?\}?", lambda found: shown.variables.get(found[1], "all"), panel["title"])
    words = textwrap.wrap(title, max(20, int(w * 200)))
    card.text(0.06 / w / _COLUMNS, 0.985, "\n".join(words), transform=card.transAxes, size=8.5, va="top")
    inches, head = figure.get_figheight(), 0.2 + 0.16 * len(words)
    inner = (x + gap_x + 0.038, y + gap_y + 0.52 / inches, w - 2 * gap_x - 0.05, h - 2 * gap_y - (0.52 + head) / inches)
    {"stat": _stat, "bargauge": _bars, "table": _table, "timeseries": _lines, "trend": _trend}[panel["type"]](
        figure, inner, panel, shown
    )


def _lines(figure: Figure, box: _Box, panel: Any, shown: _Shown) -> None:
    axes = _axes(figure, box, panel)
    drawn = [
        (_legend(target, series), series)
        for target in panel["targets"]
        for series in shown.sources.range(target["expr"], shown.variables)
    ][:_MOST_LINES]
    for number, (name, series) in enumerate(drawn):
        times = [datetime.fromtimestamp(at, UTC) for at in series.times]
        axes.plot(times, series.values, **_look(panel, name, number))  # type: ignore[arg-type]  # matplotlib takes datetimes
    axes.set_xlim(datetime.fromtimestamp(shown.sources.start, UTC), datetime.fromtimestamp(shown.sources.end, UTC))  # type: ignore[arg-type]  # same
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]  # of the library
    axes.xaxis.set_major_locator(LinearLocator(max(2, round(box[2] * 11))))
    for mark in shown.marks:
        axes.axvline(mark, color="#8f3bb8", linestyle=":", linewidth=0.8)  # type: ignore[arg-type]  # same
    _finish(axes, [name for name, _ in drawn])


def _trend(figure: Figure, box: _Box, panel: Any, shown: _Shown) -> None:
    axes = _axes(figure, box, panel)
    (target,) = panel["targets"]
    path = target["url"].replace("${walk:raw}", shown.variables["walk"])
    points = shown.sources.of_console(path)[target["root_selector"]]
    names = [column["selector"] for column in target["columns"] if column["selector"] != panel["options"]["xField"]]
    drawn = []
    for number, name in enumerate(names):
        values = [math.nan if point[name] is None else point[name] for point in points]
        if not all(map(math.isnan, values)):
            axes.plot([point["n"] for point in points], values, **_look(panel, name, number))
            drawn.append(_properties(panel, name).get("displayName", name))
    axes.set_xlabel("n", labelpad=1)
    _finish(axes, drawn)


def _stat(figure: Figure, box: _Box, panel: Any, shown: _Shown) -> None:
    axes = figure.add_axes(box)
    axes.axis("off")
    (target,) = panel["targets"]
    found = shown.sources.now(target["expr"], shown.variables)[:12]
    for number, series in enumerate(found):
        place = (number + 0.5) / len(found)
        axes.text(
            place, 0.5, _number(series.values[0], panel), ha="center", va="center", size=17, weight="bold",
            color=_threshold(panel, series.values[0]),
        )  # fmt: skip
        axes.text(place, 0.02, _legend(target, series), ha="center", va="center", size=7, color="#555")


def _bars(figure: Figure, box: _Box, panel: Any, shown: _Shown) -> None:
    x, y, w, h = box
    axes = figure.add_axes((x + w * 0.28, y, w * 0.66, h))
    (target,) = panel["targets"]
    found = [it for it in shown.sources.now(target["expr"], shown.variables) if it.values[0] == it.values[0]]
    found = sorted(found, key=lambda it: it.values[0])[-_MOST_LINES:]
    names = [_legend(target, series) for series in found]
    values = [series.values[0] for series in found]
    axes.barh(names, values, color=[_threshold(panel, value) for value in values], height=0.6)
    for place, value in enumerate(values):
        axes.text(value, place, f" {_number(value, panel)}", va="center", size=7)
    axes.set_xticks([])
    axes.margins(x=0.15)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


def _table(figure: Figure, box: _Box, panel: Any, shown: _Shown) -> None:
    axes = figure.add_axes(box)
    axes.axis("off")
    first = panel["targets"][0]
    if "expr" in first:
        heads, lines = _of_prometheus(panel, shown)
    else:
        heads = [column["text"] for column in first["columns"]]
        items = shown.sources.of_console(first["url"])[first["root_selector"]]
        lines = [[str(item.get(column["selector"])) for column in first["columns"]] for item in items]
    if lines:
        cells = [[it[:24] for it in line] for line in lines[:_MOST_ROWS]]
        high = (len(cells) + 1) / (_MOST_ROWS + 1)
        drawn = axes.table(
            cells, colLabels=heads, cellLoc="left", colLoc="left", bbox=Bbox.from_bounds(0, 1 - high, 1, high)
        )
        drawn.auto_set_font_size(False)
        drawn.set_fontsize(7.5)
        for cell in drawn.get_celld().values():
            cell.set_edgecolor("#e4e4e8")


def _of_prometheus(panel: Any, shown: _Shown) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of a table that joins instant queries on the experiment."""
    names = next(it["options"]["renameByName"] for it in panel["transformations"] if it["id"] == "organize")
    found: dict[str, dict[str, float]] = {}
    for target in panel["targets"]:
        for series in shown.sources.now(target["expr"], shown.variables):
            found.setdefault(series.labels["experiment_id"], {})[target["refId"]] = series.values[0]
    references = [target["refId"] for target in panel["targets"]]
    rows = [
        [name, *(f"{values[ref]:.4g}" if ref in values else "" for ref in references)]
        for name, values in sorted(found.items())
    ]
    return ["experiment", *(names[f"Value #{ref}"] for ref in references)], rows


def _decisions(sources: Sources) -> list[datetime]:
    items = sources.of_console("/api/v1/experiments?state=ended&sort=newest&limit=200")["items"]
    moments = [datetime.fromisoformat(item["decided_at"]) for item in items if item["decided_at"]]
    return [moment for moment in moments if sources.start <= moment.timestamp() <= sources.end]


def _axes(figure: Figure, box: Any, panel: Any) -> Axes:
    axes = figure.add_axes(box)
    axes.grid(color="#ececee", linewidth=0.6)
    axes.tick_params(length=0, labelsize=7)
    axes.yaxis.set_major_formatter(lambda value, _: _number(value, panel))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    scale = panel["fieldConfig"]["defaults"].get("custom", {}).get("scaleDistribution", {})
    if scale.get("type") == "log":
        axes.set_yscale("log")
    return axes


def _finish(axes: Axes, names: list[str]) -> None:
    if names:
        letters = axes.get_position().width * 210
        columns = max(1, min(5, int(letters / (max(map(len, names)) + 6))))
        axes.legend(names[: 2 * columns], loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=columns, frameon=False,
                    fontsize=6.5, columnspacing=1.0, handlelength=1.2, borderaxespad=0.6, labelspacing=0.2)  # fmt: skip
    else:
        axes.text(0.5, 0.5, "nothing in the time shown", transform=axes.transAxes, ha="center", color="#999")


def _legend(target: dict[str, Any], series: Series) -> str:
    written = target.get("legendFormat") or ""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: series.labels.get(found[1], ""), written)


def _properties(panel: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what the panel overrides for the line of this name."""
    found = [it for it in panel["fieldConfig"].get("overrides", ()) if it["matcher"].get("options") == name]
    return {it["id"]: it["value"] for each in found for it in each["properties"]}


def _look(panel: dict[str, Any], name: str, number: int) -> dict[str, Any]:
    properties = _properties(panel, name)
    chosen = properties.get("color", {}).get("fixedColor")
    dashed = "custom.lineStyle" in properties
    colour = _COLOURS.get(chosen, chosen) if chosen else _CYCLE[number % len(_CYCLE)]
    return {"color": colour, "linewidth": 1.1, "linestyle": "--" if dashed else "-"}


def _threshold(panel: dict[str, Any], value: float) -> str:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    passed: list[str] = [step["color"] for step in steps if step.get("value") is None or value >= step["value"]]
    return _COLOURS.get(passed[-1], passed[-1])


def _number(value: float, panel: dict[str, Any]) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    unit = defaults["unit"]
    if unit == "none" and "decimals" in defaults:
        return f"{value:,.{defaults['decimals']}f}"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit in ("bytes", "Bps"):
        for name, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}{'/s' if unit == 'Bps' else ''}"
    suffix = {"s": " s", "ops": "/s", "bytes": " B", "Bps": " B/s"}.get(unit, "")
    return f"{value:,.0f}{suffix}" if value == round(value) else f"{value:.3g}{suffix}"
