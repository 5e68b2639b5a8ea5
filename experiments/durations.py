"""Lengths of time as researchers write them: `90s`, `5m`, `2h`, `1h30m`, `1d`."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_UNITS = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000}
_FORM = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:d|h|ms|m|s))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(d|h|ms|m|s)")
_LONGEST = 3650 * _UNITS["d"]
_LONGEST_TEXT = 40


def microseconds(given: Any) -> int:
    """Return a length of time in microseconds, in whole milliseconds.

    Raises `ValueError` on anything but text such as `1d2h3m4s5ms`, or parts of it in that order or another.
    """
    text = given.replace(" ", "") if isinstance(given, str) and len(given) <= _LONGEST_TEXT else ""
    total = sum(round(float(number) * _UNITS[unit] / 1_000) * 1_000 for number, unit in _PART.findall(text))
    if not _FORM.fullmatch(text) or not 0 < total <= _LONGEST:
        raise ValueError(f"{given!r:.80}; allowed: a length of time such as 90s, 5m, 2h, 1h30m, 1d, up to 3650d")
    return total


def text(length: int) -> str:
    """Return the shortest form of a length of time in microseconds: 5400000000 is `1h30m`."""
    parts = []
    for unit, size in _UNITS.items():
        whole, length = divmod(length, size)
        if whole:
            parts.append(f"{whole}{unit}")
    return "".join(parts)


def _read(given: Any) -> int:
    try:
        return microseconds(given)
    except ValueError as error:
        raise PydanticCustomError("duration", "{problem}", {"problem": str(error).rsplit("; ", 1)[-1]}) from error


#: A field that reads `2h`, holds microseconds, and is stored as `2h`.
Duration = Annotated[
    int,
    BeforeValidator(_read),
    PlainSerializer(text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _FORM.pattern, "examples": ["90s", "5m", "2h"]}),
    Field(description="A length of time: 90s, 5m, 2h, 1h30m, 1d."),
]
