"""Queries of the Infinity datasource, for which the SDK has no builder: JSON of the console's API, parsed by Grafana.

The backend parser is used throughout: with it the same query works in panels, variables, annotations and alerts.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

from grafana_foundation_sdk.cog import builder, variants

from grafana.sdk import common

PLUGIN = "yesoreyeram-infinity-datasource"

ColumnType = Literal["string", "number", "timestamp"]


@dataclass(frozen=True, slots=True)
class Column:
    """One field of the answer: where it is in an item, what it is called, what it holds."""

    selector: str
    name: str
    type: ColumnType = "string"


@dataclass(frozen=True)
class Query(variants.Dataquery, builder.Builder[variants.Dataquery]):
    """One GET of the console's API.

    Parameters
    ----------
    path
        Below the datasource's base address, with variables.
    root
        Where the items are in the answer: a JSONata expression.
    columns
        The fields of an item; none takes all of them.
    """

    path: str
    root: str
    columns: tuple[Column, ...] = ()
    format: Literal["table", "dataframe"] = "table"
    ref_id: str = "A"

    def build(self) -> Self:
        """Return itself: it is a value already."""
        return self

    def named(self, ref_id: str) -> Self:
        """Return the query under another reference."""
        return replace(self, ref_id=ref_id)

    def to_json(self) -> dict[str, object]:
        """Return the query as the plugin reads it."""
        return {
            "columns": [{"selector": it.selector, "text": it.name, "type": it.type} for it in self.columns],
            "datasource": common.DataSourceRef(type_val=PLUGIN, uid="${infinity}"),
            "filters": [],
            "format": self.format,
            "parser": "backend",
            "refId": self.ref_id,
            "root_selector": self.root,
            "source": "url",
            "type": "json",
            "url": self.path,
            "url_options": {"data": "", "method": "GET"},
        }
