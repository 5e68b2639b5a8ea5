"""What Grafana's HTTP API takes as bodies: the fields, types and closed lists of its public OpenAPI description.

The description itself is under the AGPL and not in this repository. These are its facts for the eight requests that the
publisher sends, read from the client that Grafana generates from it under Apache-2.0 (grafana-openapi-client-go); a
field that is not listed there is refused here, although Grafana would pass over it.
"""

# ruff: noqa: N815  the names are those of Grafana

from typing import Any, Literal

import msgspec


class CreateFolder(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    uid: str
    description: str = ""
    parentUid: str = ""


class UpdateFolder(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    overwrite: bool = False
    version: int = 0
    description: str = ""


class DataSource(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    type: str
    access: Literal["proxy", "direct"]
    uid: str
    url: str = ""
    database: str = ""
    user: str = ""
    basicAuth: bool = False
    basicAuthUser: str = ""
    isDefault: bool = False
    withCredentials: bool = False
    jsonData: dict[str, Any] = {}
    secureJsonData: dict[str, str] = {}
    version: int = 0


class SaveDashboard(msgspec.Struct, forbid_unknown_fields=True):
    dashboard: dict[str, Any]
    folderUid: str
    folderId: int = 0
    isFolder: bool = False
    message: str = ""
    overwrite: bool = False
    userId: int = 0


class TimeRange(msgspec.Struct, forbid_unknown_fields=True, rename={"begin": "from", "end": "to"}):
    begin: int
    end: int


class AlertQuery(msgspec.Struct, forbid_unknown_fields=True):
    refId: str
    datasourceUid: str
    model: dict[str, Any]
    relativeTimeRange: TimeRange
    queryType: str = ""


class AlertRule(msgspec.Struct, forbid_unknown_fields=True, rename={"lasting": "for"}):
    condition: str
    data: list[AlertQuery]
    execErrState: Literal["OK", "Alerting", "Error"]
    folderUID: str
    lasting: str
    noDataState: Literal["Alerting", "NoData", "OK"]
    orgID: int
    ruleGroup: str
    title: str
    uid: str = ""
    id: int = 0
    isPaused: bool = False
    keep_firing_for: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    missingSeriesEvalsToResolve: int = 0
    notification_settings: dict[str, Any] = {}
    provenance: str = ""
    record: dict[str, Any] = {}
    updated: str = ""


class Annotation(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    dashboardUID: str = ""
    dashboardId: int = 0
    panelId: int = 0
    tags: list[str] = []
    time: int = 0
    timeEnd: int = 0
    data: dict[str, Any] = {}


#: What a request with this method to this path carries.
BODIES: dict[tuple[str, str], type[msgspec.Struct]] = {
    ("POST", "folders"): CreateFolder,
    ("PUT", "folders"): UpdateFolder,
    ("POST", "datasources"): DataSource,
    ("PUT", "datasources"): DataSource,
    ("POST", "dashboards"): SaveDashboard,
    ("POST", "alert-rules"): AlertRule,
    ("PUT", "alert-rules"): AlertRule,
    ("POST", "annotations"): Annotation,
}


def fault(method: str, path: str, body: object) -> str | None:
    """Return what is wrong with the body of a request, None if nothing is."""
    kind = next((kind for (verb, part), kind in BODIES.items() if verb == method and part in path.split("/")), None)
    if kind is None:
        return None if body is None else "no body is described"
    # Grafana's server takes null for a field that was left out, and grafana-client relies on it.
    given = {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body
    try:
        msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return None
