"""A dashboard out of its rows: panels numbered and placed in reading order, and what all dashboards have in common."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.sdk import builders, dashboard
from grafana.style import Panel

#: The folder of the dashboards in Grafana.
FOLDER_UID = "waldstream"
FOLDER_TITLE = "waldstream"
#: Marks our dashboards, so that each can link to the others.
TAG = "waldstream"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a common heading."""

    title: str
    panels: tuple[Panel, ...]


def dashboard_json(
    *,
    uid: str,
    title: str,
    description: str,
    variables: Sequence[builders.DatasourceVariable | builders.QueryVariable | builders.TextBoxVariable],
    rows: Sequence[Row],
    annotations: Sequence[builders.AnnotationQuery] = (),
    links: Sequence[builders.DashboardLink] = (),
    since: str = "now-1h",
) -> dict[str, Any]:
    """Return the dashboard as Grafana reads it."""
    built = (
        builders.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time(since, "now")
        .refresh("10s")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .variables(list(variables))
        .annotations(list(annotations))
        .links([_others(), *links])
    )
    number = 0
    for row in rows:
        number += 1
        built = built.with_row(builders.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            built = built.with_panel(panel.id(number))
    plain: dict[str, Any] = json.loads(json.dumps(built.build(), cls=JSONEncoder))
    return plain


def _others() -> builders.DashboardLink:
    return (
        builders.DashboardLink("waldstream")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .keep_time(True)
        .as_dropdown(False)
    )
