"""What projector and console show to Prometheus, named by the table of metrics."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.instruments import counter, gauge, histogram


class ProjectorInstruments:
    """The instruments of one projector."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._records = counter(registry, "sprt_projected_records_total")
        self._lag = gauge(registry, "sprt_consumer_lag_records")
        self._up = gauge(registry, "sprt_read_model_up")

    def projected(self, records: int) -> None:
        """Count records that were brought into the read model."""
        self._records.inc(records)

    def answers(self, is_up: bool) -> None:
        """Show whether Redis takes what is projected."""
        self._up.set(is_up)

    def lags(self, behind: Iterable[tuple[str, int, int]]) -> None:
        """Show how many records lie before each topic's partition; what is not given is another projector's."""
        self._lag.clear()
        for topic, partition, records in behind:
            self._lag.labels(topic, str(partition)).set(records)


class ConsoleInstruments:
    """The instruments of one console."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = counter(registry, "sprt_http_requests_total")
        self._seconds = histogram(registry, "sprt_http_seconds")
        self.pages = gauge(registry, "sprt_console_pages")

    def answered(self, status: int, seconds: float) -> None:
        """Count an answer and how long it took."""
        self._requests.labels(f"{status // 100}xx").inc()
        self._seconds.observe(seconds)


class Watched:
    """The outermost layer of the console: counts what passes through it, answers of the guard included."""

    def __init__(self, app: ASGIApp, instruments: ConsoleInstruments) -> None:
        self._app = app
        self._instruments = instruments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request or a browser's connection on, and count it."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"].startswith("/_nicegui"):
            with self._instruments.pages.track_inprogress():
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, began = 500, time.perf_counter()  # until an answer begins, an error would end the request

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._instruments.answered(status, time.perf_counter() - began)
