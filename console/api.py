"""The REST API under `/api/v1`: what the pages show, as JSON, and commands with their replies.

Bodies are the documents of the read model; their schemas in the OpenAPI document come from the same structs.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Body, FastAPI, Path, Query, Request, WebSocket
from fastapi.responses import FileResponse, Response
from fastapi.routing import APIRoute
from msgspec.structs import replace
from starlette.background import BackgroundTask
from starlette.routing import Match

from console import problems
from console.board import Board
from console.bodies import EXPERIMENT, ExperimentBody, FileBody, PathBody, PathPoint, RunBody, RunPage, command_schema
from console.documents import RunDocument
from console.downloads import files, folder, zipped
from console.keys import parted
from console.listing import Filter, StateName, selected
from console.model import ReadModel, live_point
from console.orders import KafkaAwayError, NoReplyError, Orders, new_id
from console.picture import drift
from console.problems import ApiError
from console.security import Visitor, visitor
from console.settings import ConsoleConfig
from console.telling import tell
from console.walk import thinned
from experiments.definition import DefinitionError, parse
from schemas import events
from schemas.codecs import EXPERIMENT_ID

PREFIX = "/api/v1"

ExperimentId = Annotated[str, Path(pattern=EXPERIMENT, description="The experiment's id.")]
RUN_LIST = r"^[a-z0-9][a-z0-9._-]{0,62}/[1-9][0-9]{0,8}(,[a-z0-9][a-z0-9._-]{0,62}/[1-9][0-9]{0,8})*$"
RunNumber = Annotated[int, Path(ge=1, le=2**31 - 1, description="The run: 1, 2, 3 …")]
ORDERS: dict[str, type[events.Command]] = {
    "define": events.Define,
    "run": events.Run,
    "start": events.Start,
    "pause": events.Pause,
    "resume": events.Resume,
    "stop": events.Stop,
    "cancel": events.Cancel,
    "retry": events.Retry,
    "hold": events.Hold,
    "release": events.Release,
    "archive": events.Archive,
    "unblind": events.Unblind,
}


_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]
_DOCUMENTED = (RunPage, ExperimentBody, RunBody, PathBody, events.Reply)
_COMMAND: dict[str, Any] = {"application/json": {"schema": {"$ref": "#/components/schemas/Command"}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: problems.documented("The console has tokens, and this request has none of them."),
    404: problems.documented("There is no such experiment, run or file."),
    422: problems.documented("A field is outside its limits."),
    503: problems.documented("Redis or Kafka does not answer."),
}


def install(app: FastAPI, config: ConsoleConfig, board: Board, orders: Orders) -> None:
    """Add the API's routes, errors and schemas to the app."""
    model = board.model
    router = APIRouter(prefix=PREFIX, responses=_PROBLEMS)

    @router.get("/experiments", responses={200: _documented(RunPage)})
    async def experiments(
        *,
        q: Annotated[str, Query(max_length=200, description="Words in title, id, owner or tags.")] = "",
        state: Annotated[
            StateName,
            Query(description="A state; `active` or `ended` for all such; `attention` for stuck, held, failed ones."),
        ] = "",
        outcome: Literal["", "accept_h1", "accept_h0", "inconclusive"] = "",
        owner: Annotated[str, Query(max_length=200)] = "",
        tag: Annotated[str, Query(max_length=40)] = "",
        sort: Literal["newest", "oldest", "title", "n", "nearest"] = "newest",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> Response:
        """List the runs of all experiments, an experiment without a run as run 0."""
        if not board.health.is_redis_up:
            raise ApiError(503, "Read model away", "Redis does not answer; the list is not known to be current")
        asked = Filter(q=q, state=state, outcome=outcome, owner=owner, tag=tag, sort=sort)
        found = selected(board, asked)
        page = found[offset : offset + limit]
        return _json(RunPage(items=page, total=len(found), limit=limit, offset=offset))

    @router.get("/experiments/{experiment_id}", responses={200: _documented(ExperimentBody)})
    async def experiment(experiment_id: ExperimentId) -> Response:
        """Return one experiment with its runs and its timeline."""
        runs = await model.runs_of(experiment_id)
        if not runs:
            raise _no_experiment(experiment_id)
        return _json(
            ExperimentBody(
                experiment_id=experiment_id,
                definition=await model.definition(experiment_id),
                runs=runs,
                timeline=await model.timeline(experiment_id),
            )
        )

    @router.get("/experiments/{experiment_id}/runs/{run}", responses={200: _documented(RunBody)})
    async def one_run(experiment_id: ExperimentId, run: RunNumber) -> Response:
        """Return one run, live or ended."""
        document = await _found(model, experiment_id, run)
        walk = await model.seen_walk(document)
        archive = folder(config.archives, experiment_id, run)
        listed = [] if archive is None else await asyncio.to_thread(files, archive)
        return _json(
            RunBody(
                run=document,
                point=live_point(experiment_id, run, walk) if len(walk) and not document.is_blinded else None,
                decision=await model.decision(experiment_id, run),
                archive=[FileBody(name=it.name, size=it.size, sha256=it.sha256) for it in listed] or None,
            )
        )

    @router.get("/experiments/{experiment_id}/runs/{run}/path", responses={200: _documented(PathBody)})
    async def path(
        experiment_id: ExperimentId,
        run: RunNumber,
        max_points: Annotated[int, Query(ge=4, le=10_000, description="First, last and extremes always stay.")] = 1000,
    ) -> Response:
        """Return the walk against n with its boundaries and the expected drift under both hypotheses."""
        document = await _found(model, experiment_id, run)
        if document.is_blinded:
            raise ApiError(403, "Blinded", f"{experiment_id}/{run} is blinded until its decision or an unblind command")
        expected = drift(document)
        points = [
            PathPoint(
                n=n,
                llr=llr,
                p_value=p_value,
                lower=document.lower,
                upper=document.upper,
                e_h0=None if expected.h0 is None else n * expected.h0,
                e_h1=None if expected.h1 is None else n * expected.h1,
            )
            for n, llr, p_value, *_ in thinned(await model.walk(experiment_id, run), max_points).tolist()
        ]
        return _json(PathBody(experiment_id=experiment_id, run=run, points=points))

    @router.get(
        "/experiments/{experiment_id}/runs/{run}/archive",
        responses={200: {"description": "The archive as a ZIP.", "content": {"application/zip": {}}}},
    )
    async def archive(experiment_id: ExperimentId, run: RunNumber) -> Response:
        """Return all files of the run's archive."""
        found = folder(config.archives, experiment_id, run)
        if found is None:
            raise ApiError(
                404, "No archive", f"{experiment_id}/{run} has no archive here; it is written after a decision"
            )
        packed = await asyncio.to_thread(zipped, {(experiment_id, run): found})
        return FileResponse(
            packed,
            media_type="application/zip",
            filename=f"{experiment_id}-{run}.zip",
            background=BackgroundTask(packed.unlink),
        )

    @router.get(
        "/experiments/{experiment_id}/runs/{run}/archive/{name}",
        responses={200: {"description": "The file.", "content": {"application/octet-stream": {}}}},
    )
    async def archived_file(experiment_id: ExperimentId, run: RunNumber, name: str) -> Response:
        """Return one file of the run's archive."""
        found = folder(config.archives, experiment_id, run)
        listed = [] if found is None else [it.name for it in await asyncio.to_thread(files, found)]
        if found is None or name not in listed:
            raise ApiError(
                404, "No such file", f"{name[:80]!r}; {experiment_id}/{run} has: {', '.join(listed) or 'no archive'}"
            )
        media = "application/octet-stream"  # one type for all, so that nothing is ever shown instead of saved
        return FileResponse(found / name, media_type=media, filename=f"{experiment_id}-{run}-{name}")

    @router.get(
        "/archives",
        responses={200: {"description": "The archives as one ZIP.", "content": {"application/zip": {}}}},
    )
    async def archives(
        runs: Annotated[
            str, Query(max_length=40_000, pattern=RUN_LIST, description="`<experiment>/<run>`, separated by commas.")
        ],
    ) -> Response:
        """Return the archives of several runs; a run without one is an error that names it."""
        names = [parted(name) for name in dict.fromkeys(runs.split(","))]
        found = {name: folder(config.archives, *name) for name in names}
        missing = [f"{experiment_id}/{run}" for (experiment_id, run), where in found.items() if where is None]
        if missing:
            raise ApiError(404, "No archive", f"no archive here of: {', '.join(missing)[:500]}")
        packed = await asyncio.to_thread(zipped, {name: where for name, where in found.items() if where is not None})
        return FileResponse(
            packed,
            media_type="application/zip",
            filename="archives.zip",
            background=BackgroundTask(packed.unlink),
        )

    @router.post(
        "/commands",
        responses={
            200: _documented(events.Reply),
            400: problems.documented("The body is no JSON."),
            403: problems.documented("A viewer's token, or a page of another origin."),
            409: problems.documented("The definition or the command was refused; `code` says why."),
            504: problems.documented("Sent, but no worker has answered in time."),
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Command"}}},
            }
        },
    )
    async def commands(request: Request, body: Annotated[dict[str, Any], Body()]) -> Response:
        """Send a command to the workers and wait for the reply."""
        command = _command(body, visitor(request))
        try:
            reply = await orders.send(command)
        except KafkaAwayError as error:
            raise ApiError(503, "Kafka away", str(error), command_id=command.id) from error
        except NoReplyError as error:
            raise ApiError(504, "No reply", str(error), command_id=command.id) from error
        if reply.status == "rejected":
            raise ApiError(409, "Rejected", reply.message, code=reply.code, command_id=reply.command_id)
        return _json(reply)

    @router.websocket("/events")
    async def told(
        socket: WebSocket,
        experiment_id: Annotated[str | None, Query(pattern=EXPERIMENT)] = None,
        last: Annotated[int, Query(ge=0, le=1000)] = 0,
    ) -> None:
        """Send what is committed as it comes, after the `last` entries of before; of one experiment, or of all."""
        await tell(socket, board, experiment_id, last)

    @router.api_route("/{rest:path}", methods=_METHODS, include_in_schema=False)
    async def nothing(request: Request, rest: str) -> Response:
        """Say that there is no such address, or no such method there, in the API's own form."""
        known = [route for route in router.routes if isinstance(route, APIRoute) and route.include_in_schema]
        here = [route for route in known if route.matches(request.scope)[0] is Match.PARTIAL]
        if here:
            allowed = ", ".join(sorted({method for route in here for method in route.methods or ()}))
            answer = problems.response(ApiError(405, "No such method", f"{request.method}; allowed: {allowed}"))
            answer.headers["allow"] = allowed
            return answer
        raise ApiError(404, "No such address", f"{PREFIX}/{rest[:80]}; what there is: {PREFIX}/openapi.json")

    app.include_router(router)
    _describe(app)


def _command(body: dict[str, Any], who: Visitor) -> events.Command:
    """Return the command in a request's body; a definition is checked before anything is sent."""
    kind = ORDERS.get(str(body.get("type")))
    if kind is None:
        raise _wrong("type", body.get("type"), f"allowed: {', '.join(ORDERS)}")
    given = {"id": new_id(), "actor": "api"} | {name: _whole(it) for name, it in body.items() if it is not None}
    try:
        command = msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise ApiError(422, "Invalid command", f"{body['type']}: {error}") from error
    command = replace(command, actor=who.actor(command.actor or "api"))
    if not EXPERIMENT_ID.fullmatch(command.experiment_id):
        raise _wrong("experiment_id", command.experiment_id, f"allowed: {EXPERIMENT_ID.pattern}")
    for field, limit in (("id", 200), ("actor", 250), ("reason", 2000)):
        value = getattr(command, field)
        if len(value or "") > limit or (field == "id" and not value):
            raise _wrong(field, value, f"allowed: at most {limit} characters, and an id has some")
    if isinstance(command, events.Define | events.Run):
        try:
            definition = parse(command.experiment)
        except DefinitionError as error:
            errors = problems.as_errors(error.problems)
            code = "invalid_definition"  # as the worker would say
            raise ApiError(409, "Invalid definition", str(error), code=code, errors=errors) from error
        if definition.id != command.experiment_id:
            allowed = f"allowed: the experiment_id, {command.experiment_id!r}"
            detail = f"experiment.id: given {definition.id!r}; {allowed}"
            raise ApiError(409, "Invalid definition", detail, code="invalid_definition")
    return command


def _whole(value: object) -> object:
    """Return 3 for 3.0: to JSON Schema they are the same integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wrong(field: str, given: object, allowed: str) -> ApiError:
    error = {"field": field, "given": repr(given)[:80], "allowed": allowed}
    return ApiError(422, "Invalid command", f"{field}: given {error['given']}; {allowed}", errors=[error])


async def _found(model: ReadModel, experiment_id: str, run: int) -> RunDocument:
    document = await model.run(experiment_id, run)
    if document is None:
        raise ApiError(404, "No such run", f"{experiment_id}/{run} is not known")
    return document


def _no_experiment(experiment_id: str) -> ApiError:
    return ApiError(404, "No such experiment", f"{experiment_id} is not known")


def _json(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json", headers={"cache-control": "no-store"})


def _content(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}


def _documented(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"description": (kind.__doc__ or "").splitlines()[0], "content": _content(kind)}


def _describe(app: FastAPI) -> None:
    """Let the OpenAPI document hold the structs' own schemas."""
    generate: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "Problem" not in schemas:
            _, structs = msgspec.json.schema_components(_DOCUMENTED, ref_template="#/components/schemas/{name}")
            schemas |= structs | {"Problem": problems.schema(), "Command": command_schema(tuple(ORDERS))}
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document
