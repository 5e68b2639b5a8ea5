"""The house style of panels: every panel is built here, so that all have title, description, unit and one look."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from grafana import infinity
from grafana.sdk import (
    bargauge,
    builders,
    common,
    dashboard,
    options,
    prometheus,
    queries,
    stat,
    table,
    timeseries,
    trend,
)

Panel: TypeAlias = bargauge.Panel | stat.Panel | table.Panel | timeseries.Panel | trend.Panel

PROMETHEUS = common.DataSourceRef(type_val="prometheus", uid="$datasource")
INFINITY = common.DataSourceRef(type_val=infinity.PLUGIN, uid="$infinity")

GREEN, YELLOW, RED, BLUE, GREY = "green", "yellow", "red", "blue", "#9e9e9e"
#: A number that is best at zero.
ZERO_IS_GOOD = ((None, GREEN), (1.0, RED))
#: A number that says nothing about good or bad.
NEUTRAL = ((None, BLUE),)

Steps: TypeAlias = Sequence[tuple[float | None, str]]


def query(expression: str, legend: str = "", *, ref_id: str = "A", is_instant: bool = False) -> prometheus.Dataquery:
    """Return a query of Prometheus; an instant one asks for the newest value only."""
    built = (
        prometheus.Dataquery()
        .datasource(PROMETHEUS)
        .editor_mode(queries.QueryEditorMode.CODE)
        .expr(expression)
        .ref_id(ref_id)
    )
    if legend:
        built = built.legend_format(legend)
    if is_instant:
        shape = queries.PromQueryFormat.TIME_SERIES if legend else queries.PromQueryFormat.TABLE
        return built.instant().format(shape)
    return built.range()


def over_time(
    title: str, description: str, unit: str, *series: tuple[str, str], width: int = 12, stacked: bool = False
) -> timeseries.Panel:
    """Return lines against time; each of `series` is an expression and its legend."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .height(8)
        .span(width)
        .line_width(1)
        .fill_opacity(25 if stacked else 5)
        .show_points(common.VisibilityMode.NEVER)
        .tooltip(_tooltip())
        .legend(_legend())
    )
    if stacked:
        panel = panel.stacking(options.StackingConfig().mode(common.StackingMode.NORMAL))
    for ref_id, (expression, legend) in zip("ABCDEFGH", series, strict=False):
        panel = panel.with_target(query(expression, legend, ref_id=ref_id))
    return panel


def number(
    title: str,
    description: str,
    unit: str,
    expression: str,
    legend: str,
    *,
    steps: Steps = NEUTRAL,
    width: int = 6,
    height: int = 5,
) -> stat.Panel:
    """Return the newest value of each series as a large number, coloured by the steps it has passed."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .decimals(0)  # `increase` extrapolates: three events in a minute may look like 3.07
        .height(height)
        .span(width)
        .thresholds(_thresholds(steps))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .with_target(query(expression, legend, is_instant=True))
    )


def bars(
    title: str, description: str, unit: str, expression: str, legend: str, *, steps: Steps = NEUTRAL, width: int = 12
) -> bargauge.Panel:
    """Return one horizontal bar for each series, from zero."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .decimals(0)
        .min(0)
        .height(8)
        .span(width)
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .thresholds(_thresholds(steps))
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .with_target(query(expression, legend, is_instant=True))
    )


def rows(title: str, description: str, source: common.DataSourceRef, *, width: int = 24) -> table.Panel:
    """Return an empty table; numbers in it have no unit unless a column says so."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(source)
        .unit("none")
        .height(9)
        .span(width)
        .filterable(True)
        .show_header(True)
    )


def against_number(title: str, description: str, unit: str, x_field: str, *, width: int = 12) -> trend.Panel:
    """Return lines against a number that only grows, out of one frame."""
    return (
        trend.Panel()
        .title(title)
        .description(description)
        .datasource(INFINITY)
        .unit(unit)
        .height(10)
        .span(width)
        .x_field(x_field)
        .line_width(1)
        .fill_opacity(0)
        .show_points(common.VisibilityMode.NEVER)
        .tooltip(_tooltip())
        .legend(_legend())
    )


def line(color: str, *, is_dashed: bool = False) -> list[dashboard.DynamicConfigValue]:
    """Return the properties of a line that always has the same colour."""
    properties = [dashboard.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})]
    if is_dashed:
        properties.append(dashboard.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}))
    return properties


def link(title: str, url: str) -> builders.DashboardLink:
    """Return a link on a value or a panel, opened beside the dashboard."""
    return builders.DashboardLink(title).type(dashboard.DashboardLinkType.LINK).url(url).target_blank(True)


def renamed(names: dict[str, str], hidden: Iterable[str]) -> dashboard.DataTransformerConfig:
    """Return the step that names and orders the columns of a table and leaves the hidden ones out."""
    return dashboard.DataTransformerConfig(
        id_val="organize",
        options={
            "renameByName": names,
            "indexByName": {name: place for place, name in enumerate(names)},
            "excludeByName": dict.fromkeys(hidden, True),
        },
    )


def merged() -> dashboard.DataTransformerConfig:
    """Return the step that makes one table of several queries."""
    return dashboard.DataTransformerConfig(id_val="merge", options={})


def _thresholds(steps: Steps) -> builders.ThresholdsConfig:
    return (
        builders.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=value, color=color) for value, color in steps])
    )


def _tooltip() -> options.VizTooltipOptions:
    return options.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)


def _legend() -> options.VizLegendOptions:
    return (
        options.VizLegendOptions()
        .show_legend(True)
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs([])
    )
