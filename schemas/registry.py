"""A client of a Confluent-compatible schema registry: ids to schemas, and our schemas to ids.

A registry that does not answer is a `RegistryUnavailableError`, never a verdict on a record: whoever reads waits and
asks again. Only a registry that answers can say that it does not know an id. A schema never changes under its id, so
each is asked for once.
"""

import base64
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import Any, Final

_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_SCHEMA_NOT_FOUND: Final = 40403  # the registry's own code; a plain 404 comes from a wrong address
_FORGET_UNKNOWN: Final = 30.0  # seconds: an id that was unknown may be given out later
_MOST_UNKNOWN: Final = 10_000
_LONGEST_ANSWER: Final = 4 * 1024 * 1024


class RegistryUnavailableError(Exception):
    """The registry could not be asked, or did not answer as one; what waits for it has to be tried again."""


class IncompatibleError(ValueError):
    """The registry refuses a schema: it does not fit the versions it has."""


class Registry:
    """One registry by its address; safe to use from several threads.

    Parameters
    ----------
    url
        `http://` or `https://`, perhaps with a path; `user:password@` in it is sent as basic authentication.
    timeout
        Seconds to wait for an answer.
    """

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"schema registry: {parts.scheme}://{parts.hostname} given; allowed: http:// or https://")
        self._headers = {"Accept": _CONTENT_TYPE}
        if parts.username is not None:
            user = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self._timeout = timeout
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the environment is not asked
        self._schemas: dict[int, dict[str, Any]] = {}
        self._unknown: dict[int, float] = {}
        self._lock = threading.Lock()

    def schema(self, schema_id: int) -> dict[str, Any] | None:
        """Return the Avro record schema that has the id, None if the registry has none.

        Raises
        ------
        RegistryUnavailableError
            If the registry cannot be asked.
        """
        with self._lock:
            if schema_id in self._schemas:
                return self._schemas[schema_id]
            if time.monotonic() - self._unknown.get(schema_id, -_FORGET_UNKNOWN) < _FORGET_UNKNOWN:
                return None
        status, answer = self._ask("GET", f"/schemas/ids/{schema_id}")
        found = _avro_record(answer) if status == 200 else None
        with self._lock:
            if found is not None:
                self._schemas[schema_id] = found
            else:
                if len(self._unknown) >= _MOST_UNKNOWN:
                    self._unknown.clear()
                self._unknown[schema_id] = time.monotonic()
        return found

    def register(self, subject: str, schema: dict[str, Any]) -> int:
        """Return the id of the schema under the subject, registered now if it was not.

        Raises
        ------
        IncompatibleError
            If the registry refuses it.
        RegistryUnavailableError
            If the registry cannot be asked.
        """
        status, answer = self._ask("POST", f"/subjects/{_quoted(subject)}/versions", schema)
        if status != 200:
            raise IncompatibleError(f"{subject}: the registry refuses the schema: {answer.get('message', status)}")
        return int(answer["id"])

    def is_compatible(self, subject: str, schema: dict[str, Any]) -> bool:
        """Return whether the schema fits the versions that the subject has, by the registry's own rule for it.

        Raises
        ------
        RegistryUnavailableError
            If the registry cannot be asked.
        """
        status, answer = self._ask("POST", f"/compatibility/subjects/{_quoted(subject)}/versions", schema)
        return status == 404 or bool(answer.get("is_compatible"))  # a subject that is not there has no versions

    def _ask(self, method: str, path: str, schema: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Return the status and the answer: 200, what the registry does not know, or what it refuses."""
        body = None if schema is None else json.dumps({"schema": json.dumps(schema)}).encode()
        headers = self._headers if body is None else self._headers | {"Content-Type": _CONTENT_TYPE}
        request = urllib.request.Request(self._url + path, body, headers, method=method)  # noqa: S310 checked above
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return 200, _object(response.read(_LONGEST_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                answer = _object(error.read(_LONGEST_ANSWER))
            code = answer.get("error_code")
            is_verdict = error.code in {409, 422} or (error.code == 404 and isinstance(code, int) and code > 40_000)
            if is_verdict and (method != "GET" or code == _SCHEMA_NOT_FOUND):
                return error.code, answer
            raise RegistryUnavailableError(f"schema registry {self._url}: {error.code} {error.reason}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise RegistryUnavailableError(f"schema registry {self._url}: {error}") from error


def _object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in the body, an empty one if there is none: a proxy's page is no answer."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _avro_record(answer: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema in an answer, None if it is no Avro record, or refers to schemas elsewhere."""
    if "schema" not in answer:
        raise RegistryUnavailableError("schema registry: an answer without a schema")
    if answer.get("schemaType", "AVRO") != "AVRO" or answer.get("references"):
        return None
    schema = _object(str(answer["schema"]).encode())
    return schema if schema.get("type") == "record" else None


def _quoted(subject: str) -> str:
    return urllib.parse.quote(subject, safe="")
