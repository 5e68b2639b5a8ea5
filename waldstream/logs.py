"""How log lines look: one per decision, archive and the like, to stderr, as text for people or JSON for programs."""

import logging
import sys
from typing import Literal

import structlog


def configure(log_format: Literal["text", "json"]) -> None:
    """Set up structlog for this process, and bring the standard library's warnings into the same stream."""
    is_json = log_format == "json"
    # Plain tracebacks: those with local variables would print secrets.
    for_people = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer() if is_json else for_people
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*before, *([structlog.processors.format_exc_info] if is_json else []), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=before))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
