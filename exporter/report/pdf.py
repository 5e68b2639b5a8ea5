"""From an archive to the bytes of its PDF, the same bytes every time: the date in it is that of the decision."""

import json
from functools import cache
from pathlib import Path
from typing import Final

import pyarrow as pa
import typst

from exporter.archive import Archive
from exporter.report.content import content

_HERE: Final = Path(__file__).parent


def pdf(archive: Archive, points: pa.Table, paper: str = "a4") -> bytes:
    """Return the report; `points` is the thinned walk, `paper` typst's name of a paper size."""
    data = json.dumps(content(archive, points), ensure_ascii=False)
    made: bytes = typst.compile(
        _HERE / "report.typ",
        root=_HERE,
        font_paths=_fonts(),
        sys_inputs={"report": data, "paper": paper},
        timestamp=int(archive.decision.at.timestamp()),
    )
    return made


@cache
def _fonts() -> typst.Fonts:
    """Return the fonts, looked up once: typst's own, then the system's for scripts that those lack."""
    return typst.Fonts(include_system_fonts=True)
