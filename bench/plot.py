"""The rates of a benchmark as bars, one panel per kind of record: an SVG without a library."""

from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from bench.running import Measured

FILE: Final = Path(__file__).parent / "rates.svg"
_WIDTH, _BAR, _LABEL = 900, 22, 330


def draw(measured: list[Measured], file: Path = FILE) -> None:
    """Write the plot: records per second, each panel on a scale of its own."""
    panels: dict[str, list[Measured]] = {}
    for found in measured:
        panels.setdefault(found.what, []).append(found)
    parts, y = [], 10
    for what, members in panels.items():
        most = max(found.rate for found in members)
        parts.append(f'<text x="10" y="{y + 14}" font-weight="bold">{escape(what)}</text>')
        y += _BAR
        for found in members:
            width = (_WIDTH - _LABEL - 130) * found.rate / most
            colour = "#1f6f54" if found.system.startswith("waldstream") else "#9aa5b1"
            parts.append(f'<text x="{_LABEL - 10}" y="{y + 14}" text-anchor="end">{escape(found.system)}</text>')
            parts.append(f'<rect x="{_LABEL}" y="{y + 2}" width="{width:.1f}" height="{_BAR - 6}" fill="{colour}"/>')
            parts.append(f'<text x="{_LABEL + width + 6:.1f}" y="{y + 14}">{found.rate:,.0f} records/s</text>')
            y += _BAR
        y += 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" font-family="sans-serif" font-size="13">'
    )
    body = [head, f'<rect width="{_WIDTH}" height="{y}" fill="white"/>', *parts, "</svg>"]
    file.write_text("\n".join(body) + "\n", encoding="utf-8")
