"""What publishing needs of a Grafana: six methods, each of which leaves Grafana as asked and says what that took."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

Change = Literal["created", "updated", "unchanged"]


class PublishError(Exception):
    """Grafana could not be brought to the wanted state; the message says what it answered and what helps."""


@dataclass(frozen=True, slots=True)
class Published:
    """One thing in Grafana and what was, or in a dry run would be, done to it."""

    kind: Literal["folder", "datasource", "dashboard", "alert rule", "annotation"]
    uid: str
    change: Change


class Grafana(Protocol):
    """A Grafana. Every method can be called again: the second time changes nothing.

    Each raises `PublishError` if Grafana refuses, answers nonsense, or does not answer.
    """

    def version(self) -> str:
        """Return Grafana's version; it answers and is one."""
        ...

    def put_folder(self, uid: str, title: str) -> Published:
        """Let there be this folder."""
        ...

    def put_datasource(self, body: Mapping[str, Any]) -> Published:
        """Let there be this datasource, found by its uid."""
        ...

    def put_dashboard(self, body: Mapping[str, Any], folder_uid: str) -> Published:
        """Let there be this dashboard in the folder, found by its uid."""
        ...

    def put_alert_rule(self, body: Mapping[str, Any]) -> Published:
        """Let there be this alert rule, found by its uid."""
        ...

    def put_annotation(self, dashboard_uid: str, at: datetime, text: str, tags: list[str], own_tag: str) -> Published:
        """Let there be an annotation with its own tag."""
        ...
