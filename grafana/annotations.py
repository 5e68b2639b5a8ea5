"""What marks a decision on the time axis: read from the console, or from Grafana's own store where they were published.

The console's are on by default and need no writing; the published ones serve a Grafana without the Infinity plugin.
"""

from typing import Self

from grafana_foundation_sdk.cog import builder, variants

from grafana import infinity
from grafana.sdk import builders, common
from grafana.style import INFINITY
from schemas import events

_TAGS = ("sprt", "decision")
_GRAFANA = common.DataSourceRef(type_val="grafana", uid="-- Grafana --")


def own_tag(decision: events.Decision) -> str:
    """Return the tag that no other decision's annotation has: with it, one is never published twice."""
    return f"run:{decision.experiment_id}/{decision.run}"


def tags(decision: events.Decision) -> list[str]:
    """Return all tags of a decision's annotation."""
    return [*_TAGS, f"exp:{decision.experiment_id}", own_tag(decision), decision.outcome]


def text(decision: events.Decision) -> str:
    """Return what a reader sees on the mark."""
    return (
        f"{decision.experiment_id}, run {decision.run}: {decision.outcome} ({decision.reason}) "
        f"at n = {decision.n}, llr = {decision.llr:.3f}"
    )


def from_console() -> builders.AnnotationQuery:
    """Decisions as the console knows them."""
    columns = (
        infinity.Column("decided_at", "time", "timestamp"),
        infinity.Column("experiment_id", "title"),
        infinity.Column("outcome", "text"),
        infinity.Column("reason", "tags"),
    )
    asked = infinity.Query(
        path="/api/v1/experiments?state=ended&sort=newest&limit=200",
        root="items",
        columns=columns,
        format="dataframe",
        ref_id="Anno",
    )
    return _query("Decisions", INFINITY, asked, is_on=True)


def published() -> builders.AnnotationQuery:
    """Decisions that were published to Grafana."""
    return _query("Published decisions", _GRAFANA, _Stored(), is_on=False)


class _Stored(variants.Dataquery, builder.Builder[variants.Dataquery]):
    """Annotations of Grafana's own store that have all our tags."""

    def build(self) -> Self:
        return self

    def to_json(self) -> dict[str, object]:
        return {"limit": 200, "matchAny": False, "tags": list(_TAGS), "type": "tags"}


def _query(
    name: str, source: common.DataSourceRef, asked: builder.Builder[variants.Dataquery], *, is_on: bool
) -> builders.AnnotationQuery:
    return builders.AnnotationQuery().name(name).datasource(source).enable(is_on).icon_color("purple").target(asked)
