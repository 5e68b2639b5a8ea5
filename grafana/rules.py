"""The alerts as Prometheus and as Grafana read them: a rule file, a provisioning file, and bodies of Grafana's API."""

import re
from typing import Any, Final

from grafana.alerts import ALERTS, Alert
from grafana.variables import PROMETHEUS_UID

GROUP: Final = "waldstream"
#: Apart from the folder of the dashboards: Grafana provisions alerts first, and would make that folder without its uid.
FOLDER_UID: Final = "waldstream-alerts"
FOLDER_TITLE: Final = "waldstream alerts"
_EVERY_SECONDS: Final = 30
_EVALUATOR: Final = {">": "gt", "<": "lt"}


def prometheus() -> dict[str, Any]:
    """Return the rule file of Prometheus."""
    return {
        "groups": [
            {
                "name": GROUP,
                "interval": f"{_EVERY_SECONDS}s",
                "rules": [
                    {
                        "alert": alert.name,
                        "expr": f"({alert.expression}) {alert.comparison} {alert.limit:g}",
                        "for": alert.lasting,
                        "labels": {"severity": alert.severity},
                        "annotations": _annotations(alert, alert.summary),
                    }
                    for alert in ALERTS
                ],
            }
        ]
    }


def provisioning() -> dict[str, Any]:
    """Return the file from which Grafana provisions its own alert rules."""
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": GROUP,
                "folder": FOLDER_TITLE,
                "interval": f"{_EVERY_SECONDS}s",
                "rules": [_grafana(alert, PROMETHEUS_UID) for alert in ALERTS],
            }
        ],
    }


def api(datasource_uid: str) -> list[dict[str, Any]]:
    """Return the rules as Grafana's API takes them, on the datasource with this uid."""
    place = {"folderUID": FOLDER_UID, "ruleGroup": GROUP, "orgID": 1}
    return [_grafana(alert, datasource_uid) | place for alert in ALERTS]


def _grafana(alert: Alert, datasource_uid: str) -> dict[str, Any]:
    window = {"from": alert.window, "to": 0}
    asked = {
        "refId": "A",
        "expr": alert.expression,
        "instant": True,
        "range": False,
        "editorMode": "code",
        "intervalMs": 1000,
        "maxDataPoints": 43200,
    }
    compared = {
        "refId": "B",
        "type": "threshold",
        "expression": "A",
        "conditions": [{"evaluator": {"type": _EVALUATOR[alert.comparison], "params": [alert.limit]}}],
        "intervalMs": 1000,
        "maxDataPoints": 43200,
    }
    return {
        "uid": alert.uid,
        "title": alert.name,
        "condition": "B",
        "data": [
            {"refId": "A", "relativeTimeRange": window, "datasourceUid": datasource_uid, "model": asked},
            {"refId": "B", "relativeTimeRange": window, "datasourceUid": "__expr__", "model": compared},
        ],
        # No series is the good case of all but one of these alerts, and that one has a value always.
        "noDataState": "OK",
        "execErrState": "Error",
        "for": alert.lasting,
        "labels": {"severity": alert.severity},
        # In Grafana `$value` holds every expression's value; ours is that of A.
        "annotations": _annotations(alert, re.sub(r"\{\{ \$value \}\}", "{{ $values.A.Value }}", alert.summary)),
        "isPaused": False,
    }


def _annotations(alert: Alert, summary: str) -> dict[str, str]:
    return {
        "summary": summary,
        "description": alert.meaning,
        "runbook": alert.runbook,
        "dashboard": alert.dashboard,
    }
