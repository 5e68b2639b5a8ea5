"""The generated parts of the documentation: tables of commands, settings, topics, metrics, events and transitions.

`python -m waldstream.documentation` writes them between their markers; `--check` only says whether they are up to date.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import typer

from experiments.transitions import TRANSITIONS
from schemas import avro, events
from schemas.metrics import METRICS
from schemas.topics import Topics
from waldstream.cli import app
from waldstream.settings import PREFIX, Settings

FOLDER = Path(__file__).parent.parent / "docs"
_MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command as it is typed, with typer's object for it."""
    yield from _below("waldstream", typer.main.get_command(app))


def _below(prefix: str, command: Any) -> Iterator[tuple[str, Any]]:
    if (inner := getattr(command, "commands", None)) is None:
        yield prefix, command
        return
    for name, each in inner.items():
        yield from _below(f"{prefix} {name}", each)


def _commands() -> Iterable[str]:
    yield "| command | what it does | options |"
    yield "|---|---|---|"
    for name, command in commands():
        arguments = " ".join(
            p.name.upper() if p.required else f"[{p.name.upper()}]"
            for p in command.params
            if p.param_type_name == "argument"
        )
        options = ", ".join(
            f"`{p.opts[0]}`" for p in command.params if p.param_type_name == "option" and p.name != "help"
        )
        yield f"| `{f'{name} {arguments}'.strip()}` | {command.help.splitlines()[0]} | {options} |"


def _settings() -> Iterable[str]:
    yield "| setting | variable | default | what it is |"
    yield "|---|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = field.default if field.default_factory is None else None
        shown = f"`{_default(default)}`" if default not in (None, "") else ""
        if name == "actor":
            shown = "the user's name"
        yield f"| `{name}` | `{PREFIX}{name.upper()}` | {shown} | {field.description} |"


def _default(value: object) -> str:
    secret = getattr(value, "get_secret_value", None)
    return str(secret() if secret else value)


def _topics() -> Iterable[str]:
    yield "| topic | key | holds | configuration |"
    yield "|---|---|---|---|"
    for topic in Topics().all():
        config = ", ".join(f"`{name}={value}`" for name, value in topic.config)
        yield f"| `{topic.name}` | {topic.key} | {topic.purpose} | {config} |"


def _metrics() -> Iterable[str]:
    yield "| metric | kind | labels | of | what it says |"
    yield "|---|---|---|---|---|"
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {', '.join(metric.roles)} | {metric.help} |"


def _events() -> Iterable[str]:
    groups: tuple[tuple[str, Iterable[type[msgspec.Struct]]], ...] = (
        ("Observations", (events.Observation,)),
        ("Commands; the fields of `command` are those of all", (events.Command, *events.COMMANDS)),
        ("Replies", (events.Reply,)),
        ("Lifecycle events; the fields of `lifecycle` are those of all", (events.Lifecycle, *events.LIFECYCLE)),
        ("Walks and archives", (events.WalkPoint, events.ArchiveWritten)),
        ("Rows of state", events.ROWS),
    )
    for title, kinds in groups:
        yield f"**{title}**"
        yield ""
        yield "| event | what it says | fields (? may be left out) |"
        yield "|---|---|---|"
        for kind in kinds:
            first = (kind.__doc__ or "").splitlines()[0]
            shared = {
                f.name
                for base in (events.Command, events.Lifecycle)
                if kind is not base and issubclass(kind, base)
                for f in msgspec.structs.fields(base)
            }
            own = [f for f in msgspec.structs.fields(kind) if f.name not in shared]
            fields = ", ".join(f"`{f.name}{'' if f.required else '?'}` {_type(f.type)}" for f in own)
            yield f"| `{avro.event_name(kind)}` | {first} | {fields} |"
        yield ""


def _type(annotation: Any) -> str:
    arguments = [each for each in get_args(annotation) if each is not type(None)]
    origin = getattr(annotation, "__origin__", None)
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "object"
    if arguments:
        return _type(arguments[0])
    names = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "time"}
    return names.get(annotation, avro.event_name(annotation) if isinstance(annotation, type) else str(annotation))


def _transitions() -> Iterable[str]:
    yield "| state | commands that are allowed |"
    yield "|---|---|"
    states = dict.fromkeys(state for state, _ in TRANSITIONS)
    for state in states:
        names = ", ".join(f"`{avro.event_name(kind)}`" for at, kind in TRANSITIONS if at == state)
        yield f"| {'(not defined)' if state is None else f'`{state}`'} | {names} |"


PARTS: dict[str, Callable[[], Iterable[str]]] = {
    "commands": _commands,
    "settings": _settings,
    "topics": _topics,
    "metrics": _metrics,
    "events": _events,
    "transitions": _transitions,
}


def rendered(text: str) -> str:
    """Return the page with every generated part as it is now."""
    return _MARKED.sub(lambda found: found[1] + "\n".join(PARTS[found[2]]()).strip() + "\n" + found[3], text)


def main() -> None:
    """Write the pages again, or with `--check` end with code 1 if one is out of date."""
    check = "--check" in sys.argv[1:]
    stale = []
    for page in sorted(FOLDER.glob("*.md")):
        before = page.read_text("utf-8")
        if (after := rendered(before)) != before:
            stale.append(page.name)
            if not check:
                page.write_text(after, "utf-8")
    if stale:
        sys.stdout.write(f"{'out of date' if check else 'written'}: {', '.join(stale)}\n")
    if check and stale:
        sys.exit(1)


if __name__ == "__main__":
    main()
