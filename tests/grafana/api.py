"""The part of Grafana's HTTP API that publishing uses, as its OpenAPI describes it: paths, methods, bodies, answers.

It keeps what it is given, adds what Grafana adds, and refuses what Grafana refuses; whatever it has no route for it
notes in `violations`.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.grafana import bodies

TOKEN = "glsa_a-token-of-a-service-account"  # noqa: S105  of the server below
Answer = tuple[int, Any]


@dataclass
class GrafanaApi:
    """What is in the Grafana, and what was asked of it."""

    version: str = "13.0.1"
    role: str = "Admin"
    folders: dict[str, Any] = field(default_factory=dict)
    datasources: dict[str, Any] = field(default_factory=dict)
    dashboards: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    annotations: list[Any] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Answer:
        """Return the status and the body of the answer."""
        for wanted, pattern, handle in ROUTES:
            if wanted == method and (found := re.fullmatch(pattern, path)):
                if (wrong := bodies.fault(method, path, body)) is not None:
                    return self.refuse(400, f"{method} {path}: {wrong}")
                if method != "GET":
                    self.writes.append(f"{method} {path}")
                return handle(self, found[1] if found.groups() else "", query, body)
        self.violations.append(f"{method} {path}: no such route")
        return 404, {"message": "Not found"}

    def refuse(self, status: int, message: str) -> Answer:
        """Return an answer that a correct client never gets."""
        self.violations.append(message)
        return status, {"message": message}


def _health(api: GrafanaApi, _uid: str, _query: Any, _body: Any) -> Answer:
    return 200, {"database": "ok", "version": api.version, "commit": "0"}


def _get(kind: str) -> Callable[..., Answer]:
    def handle(api: GrafanaApi, uid: str, _query: Any, _body: Any) -> Answer:
        found = getattr(api, kind).get(uid)
        return (200, found) if found is not None else (404, {"message": "not found"})

    return handle


def _create_folder(api: GrafanaApi, _uid: str, _query: Any, body: Any) -> Answer:
    if not isinstance(body.get("title"), str) or body.get("uid") in api.folders:
        return api.refuse(412, f"folder: {body}")
    api.folders[body["uid"]] = {**body, "id": len(api.folders) + 1, "version": 1}
    return 200, api.folders[body["uid"]]


def _update_folder(api: GrafanaApi, uid: str, _query: Any, body: Any) -> Answer:
    if uid not in api.folders or not body.get("overwrite"):
        return api.refuse(412, f"folder {uid}: the version is not given and nothing is to be overwritten")
    api.folders[uid]["title"] = body["title"]
    return 200, api.folders[uid]


def _datasource(api: GrafanaApi, uid: str, _query: Any, body: Any) -> Answer:
    if api.role != "Admin":
        return 403, {"message": "You'll need additional permissions to perform this action."}
    missing = {"name", "type", "access", "uid"} - body.keys()
    if missing or (uid and uid not in api.datasources) or (not uid and body["uid"] in api.datasources):
        return api.refuse(400, f"datasource: {missing or body['uid']}")
    kept = {name: value for name, value in body.items() if name != "secureJsonData"}
    secure = dict.fromkeys(body.get("secureJsonData", {}), True)
    api.datasources[body["uid"]] = {**kept, "id": 1, "orgId": 1, "secureJsonFields": secure}
    return 200, {"message": "Datasource added"}


def _save_dashboard(api: GrafanaApi, _uid: str, _query: Any, body: Any) -> Answer:
    board = body["dashboard"]
    if body.get("folderUid") not in api.folders:
        return api.refuse(400, f"dashboard: no folder {body.get('folderUid')}")
    wrong = [name for name, kind in _BOARD.items() if not isinstance(board.get(name), kind)]
    if wrong or board.get("id") is not None:
        return api.refuse(400, f"dashboard: {wrong}")
    before = api.dashboards.get(board["uid"])
    if before and not body.get("overwrite"):
        return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
    version = before["dashboard"]["version"] + 1 if before else 1
    api.dashboards[board["uid"]] = {
        "dashboard": {**board, "id": 7, "version": version},
        "meta": {"folderUid": body["folderUid"], "provisioned": False, "slug": "a"},
    }
    return 200, {"uid": board["uid"], "version": version, "status": "success"}


def _save_rule(api: GrafanaApi, uid: str, _query: Any, body: Any) -> Answer:
    wrong = [name for name, kind in _RULE.items() if not isinstance(body.get(name), kind)]
    references = [it["refId"] for it in body["data"]]
    wrong += ["folderUID"] if body.get("folderUID") not in api.folders else []
    wrong += ["condition"] if body.get("condition") not in references else []
    wrong += ["noDataState"] if body.get("noDataState") not in {"Alerting", "NoData", "OK", "KeepLast"} else []
    wrong += ["execErrState"] if body.get("execErrState") not in {"Alerting", "Error", "OK", "KeepLast"} else []
    wrong += [name for it in body["data"] for name in ("datasourceUid", "model", "relativeTimeRange") if name not in it]
    wrong += ["uid"] if (uid or body["uid"]) != body["uid"] or (not uid and body["uid"] in api.rules) else []
    if wrong:
        return api.refuse(400, f"alert rule {body.get('uid')}: {wrong}")
    api.rules[body["uid"]] = {**body, "id": 3, "updated": "2026-01-01T00:00:00Z", "provenance": "api"}
    return 200 if uid else 201, api.rules[body["uid"]]


def _find_annotations(api: GrafanaApi, _uid: str, query: dict[str, list[str]], _body: Any) -> Answer:
    wanted = set(query.get("tags", []))
    return 200, [each for each in api.annotations if wanted <= set(each["tags"])][: int(query.get("limit", ["100"])[0])]


def _add_annotation(api: GrafanaApi, _uid: str, _query: Any, body: Any) -> Answer:
    if not isinstance(body.get("text"), str) or not isinstance(body.get("time"), int):
        return api.refuse(400, f"annotation: {body}")
    if body.get("dashboardUID") not in api.dashboards:
        return 404, {"message": "Dashboard not found"}
    api.annotations.append({**body, "id": len(api.annotations) + 1})
    return 200, {"message": "Annotation added", "id": len(api.annotations)}


_BOARD: dict[str, type] = {"uid": str, "title": str, "panels": list, "templating": dict, "time": dict, "tags": list}
_RULE: dict[str, type] = {
    "uid": str, "title": str, "ruleGroup": str, "data": list, "for": str, "labels": dict, "annotations": dict,
    "orgID": int,
}  # fmt: skip
_UID = r"([a-zA-Z0-9_-]{1,40})"
ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", "/api/health", _health),
    ("GET", f"/api/folders/{_UID}", _get("folders")),
    ("POST", "/api/folders", _create_folder),
    ("PUT", f"/api/folders/{_UID}", _update_folder),
    ("GET", f"/api/datasources/uid/{_UID}", _get("datasources")),
    ("POST", "/api/datasources", _datasource),
    ("PUT", f"/api/datasources/uid/{_UID}", _datasource),
    ("GET", f"/api/dashboards/uid/{_UID}", _get("dashboards")),
    ("POST", "/api/dashboards/db", _save_dashboard),
    ("GET", f"/api/v1/provisioning/alert-rules/{_UID}", _get("rules")),
    ("POST", "/api/v1/provisioning/alert-rules", _save_rule),
    ("PUT", f"/api/v1/provisioning/alert-rules/{_UID}", _save_rule),
    ("GET", "/api/annotations", _find_annotations),
    ("POST", "/api/annotations", _add_annotation),
)


class _Handler(BaseHTTPRequestHandler):
    api: GrafanaApi
    below: str

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = parts.path.removeprefix(self.below)
        if path != "/api/health" and self.headers.get("authorization") != f"Bearer {TOKEN}":
            status, answer = 401, {"message": "Invalid API key"}
        else:
            status, answer = self.api.answer(self.command, path, parse_qs(parts.query), body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name that http.server gives it
        """Say nothing: requests are kept in `writes`."""


@contextmanager
def serving(api: GrafanaApi, below: str = "") -> Iterator[GrafanaApi]:
    """Serve the API on a port of its own, below a path if one is given."""
    handler = type("Handler", (_Handler,), {"api": api, "below": below})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        api.url = f"http://127.0.0.1:{server.server_port}{below}"
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
