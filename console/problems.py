"""Errors of the API as RFC 9457 problem documents, each naming the field, what was given and what is allowed."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from console.model import ReadModelAwayError
from experiments.definition import Problem

MEDIA_TYPE = "application/problem+json"


class ApiError(Exception):
    """A request that cannot be answered as asked."""

    def __init__(self, status: int, title: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}


def as_errors(problems: list[Problem]) -> list[dict[str, str]]:
    """Return what is wrong with a definition, one entry per field."""
    return [{"field": it.field, "given": it.given, "allowed": it.allowed} for it in problems]


def response(error: ApiError) -> JSONResponse:
    """Return the problem as a response."""
    return JSONResponse(error.body, error.status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let every error of the app's own routes leave as a problem document."""

    @app.exception_handler(ApiError)
    async def _api(_: Request, error: ApiError) -> JSONResponse:
        return response(error)

    @app.exception_handler(ReadModelAwayError)
    async def _away(_: Request, error: ReadModelAwayError) -> JSONResponse:
        return response(ApiError(503, "Read model away", str(error)))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [_error(entry) for entry in error.errors()]
        return response(ApiError(422, "Invalid request", "; ".join(map(_line, errors)), errors=errors))

    @app.exception_handler(HTTPException)
    async def _other(_: Request, error: HTTPException) -> JSONResponse:
        return response(ApiError(error.status_code, str(error.detail), str(error.detail)))


def documented(description: str) -> dict[str, Any]:
    """Return the entry of the OpenAPI document for a problem."""
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a problem document."""
    text = {"type": "string"}
    field = {"type": "object", "properties": {"field": text, "given": text, "allowed": text}}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "code": text,
            "errors": {"type": "array", "items": field},
        },
    }


def _error(entry: Mapping[str, Any]) -> dict[str, str]:
    where = [str(step) for step in entry["loc"]]
    given = "nothing" if entry["type"] == "missing" else repr(entry.get("input"))[:80]
    message: str = entry["msg"]
    return {"field": ".".join(where[1:] or where), "given": given, "allowed": message[0].lower() + message[1:]}


def _line(error: Mapping[str, str]) -> str:
    return f"{error['field']}: given {error['given']}; {error['allowed']}"
