"""The port over grafana-client: read, compare, and write only what differs; in a dry run, write nothing.

A thing is as wanted if all that we say of it holds; what Grafana adds of its own is its own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaTimeoutError
from niquests.exceptions import RequestException

from grafana.port import Change, Published, PublishError

_SECONDS: Final = 10.0
_NOT_FOUND: Final = 404
_MESSAGE: Final = "waldstream dashboards publish"
_HINTS: Final = {
    401: "the token is wrong or has expired; allowed: a token of a service account of this Grafana",
    403: "the token may not do this; allowed: a service account with the role Editor, for datasources Admin",
    412: "somebody changed it at the same time; publish again",
}


class Client:
    """One Grafana behind its address.

    Parameters
    ----------
    url
        Its address, with the path below which it is served, if any.
    token
        Of a service account.
    is_dry
        Look and compare, write nothing.
    """

    def __init__(self, url: str, token: str, *, is_dry: bool = False) -> None:
        if not url.startswith(("http://", "https://")):
            raise PublishError(f"url: given {url!r}; allowed: an address that begins with http:// or https://")
        # grafana-client puts "api" right behind the path of the address.
        self._api = GrafanaApi.from_url(url.rstrip("/") + "/", credential=token, timeout=_SECONDS)
        self._url = url
        self._is_dry = is_dry

    def version(self) -> str:
        """Return Grafana's version; it answers and is one."""
        with self._speaking("its health"):
            answer = self._api.client.GET("/health")
        if not isinstance(answer, dict) or "version" not in answer:
            raise PublishError(f"{self._url}: something answers, but not as Grafana does; allowed: Grafana's address")
        return str(answer["version"])

    def put_folder(self, uid: str, title: str) -> Published:
        """Let there be this folder."""
        folder = self._api.folder
        found = self._read(f"folder {uid}", lambda: folder.get_folder(uid))
        change = self._write(
            f"folder {uid}",
            found,
            {"title": title},
            lambda: folder.create_folder(title, uid=uid),
            lambda: folder.update_folder(uid, title=title, overwrite=True),
        )
        return Published("folder", uid, change)

    def put_datasource(self, body: Mapping[str, Any]) -> Published:
        """Let there be this datasource, found by its uid."""
        uid, datasource = str(body["uid"]), self._api.datasource
        found = self._read(f"datasource {uid}", lambda: datasource.get_datasource_by_uid(uid))
        visible = {name: value for name, value in body.items() if name != "secureJsonData"}  # never read back
        change = self._write(
            f"datasource {uid}",
            found,
            visible,
            lambda: datasource.create_datasource(dict(body)),
            lambda: datasource.update_datasource_by_uid(uid, dict(body)),
        )
        return Published("datasource", uid, change)

    def put_dashboard(self, body: Mapping[str, Any], folder_uid: str) -> Published:
        """Let there be this dashboard in the folder, found by its uid."""
        uid, dashboard = str(body["uid"]), self._api.dashboard
        found = self._read(f"dashboard {uid}", lambda: dashboard.get_dashboard(uid))
        if found is not None and (found.get("meta") or {}).get("provisioned"):
            raise PublishError(f"dashboard {uid}: this Grafana reads it from files; change those, or remove them first")

        def save() -> Any:
            sent = {"dashboard": {**body, "id": None}, "folderUid": folder_uid, "overwrite": True, "message": _MESSAGE}
            return dashboard.update_dashboard(sent)

        wanted = {"dashboard": body, "meta": {"folderUid": folder_uid}}
        return Published("dashboard", uid, self._write(f"dashboard {uid}", found, wanted, save, save))

    def put_alert_rule(self, body: Mapping[str, Any]) -> Published:
        """Let there be this alert rule, found by its uid."""
        uid, alerting = str(body["uid"]), self._api.alertingprovisioning
        found = self._read(f"alert rule {uid}", lambda: alerting.get_alertrule(uid))
        if found is not None and found.get("provenance") == "file":
            raise PublishError(
                f"alert rule {uid}: this Grafana reads it from files; change those, or remove them first"
            )
        change = self._write(
            f"alert rule {uid}",
            found,
            body,
            lambda: alerting.create_alertrule(dict(body)),
            lambda: alerting.update_alertrule(uid, dict(body)),
        )
        return Published("alert rule", uid, change)

    def put_annotation(self, dashboard_uid: str, at: datetime, text: str, tags: list[str], own_tag: str) -> Published:
        """Let there be an annotation with its own tag."""
        with self._speaking(f"annotation {own_tag}"):
            found = self._api.annotations.find_annotations(tags=[own_tag], limit=1)
        moment = int(at.timestamp() * 1000)

        def add() -> Any:
            return self._api.annotations.add_annotation(
                dashboard_uid=dashboard_uid, time_from=moment, time_to=moment, tags=tags, text=text
            )

        # What a decision was never changes: an annotation that is there is right.
        change = self._write(f"annotation {own_tag}", found[0] if found else None, {}, add, add)
        return Published("annotation", own_tag, change)

    def _read(self, what: str, read: Callable[[], Any]) -> Any:
        """Return what Grafana has, None if nothing."""
        with self._speaking(what):
            try:
                return read()
            except GrafanaClientError as error:
                if error.status_code == _NOT_FOUND:
                    return None
                raise

    def _write(
        self,
        what: str,
        found: Mapping[str, Any] | None,
        wanted: Mapping[str, Any],
        create: Callable[[], Any],
        update: Callable[[], Any],
    ) -> Change:
        if found is not None and _holds(wanted, found):
            return "unchanged"
        if not self._is_dry:
            with self._speaking(what):
                _ = create() if found is None else update()
        return "created" if found is None else "updated"

    @contextmanager
    def _speaking(self, what: str) -> Iterator[None]:
        try:
            yield
        except GrafanaTimeoutError as error:
            raise PublishError(f"{what}: {self._url} did not answer within {_SECONDS:g} s") from error
        except GrafanaException as error:
            hint = _HINTS.get(error.status_code, str(error.message))
            raise PublishError(f"{what}: {self._url} answered {error.status_code}: {hint}") from error
        except RequestException as error:
            raise PublishError(f"{what}: {self._url} cannot be reached: {error}") from error


def _holds(wanted: Any, found: Any) -> bool:
    """Return whether all that is wanted is found; Grafana leaves out what is null or empty."""
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return not wanted and found is None
        return all(_holds(value, found.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list | tuple):
        if not isinstance(found, list):
            return not wanted and found is None
        return len(wanted) == len(found) and all(map(_holds, wanted, found))
    return bool(wanted == found)
