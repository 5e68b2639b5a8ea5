"""What all commands share: where they print, how they say no, and which exit code says what.

0 done, 1 refused (the reason is printed), 2 usage, 3 Kafka cannot be reached. A traceback is a bug.
"""

import importlib
import sys
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console
from typer.core import TyperGroup

REFUSED, USAGE, UNREACHABLE = 1, 2, 3

# No markup: titles, reasons and messages are other people's words.
out = Console(soft_wrap=True, highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the record.")]

#: Exceptions that are answers, by where they live; looked up only when one has happened.
_ANSWERS: dict[int, tuple[str, ...]] = {
    UNREACHABLE: ("producers.errors:UnreachableError", "processors.topics:KafkaUnreachableError"),
    USAGE: ("waldstream.settings:SettingsError",),
    REFUSED: (
        "waldstream.terminal:RefusedError",
        "producers.errors:ProducerError",
        "processors.topics:TopicError",
        "schemas.instruments:MetricsPortError",
        "experiments.definition:DefinitionError",
        "sprt:SprtError",
        "stack.errors:StackError",
        "console.projector:ProjectorError",
        "console.settings:ConsoleError",
        "exporter.service:ExporterError",
        "exporter.catalog:CatalogError",
        "exporter.replay:ReplayError",
        "grafana.port:PublishError",
        "redis:RedisError",
        "schemas.registry:RegistryUnavailableError",
        "schemas.registry:IncompatibleError",
    ),
}


class RefusedError(Exception):
    """The request was understood and turned down; the message says why and what is allowed."""


class Group(TyperGroup):
    """A group of commands whose errors are one clear line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an exception that is an answer becomes its exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(130)
        except Exception as error:
            code = exit_code(error)
            if code is None:
                raise
            fail(str(error), code)


def exit_code(error: Exception) -> int | None:
    """Return the exit code that an exception stands for, None if it is a bug."""
    for code, names in _ANSWERS.items():
        for name in names:
            module, kind = name.split(":")
            # A module that was never imported has raised nothing.
            if module in sys.modules and isinstance(error, getattr(importlib.import_module(module), kind)):
                return code
    return None


def fail(message: str, code: int = REFUSED) -> NoReturn:
    """Print the message and end with the code."""
    err.print(message, style="red" if err.is_terminal else None)
    raise typer.Exit(code)


def print_json(value: object) -> None:
    """Print a value as one JSON document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
