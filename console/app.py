"""The web console and the REST API in one process: NiceGUI's pages on FastAPI, behind one guard."""

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI, Request
from nicegui import app as nicegui_app
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from console import api, problems
from console.board import Board
from console.desk import Desk
from console.instruments import ConsoleInstruments, Watched
from console.model import ReadModel
from console.orders import Orders
from console.pages import compare, experiment, new, overview, programme, queue, sign_in
from console.pages.shell import BRAND
from console.rows import Rows
from console.security import Guard, is_loopback
from console.settings import ConsoleConfig, ConsoleError
from console.solver import Solver
from schemas.instruments import new_registry, serving

__all__ = ["ConsoleConfig", "ConsoleError", "run"]

_STATIC: Final = Path(__file__).parent / "static"
_GRACE_SECONDS: Final = 2
#: A busy machine may take long to build a page; late is better than an error.
_BUILD_SECONDS: Final = 30.0

_log = structlog.get_logger("console")


def run(config: ConsoleConfig) -> None:
    """Serve the console until SIGTERM or SIGINT.

    Raises
    ------
    ConsoleError
        If the port is taken.
    schemas.instruments.MetricsPortError
        If the port of the metrics is taken.
    """
    registry = new_registry()
    server = uvicorn.Server(
        uvicorn.Config(
            build(config, ConsoleInstruments(registry)),
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn ends on them and then raises them again: end well
    try:
        with serving(registry, config.metrics_host, config.metrics_port):
            server.run()
    except SystemExit as error:
        if error.code:
            raise ConsoleError(
                f"port: {config.port} on {config.host} cannot be listened on; is another console running?"
            ) from error
    if not server.started:
        raise ConsoleError(f"port: {config.port} on {config.host} cannot be listened on; is another console running?")


def build(config: ConsoleConfig, instruments: ConsoleInstruments | None = None) -> FastAPI:
    """Return the console as an ASGI application; one per process, since NiceGUI's pages are."""
    model = ReadModel(config.redis_url, config.topics)
    board = Board(model)
    orders = Orders(config.kafka, config.topics, board, config.reply_seconds)
    desk = Desk(config, model, board, orders, Solver(), Rows(board))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(board.follow())
        _log.info("console up", address=f"http://{config.host}:{config.port}")
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await model.close()

    app = FastAPI(
        title="waldstream",
        version="1",
        summary="Sequential tests on Kafka: experiments, walks, decisions, commands.",
        lifespan=lifespan,
        docs_url=None,  # the interactive pages load scripts from elsewhere
        redoc_url=None,
        openapi_url=f"{api.PREFIX}/openapi.json",
    )
    problems.install(app)
    api.install(app, config, board, orders)
    sign_in.install(app, config)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    _pages(desk)
    ui.run_with(
        app,
        title="waldstream",
        favicon=_STATIC / "favicon.svg",
        dark=None,
        language="en-US",
        reconnect_timeout=5.0,
        # On loopback, packing costs the first page more time than it saves.
        gzip_middleware_factory=None if is_loopback(config.host) else GZipMiddleware,
        tailwind=False,
        show_welcome_message=False,
    )
    app.add_middleware(Guard, tokens=config.tokens, hosts=config.allowed_hosts)
    if instruments is not None:
        app.add_middleware(Watched, instruments=instruments)
    return app


def _pages(desk: Desk) -> None:
    style = _STATIC / "console.css"
    version = hashlib.sha256(style.read_bytes()).hexdigest()[:12]
    ui.add_head_html(
        f'<link rel="stylesheet" href="/static/console.css?v={version}">'
        '<meta name="robots" content="noindex">'
        "<script>try{document.documentElement.dataset.theme=localStorage.getItem('waldstream-theme')||'auto'}catch{}</script>",
        shared=True,
    )

    # The bar stands before any script has run: something to see at once, in the place where the page will have it.
    ui.add_body_html(f'<div class="boot" aria-hidden="true"><div>{BRAND}<b>waldstream</b></div></div>', shared=True)

    @ui.page("/", response_timeout=_BUILD_SECONDS)
    async def _overview(request: Request) -> None:
        await overview.build(desk, request)

    @ui.page("/programme", response_timeout=_BUILD_SECONDS)
    async def _programme(request: Request) -> None:
        await programme.build(desk, request)

    @ui.page("/compare", response_timeout=_BUILD_SECONDS)
    async def _compare(request: Request) -> None:
        await compare.build(desk, request)

    @ui.page("/queue", response_timeout=_BUILD_SECONDS)
    async def _queue() -> None:
        await queue.build(desk)

    @ui.page("/new", response_timeout=_BUILD_SECONDS)
    async def _new(request: Request) -> None:
        await new.build(desk, request)

    @ui.page("/experiments/{experiment_id}", response_timeout=_BUILD_SECONDS)
    async def _newest(request: Request, experiment_id: str) -> None:
        await experiment.build(desk, request, experiment_id, None)

    @ui.page("/experiments/{experiment_id}/runs/{number}", response_timeout=_BUILD_SECONDS)
    async def _run(request: Request, experiment_id: str, number: int) -> None:
        await experiment.build(desk, request, experiment_id, number)

    nicegui_app.on_exception(lambda error: _log.error("page failed", error=repr(error)))
