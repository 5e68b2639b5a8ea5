"""A walk between its lines, drawn with Braille dots in a terminal: two dots a column, four a row."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.text import Text

_BLANK: Final = 0x2800
#: Bit of the dot in column 0 or 1 and row 0 to 3 of a Braille cell.
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_MARGIN: Final = 9  # columns of the axis' labels


class Canvas:
    """A plot of fixed size over fixed ranges; points are added, the picture is asked for at any time.

    Parameters
    ----------
    size
        Columns and rows of the whole picture, labels included.
    right
        The largest n.
    heights
        Range of the walk, in nats.
    lines
        Horizontal lines: where, and what to write beside them.
    """

    def __init__(
        self, size: tuple[int, int], right: int, heights: tuple[float, float], lines: Sequence[tuple[float, str]]
    ) -> None:
        self._columns, self._rows = max(20, size[0] - _MARGIN), max(5, size[1] - 2)
        self._right, (self._low, self._high) = max(1, right), heights
        self._lines = tuple(lines)
        self._last = (0, 0.0)
        self._cells = np.zeros((self._rows, self._columns), dtype=np.int64)

    def add(self, n: npt.NDArray[Any], llr: npt.NDArray[np.float64]) -> None:
        """Draw the next points of the walk and the lines between them; what is out of range stands at its edge."""
        last, self._last = self._last, (int(n[-1]), float(llr[-1]))
        between = -(-8 * self._columns // self._right)  # a short walk has fewer points than dots
        if between > 1:
            fine = np.arange(last[0] * between, int(n[-1]) * between + 1)
            llr = np.interp(fine / between, np.concatenate(([last[0]], n)), np.concatenate(([last[1]], llr)))
            n = fine / between
        across = np.clip((n * (2 * self._columns - 1) // self._right).astype(np.int64), 0, 2 * self._columns - 1)
        down = self._height_of(llr)
        keys = np.unique(across * (4 * self._rows) + down)
        for key in keys.tolist():
            x, y = divmod(key, 4 * self._rows)
            self._cells[y // 4, x // 2] |= _DOTS[x % 2][y % 4]

    def picture(self, words: str = "") -> Text:
        """Return the plot as it stands, `words` above it."""
        labels = self._labels()
        text = Text(words + "\n")
        for row in range(self._rows):
            label, is_line = labels.get(row, ("", False))
            text.append(f"{label[: _MARGIN - 1]:>{_MARGIN - 1}} ", "dim")
            for column in range(self._columns):
                if dots := int(self._cells[row, column]):
                    text.append(chr(_BLANK + dots), "bold cyan")
                else:
                    text.append("─" if is_line else " ", "dim")
            text.append("\n")
        end = f"n = {self._right}"
        text.append(" " * _MARGIN + "0" + end.rjust(self._columns - 1) + "\n", "dim")
        return text

    def _height_of(self, llr: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        share = (self._high - llr) / (self._high - self._low)
        return np.clip(np.round(share * (4 * self._rows - 1)), 0, 4 * self._rows - 1).astype(np.int64)

    def _labels(self) -> dict[int, tuple[str, bool]]:
        labels = dict[int, tuple[str, bool]]()
        for at, label in self._lines:
            labels[int(self._height_of(np.array([at]))[0]) // 4] = (label, True)
        return labels
