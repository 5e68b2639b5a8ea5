"""Which runs are meant: `tag=rng and decided>2026-11-01`, read into a function that says yes or no to a run.

Comparisons are joined by `and`, `or`, `not` and parentheses; a value with spaces stands in quotes. Times are UTC.
"""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from exporter.catalog import Recorded

Test = Callable[[Recorded], bool]
_Value = str | float | datetime | tuple[str, ...] | None

_TOKEN: Final = re.compile(r"""\s*(?:([()])|(<=|>=|!=|[=<>~])|"([^"]*)"|'([^']*)'|([^\s()<>=!~"']+))""")
_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class SelectionError(ValueError):
    """A filter that cannot be read; the message says where and what is allowed."""


#: Field to what it is in a run. A field of several values (tags) is met by any of them.
FIELDS: Final[Mapping[str, Callable[[Recorded], _Value]]] = {
    "id": lambda run: run.decision.experiment_id,
    "run": lambda run: float(run.decision.run),
    "title": lambda run: str(run.definition.get("title") or ""),
    "owner": lambda run: str(run.definition.get("owner") or ""),
    "tag": lambda run: tuple(map(str, run.definition.get("tags") or ())),
    "family": lambda run: str(run.definition["model"]["family"]),
    "outcome": lambda run: run.decision.outcome,
    "reason": lambda run: str(run.decision.reason),
    "n": lambda run: float(run.decision.n),
    "llr": lambda run: run.decision.llr,
    "p": lambda run: run.decision.p_value,
    "alpha": lambda run: float(run.definition["errors"]["alpha"]),
    "attempt": lambda run: float(run.started.attempt),
    "started": lambda run: run.started.at,
    "decided": lambda run: run.decision.at,
}
_NUMBERS: Final = ("run", "n", "llr", "p", "alpha", "attempt")
_TIMES: Final = ("started", "decided")


def selection(text: str) -> Test:
    """Return the test that a filter stands for.

    Raises
    ------
    SelectionError
        If it is none.
    """
    return _Reader(text).read()


class _Reader:
    """Reads one filter from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0

    def read(self) -> Test:
        """Return the whole filter."""
        found = self._either()
        if (left := self._peek()) is not None:
            raise self._error(f"{left!r} follows a whole comparison; allowed: and, or")
        return found

    def _either(self) -> Test:
        parts = [self._both()]
        while self._taken("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda run: any(part(run) for part in parts)

    def _both(self) -> Test:
        parts = [self._one()]
        while self._taken("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda run: all(part(run) for part in parts)

    def _one(self) -> Test:
        if self._taken("not"):
            inner = self._one()
            return lambda run: not inner(run)
        if self._taken("("):
            inner = self._either()
            if not self._taken(")"):
                raise self._error("a parenthesis is left open")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        field, sign, value = self._take("a field"), self._take("a sign"), self._take("a value")
        if field not in FIELDS:
            raise self._error(f"no field {field!r}; allowed: {', '.join(FIELDS)}")
        if sign not in (*_ORDER, "~"):
            raise self._error(f"{sign!r} after {field}; allowed: = != < <= > >= ~ (contains)")
        return self._compared(field, sign, value)

    def _compared(self, field: str, sign: str, value: str) -> Test:
        get = FIELDS[field]
        if field in _NUMBERS:
            return self._ordered(get, sign, self._number(field, value))
        if field in _TIMES:
            return self._timed(get, sign, field, value)
        if sign not in ("=", "!=", "~"):
            raise self._error(f"{field} {sign} {value}; allowed for text: = != ~ (contains)")
        wanted = value.casefold()

        def among(run: Recorded) -> bool:
            given = get(run)
            texts = [text.casefold() for text in (given if isinstance(given, tuple) else (str(given),))]
            return any(wanted in text for text in texts) if sign == "~" else (wanted in texts) == (sign == "=")

        return among

    def _ordered(self, get: Callable[[Recorded], Any], sign: str, wanted: object) -> Test:
        if sign == "~":
            raise self._error("~ (contains) is for text; allowed here: = != < <= > >=")
        compare = _ORDER[sign]
        return lambda run: compare(get(run), wanted)

    def _timed(self, get: Callable[[Recorded], Any], sign: str, field: str, value: str) -> Test:
        try:
            wanted = datetime.fromisoformat(value)
        except ValueError as error:
            allowed = "allowed: a date or time such as 2026-11-01 or 2026-11-01T09:30:00"
            raise self._error(f"{field} {sign} {value!r}; {allowed}") from error
        wanted = wanted.replace(tzinfo=wanted.tzinfo or UTC)
        if sign in ("=", "!=") and re.fullmatch(r"\d{4}-?\d\d-?\d\d", value):

            def that_day(run: Recorded) -> bool:
                day: date = get(run).astimezone(UTC).date()
                return (day == wanted.date()) == (sign == "=")

            return that_day
        return self._ordered(get, sign, wanted)

    def _number(self, field: str, value: str) -> float:
        try:
            return float(value)
        except ValueError as error:
            raise self._error(f"{field}: {value!r}; allowed: a number") from error

    def _peek(self) -> str | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _taken(self, token: str) -> bool:
        here = self._peek()
        if here is None or here.casefold() != token:
            return False
        self._next += 1
        return True

    def _take(self, what: str) -> str:
        here = self._peek()
        if here is None:
            raise self._error(f"it ends where {what} is expected; allowed: such as tag=rng and decided>2026-11-01")
        self._next += 1
        return here

    def _error(self, problem: str) -> SelectionError:
        return SelectionError(f"--where {self._text[:200]!r}: {problem}")


def _tokens(text: str) -> list[str]:
    """Return the words, signs and parentheses of a filter."""
    found, at = list[str](), 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise SelectionError(f"--where {text[:200]!r}: {text[at]!r} at place {at + 1} is not allowed there")
        found.append(next(group for group in match.groups() if group is not None))
        at = match.end()
    return found
