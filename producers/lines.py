"""Numbers from lines of text, as a person or another program writes them, and their cutting into records."""

import itertools
import math
from collections.abc import Iterable, Iterator

from producers.errors import SourceError


def numbers(lines: Iterable[str]) -> Iterator[float]:
    """Yield the numbers of the lines, several to a line if spaces or commas part them.

    Raises
    ------
    SourceError
        At text that is no finite number, with its line.
    """
    for count, line in enumerate(lines, 1):
        for text in line.replace(",", " ").split():
            try:
                number = float(text)
            except ValueError:
                number = math.nan
            if not math.isfinite(number):
                raise SourceError(f"line {count}: {text[:40]!r}; allowed: finite numbers")
            yield number


def chunks(values: Iterator[float], size: int) -> Iterator[list[float]]:
    """Yield the values in lists of `size`, the last one shorter; each is given on as soon as it is full."""
    while chunk := list(itertools.islice(values, size)):
        yield chunk
