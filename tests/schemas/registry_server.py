"""A small schema registry over real HTTP: the documented paths, statuses and error codes of Confluent's."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_IDS = re.compile(r"/schemas/ids/(\d+)")
_VERSIONS = re.compile(r"/subjects/([^/]+)/versions")
_COMPATIBILITY = re.compile(r"/compatibility/subjects/([^/]+)/versions")


class RegistryServer(ThreadingHTTPServer):
    """Schemas by id, in memory; `broken` answers every request with that status, as a gateway would."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, list[int]] = {}
        self.asked: list[str] = []
        self.refuses = False
        self.broken: int | None = None
        self.authorization: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, answer: dict[str, Any]) -> int:
        schema_id = 100 + len(self.schemas)
        self.schemas[schema_id] = answer
        return schema_id


class _Handler(BaseHTTPRequestHandler):
    server: RegistryServer

    def do_GET(self) -> None:
        if not self._may_answer():
            return
        found = _IDS.fullmatch(self.path)
        if found is None:
            self._answer(404, None)
        elif (schema := self.server.schemas.get(int(found[1]))) is None:
            self._answer(404, {"error_code": 40403, "message": "Schema not found"})
        else:
            self._answer(200, schema)

    def do_POST(self) -> None:
        if not self._may_answer():
            return
        schema = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        json.loads(schema["schema"])
        if found := _VERSIONS.fullmatch(self.path):
            if self.server.refuses:
                self._answer(409, {"error_code": 409, "message": "Schema being registered is incompatible"})
                return
            known = [key for key, value in self.server.schemas.items() if value["schema"] == schema["schema"]]
            schema_id = known[0] if known else self.server.add({"schema": schema["schema"]})
            self.server.subjects.setdefault(found[1], []).append(schema_id)
            self._answer(200, {"id": schema_id})
        elif found := _COMPATIBILITY.fullmatch(self.path):
            if found[1] not in self.server.subjects:
                self._answer(404, {"error_code": 40401, "message": "Subject not found"})
            else:
                self._answer(200, {"is_compatible": not self.server.refuses})
        else:
            self._answer(404, None)

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""

    def _may_answer(self) -> bool:
        self.server.asked.append(self.path)
        if self.server.broken is not None:
            self._answer(self.server.broken, None)
        elif self.server.authorization not in (None, self.headers.get("Authorization")):
            self._answer(401, {"error_code": 401, "message": "Unauthorized"})
        else:
            return True
        return False

    def _answer(self, status: int, body: dict[str, Any] | None) -> None:
        data = b"<html>gateway</html>" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def registry_server() -> Iterator[RegistryServer]:
    server = RegistryServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
