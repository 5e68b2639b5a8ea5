"""What Grafana 11 to 13 read at their start: datasources with fixed uids, the folder of dashboards, the alert rules.

Addresses and the console's token come from Grafana's environment, so that no file holds a secret.
"""

from dataclasses import dataclass
from typing import Any

from grafana import infinity
from grafana.board import FOLDER_TITLE, FOLDER_UID
from grafana.scrape import INTERVAL_SECONDS
from grafana.variables import INFINITY_UID, PROMETHEUS_UID

#: Where the dashboards lie in Grafana's container.
DASHBOARDS = "/etc/waldstream/dashboards"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where Grafana finds Prometheus and the console, and the console's token."""

    prometheus_url: str
    console_url: str
    console_token: str


#: What the provisioning file says: Grafana fills it in from its environment.
FROM_ENVIRONMENT = Sources("${PROMETHEUS_URL}", "${CONSOLE_URL}", "${CONSOLE_TOKEN}")


def datasources(sources: Sources) -> list[dict[str, Any]]:
    """Return the datasources, as the API takes them and as a provisioning file lists them."""
    return [
        {
            "name": "waldstream Prometheus",
            "uid": PROMETHEUS_UID,
            "type": "prometheus",
            "access": "proxy",
            "url": sources.prometheus_url,
            "jsonData": {"httpMethod": "POST", "timeInterval": f"{INTERVAL_SECONDS}s"},
        },
        {
            "name": "waldstream console",
            "uid": INFINITY_UID,
            "type": infinity.PLUGIN,
            "access": "proxy",
            "url": sources.console_url,
            "jsonData": {"auth_method": "bearerToken", "allowedHosts": [sources.console_url]},
            "secureJsonData": {"bearerToken": sources.console_token},
        },
    ]


def datasources_file() -> dict[str, Any]:
    """Return the file of the datasources; Grafana's own pages cannot change them."""
    listed = [{**source, "editable": False} for source in datasources(FROM_ENVIRONMENT)]
    return {"apiVersion": 1, "datasources": listed}


def dashboards_file() -> dict[str, Any]:
    """Return where Grafana finds the dashboards.

    One folder with a fixed uid, since `foldersFromFilesStructure` gives folders uids of Grafana's choice.
    """
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "waldstream",
                "type": "file",
                "folder": FOLDER_TITLE,
                "folderUid": FOLDER_UID,
                "allowUiUpdates": False,
                "disableDeletion": False,
                "updateIntervalSeconds": 30,
                "options": {"path": DASHBOARDS},
            }
        ],
    }
