"""Dashboards, alert rules and decisions into a running Grafana over its API; files are the way by default."""

from collections.abc import Iterable
from typing import Any, Final

from grafana import annotations, provisioning, rules
from grafana.board import FOLDER_TITLE, FOLDER_UID
from grafana.build import DASHBOARDS
from grafana.client import Client
from grafana.dashboards.experiments import UID as EXPERIMENTS_UID
from grafana.port import Grafana, Published, PublishError
from grafana.variables import PROMETHEUS_UID
from schemas import events

_OLDEST: Final = 11
_FOLDERS: Final = ((FOLDER_UID, FOLDER_TITLE), (rules.FOLDER_UID, rules.FOLDER_TITLE))


def publish(
    url: str,
    token: str,
    dry_run: bool = False,
    *,
    prometheus_uid: str = PROMETHEUS_UID,
    sources: provisioning.Sources | None = None,
) -> list[Published]:
    """Bring Grafana's folders, dashboards and alert rules to what is built here; return what that took.

    Parameters
    ----------
    url, token
        Grafana's address and the token of a service account.
    dry_run
        Only say what would be done.
    prometheus_uid
        The Prometheus datasource that the alert rules ask.
    sources
        Addresses of Prometheus and console, if the datasources shall be published too; the token is then an Admin's.

    Raises
    ------
    PublishError
        At the first thing that Grafana refuses; what was published before stays, and publishing again goes on.
    """
    grafana: Grafana = Client(url, token, is_dry=dry_run)
    _check_version(grafana.version())
    wanted: list[dict[str, Any]] = [] if sources is None else provisioning.datasources(sources)
    done = [grafana.put_datasource(body) for body in wanted]
    done += [grafana.put_folder(*folder) for folder in _FOLDERS]
    done += [grafana.put_dashboard(contents(), FOLDER_UID) for contents in DASHBOARDS.values()]
    return done + [grafana.put_alert_rule(body) for body in rules.api(prometheus_uid)]


def annotate(url: str, token: str, decisions: Iterable[events.Decision], dry_run: bool = False) -> list[Published]:
    """Mark decisions on the dashboard Experiments, each once; return what that took.

    Raises
    ------
    PublishError
        At the first that Grafana refuses.
    """
    grafana: Grafana = Client(url, token, is_dry=dry_run)
    return [
        grafana.put_annotation(
            EXPERIMENTS_UID,
            decision.at,
            annotations.text(decision),
            annotations.tags(decision),
            annotations.own_tag(decision),
        )
        for decision in decisions
    ]


def _check_version(version: str) -> None:
    major = version.split(".", 1)[0]
    if major.isdigit() and int(major) < _OLDEST:
        raise PublishError(f"Grafana {version}: too old for the dashboards; allowed: {_OLDEST} and newer")
